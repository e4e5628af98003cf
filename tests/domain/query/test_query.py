"""The query language: what is taken, what the same question is, and where a fault is."""

from __future__ import annotations

import pytest

from docket.domain.query import canonical
from docket.domain.query.canonical import Query, parse, parse_fields
from docket.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        (" \t\n ", ""),
        ("host 10.1.2.3", "host 10.1.2.3"),
        ("HOST 10.1.2.3 AND Port 0443", "host 10.1.2.3 and port 443"),
        ("host 2001:DB8:0:0::1", "host 2001:db8::1"),
        ("host ::ffff:10.1.2.3", "host 10.1.2.3"),
        ("host ::FFFF:0a01:0203", "host 10.1.2.3"),
        ("net ::ffff:10.1.2.3/104", "net 10.0.0.0/8"),
        ("net ::ffff:10.1.2.3/95", "net ::fffe:0:0/95"),
        ("net 10.1.2.3/8", "net 10.0.0.0/8"),
        ("net 10.1.2.3 / 8", "net 10.0.0.0/8"),
        ("net 10.1.2.3/32", "host 10.1.2.3"),
        ("net 2001:db8::1/128", "host 2001:db8::1"),
        ("net 10.1.2.3 mask 255.255.0.0", "net 10.1.0.0/16"),
        ("net 2001:db8::1 mask ffff:ffff::", "net 2001:db8::/32"),
        ("net 0.0.0.0/0", "net 0.0.0.0/0"),
        ("net 10.1.2.3 mask 0.0.0.0", "net 0.0.0.0/0"),
        ("port 0 and port 65535", "port 0 and port 65535"),
        ("ip proto 6", "tcp"),
        ("proto UDP", "udp"),
        ("ip proto icmp", "icmp"),
        ("icmp6", "icmp6"),
        ("proto ipv6-icmp", "icmp6"),
        ("ip proto 58", "icmp6"),
        ("proto gre", "ip proto 47"),
        ("proto 0 or proto 255", "ip proto 0 or ip proto 255"),
        ("vlan 0 or vlan 4095", "vlan 0 or vlan 4095"),
        ("mpls 0 or mpls 1048575", "mpls 0 or mpls 1048575"),
        ("port 1&&port 2||port 3", "port 3 or (port 1 and port 2)"),
        ("(((tcp)))", "tcp"),
        ("(tcp)and(port 80)", "tcp and port 80"),
        ("sctp", "sctp"),
        ("proto 132", "sctp"),
        ("ip and ip6 or arp", "arp or (ip and ip6)"),
        ("ip6 proto 6", "ip6 and tcp"),
        ("ip host 10.1.2.3 and ip6 net 2001:db8::/32", "host 10.1.2.3 and net 2001:db8::/32"),
        ("not port 443", "not port 443"),
        ("! port 443", "not port 443"),
        ("!!!port 443", "not port 443"),
        ("not not port 443", "port 443"),
        ("not (not (not tcp))", "not tcp"),
        ("not tcp and udp", "udp and not tcp"),
        ("not (tcp and udp)", "not tcp or not udp"),
        ("not (tcp or udp) and host 10.1.2.3", "host 10.1.2.3 and not tcp and not udp"),
        ("not (tcp or (udp and not port 53))", "not tcp and (port 53 or not udp)"),
        ("tcp or not (udp and icmp)", "tcp or not icmp or not udp"),
        ("SRC host 10.1.2.3", "src host 10.1.2.3"),
        ("src 10.1.2.3 and dst 10.0.0.0/8", "src host 10.1.2.3 and dst net 10.0.0.0/8"),
        ("src or dst port 80", "port 80"),
        ("src and dst port 80", "dst port 80 and src port 80"),
        ("portrange 1000-2000", "portrange 1000-2000"),
        ("dst port 1000-2000", "dst portrange 1000-2000"),
        ("port 80-80", "port 80"),
        ("tcp port 80 and host 10.1.2.3", "host 10.1.2.3 and tcp port 80"),
        ("sctp src port 5", "sctp src port 5"),
        ("udp dst portrange 1-2", "udp dst portrange 1-2"),
        ("ether host 00-1B-21-3C-4D-5E", "ether host 00:1b:21:3c:4d:5e"),
        ("ether src host 001b.213c.4d5e", "ether src 00:1b:21:3c:4d:5e"),
        ("ether proto 0x806 or ether proto ip6", "arp or ip6"),
        ("less 100 and greater 050", "less 100 and greater 50"),
        ("inner host 10.1.2.3", "inner host 10.1.2.3"),
        ("any tcp port 80", "any tcp port 80"),
        ("inner src net 10.1.2.3/8", "inner src net 10.0.0.0/8"),
        ("inner proto gre", "inner ip proto 47"),
        ("any ether dst 00:1b:21:3c:4d:5e", "any ether dst 00:1b:21:3c:4d:5e"),
        ("flow 10.1.2.3:50000 - 10.0.0.1:443", "flow 10.0.0.1:443 - 10.1.2.3:50000"),
        ("flow TCP 10.1.2.3:5-10.0.0.1:443", "flow tcp 10.0.0.1:443 - 10.1.2.3:5"),
        ("flow [2001:DB8::1]:5 - [2001:db8::2]:6", "flow [2001:db8::1]:5 - [2001:db8::2]:6"),
        ("flow icmp 10.1.2.4 - 10.1.2.3", "flow icmp 10.1.2.3 - 10.1.2.4"),
        ("flow proto 47 10.1.2.4 - 10.1.2.3:*", "flow proto 47 10.1.2.3 - 10.1.2.4"),
        ("host 10.1.2.3\u00a0and\u2003tcp", "host 10.1.2.3 and tcp"),
    ],
)
def test_a_query_has_one_canonical_text(text: str, canonical: str) -> None:
    """Case, spaces, forms of addresses and names of protocols are gone; and it is its own canonical text."""
    assert parse(text).canonical == canonical
    assert parse(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("port 80 and host 10.1.2.3", "host 10.1.2.3 and port 80"),
        ("port 443 or port 80", "port 80 or port 443"),
        ("tcp and (port 80 and host 10.1.2.3)", "host 10.1.2.3 and tcp and port 80"),
        ("tcp or (udp or icmp)", "icmp or tcp or udp"),
        ("tcp and tcp", "tcp"),
        ("port 80 or (port 80 and port 80)", "port 80"),
        ("(tcp or udp) and (udp or tcp)", "tcp or udp"),
        ("tcp and ((udp or udp) and icmp)", "icmp and tcp and udp"),
        ("tcp or ((udp and icmp) or (icmp and udp))", "(icmp and udp) or tcp"),
        ("(tcp and port 1) or (udp and port 2)", "(port 2 and udp) or (port 1 and tcp)"),
        ("host 10.0.0.2 or host 10.0.0.10", "host 10.0.0.10 or host 10.0.0.2"),
    ],
)
def test_the_same_question_has_the_same_text(one: str, other: str) -> None:
    """Neither order nor repetition nor needless parentheses make another question."""
    assert parse(one) == parse(other)
    assert parse(one).canonical == parse(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tcp or udp and port 53", "(tcp or udp) and port 53"),
        ("port 80 and port 443", "port 80 or port 443"),
        ("host 10.0.0.0", "net 10.0.0.0/31"),
        ("net 0.0.0.0/0", "net ::/0"),
        ("", "net 0.0.0.0/0 or net ::/0"),
        ("proto 1", "proto 58"),
    ],
)
def test_another_question_has_another_text(one: str, other: str) -> None:
    """Nothing is folded that would ask for other packets."""
    assert parse(one).canonical != parse(other).canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.1.2.3", "host 10.1.2.3"),
        ("2001:DB8::1", "host 2001:db8::1"),
        ("10.1.0.0/16", "net 10.1.0.0/16"),
        ("1.2.3.4:443", "host 1.2.3.4 and port 443"),
        ("[2001:db8::1]:443", "host 2001:db8::1 and port 443"),
        ("http://1.2.3.4/x", "host 1.2.3.4 and port 80"),
        ("https://user@1.2.3.4:8443/x?a=1&b=!2|3", "host 1.2.3.4 and port 8443"),
        ("hxxps[:]//1[.]2[.]3[.]4/x", "host 1.2.3.4 and port 443"),
        ("https://[2001:db8::1]/", "host 2001:db8::1 and port 443"),
        ("1[.]2[.]3[.]4", "host 1.2.3.4"),
        ("host 1[.]2[.]3[.]4", "host 1.2.3.4"),
        ("00:1b:21:3c:4d:5e", "ether host 00:1b:21:3c:4d:5e"),
        ("10.1.2.3 and not 10.9.0.1", "host 10.1.2.3 and not host 10.9.0.1"),
        ("port 80 or 443", "port 80 or port 443"),
        ("tcp dst port 80 or 443", "tcp dst port 80 or tcp dst port 443"),
        ("inner port 80 or 443", "inner port 80 or inner port 443"),
        ("src host 10.1.2.3 or 10.1.2.4", "src host 10.1.2.3 or src host 10.1.2.4"),
        ("ip.addr == 10.1.2.3 && tcp.port == 443", "host 10.1.2.3 and tcp port 443"),
        (
            "ip.addr==10.1.2.3&&!(udp.dstport in {53, 5353..5355})",
            "host 10.1.2.3 and not udp dst port 53 and not udp dst portrange 5353-5355",
        ),
        (
            "ipv6.src eq 2001:db8::1 or eth.addr == 00:1b:21:3c:4d:5e",
            "src host 2001:db8::1 or ether host 00:1b:21:3c:4d:5e",
        ),
        ("ip.dst != 10.0.0.0/8", "not dst net 10.0.0.0/8"),
        ("frame.len >= 100 and frame.len < 200", "less 199 and greater 100"),
        ("ip.proto == 47 && vlan.id == 5 && mpls.label == 7", "ip proto 47 and vlan 5 and mpls 7"),
        ("tcp.port >= 1024", "tcp portrange 1024-65535"),
        ("ip == 10.1.2.3 && port == 443", "host 10.1.2.3 and port 443"),
        ("ip.src == 10.0.0.0/8 && port.dst == [80,443]", "src net 10.0.0.0/8 and (dst port 80 or dst port 443)"),
        ("ip == [10.1.2.3, 10.1.2.4] && protocols == tcp", "tcp and (host 10.1.2.3 or host 10.1.2.4)"),
        ('source.ip == "10.1.2.3" and destination.port == 443', "src host 10.1.2.3 and dst port 443"),
    ],
)
def test_what_people_paste_is_read_where_its_meaning_is_plain(text: str, canonical: str) -> None:
    """Bare values, links, tcpdump's lists, Wireshark's and Arkime's comparisons."""
    assert parse(text).canonical == canonical


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("host 10.1.2.3 port 80", "host 10.1.2.3 and port 80"),
        ("host 10.0.0.0/8", "net 10.0.0.0/8"),
        ("net 10.1.2.3", "host 10.1.2.3"),
        ("net 10.1", "net 10.1.0.0/16"),
        ("tcp port 80,443 and vlan 5", "(tcp port 80 or tcp port 443) and vlan 5"),
        ("port 1000:2000", "port 1000-2000"),
        ("port https", "port 443"),
        ("tcp & udp", "tcp && udp"),
        ("dns", "port 53"),
        ("ipv6 and tcp", "ip6 and tcp"),
        ("gre or 443", "proto gre or 443"),
        ("tcp)", "tcp"),
    ],
)
def test_a_fault_comes_with_the_right_text_where_it_is_plain(text: str, suggestion: str) -> None:
    """The whole text, ready to be taken over."""
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert caught.value.faults[0].suggestion == suggestion


def test_and_binds_tighter_than_or() -> None:
    """As everywhere but at stenographer; the canonical text shows it with parentheses."""
    assert parse("tcp or udp and port 53") == parse("tcp or (udp and port 53)")
    assert parse("udp and port 53 or tcp").canonical == "tcp or (udp and port 53)"


def test_terms_stand_in_an_order_that_reads_well() -> None:
    """Addresses, protocol, ports, VLAN, MPLS, then groups."""
    text = "(tcp or udp) and mpls 7 and vlan 5 and port 80 and icmp and net 10.0.0.0/8 and host ::1 and host 9.9.9.9"
    expected = (
        "host 9.9.9.9 and host ::1 and net 10.0.0.0/8 and icmp and port 80 and vlan 5 and mpls 7 and (tcp or udp)"
    )
    assert parse(text).canonical == expected


def test_a_query_counts_its_terms() -> None:
    """Those of the canonical query, once each."""
    assert [parse(text).terms for text in ("", "tcp", "tcp and (port 1 or port 2) and tcp")] == [0, 1, 3]


def test_an_empty_query_asks_for_every_packet() -> None:
    """Also for those that are not IP; a query for all addresses does not."""
    assert (parse("").is_empty, parse("net 0.0.0.0/0").is_empty) == (True, False)
    assert parse("") == parse_fields({}) == Query(None)


def test_a_query_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for again, by its text or by its canonical text, the same query is handed out."""
    first = parse("port 40001 and host 10.99.1.2")
    monkeypatch.setattr(canonical, "read", lambda text: pytest.fail(f"{text} is parsed again"))
    assert parse("port 40001 and host 10.99.1.2") is first
    assert parse("host 10.99.1.2 and port 40001") is first


def test_only_so_many_queries_are_kept() -> None:
    """Memory stays bounded, whatever is asked; a long text is not kept at all."""
    first = parse("port 40002")
    for number in range(canonical.KEPT_QUERIES):
        parse(f"port {number}")
    assert parse("port 40002") is not first
    assert parse("port 40002") == first
    long = " or ".join(f"host 10.77.{number}.1" for number in range(250))
    assert len(long) > canonical.LONGEST_KEPT
    assert parse(long) is not parse(long)
