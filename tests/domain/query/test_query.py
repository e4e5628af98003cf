"""The query language: what is taken, what the same question is, and where a fault is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from docket.domain.query.canonical import MAX_DEPTH, MAX_TERMS, MAX_TEXT, Query, parse, parse_fields, split_time
from docket.errors import InvalidRequest


def faults_of(text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert {fault.field for fault in caught.value.faults} == {"query"}
    return [(fault.code, fault.position) for fault in caught.value.faults]


def sentence_of(text: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("port 70000", [("bad-port", 5)]),
        ("port 65536", [("bad-port", 5)]),
        ("port -1", [("bad-port", 5)]),
        ("port 80,443", [("bad-port", 5)]),
        ("port ٨٠", [("bad-port", 5)]),
        ("port 0x50", [("bad-port", 5)]),
        ("port http", [("bad-port", 5)]),
        ("port " + "9" * 5000, [("bad-port", 5)]),
        ("port", [("missing-value", 4)]),
        ("port and tcp", [("missing-value", 5)]),
        ("host port 80", [("missing-value", 5)]),
        ("host 10.1.2", [("bad-host", 5)]),
        ("host 10.1.2.256", [("bad-host", 5)]),
        ("host 010.1.2.3", [("bad-host", 5)]),
        ("host example.org", [("bad-host", 5)]),
        ("host fe80::1%eth0", [("bad-host", 5)]),
        ("host 1::2::3", [("bad-host", 5)]),
        ("host 10.0.0.0/8", [("bad-host", 0)]),
        ("net 10.0.0.0", [("bad-net", 12)]),
        ("net 10.0.0.0/33", [("bad-net", 4)]),
        ("net ::/129", [("bad-net", 4)]),
        ("net 10.0.0.0/x", [("bad-net", 4)]),
        ("net 10.0.0.0/", [("missing-value", 13)]),
        ("net 10.0.0.0 mask 255.0.255.0", [("bad-net", 4)]),
        ("net 10.0.0.0 mask ffff::", [("bad-net", 4)]),
        ("net 10.0.0.0 mask", [("missing-value", 17)]),
        ("ip proto 256", [("bad-proto", 9)]),
        ("proto nonsense", [("bad-proto", 6)]),
        ("vlan 4096", [("bad-vlan", 5)]),
        ("mpls 1048576", [("bad-mpls", 5)]),
        ("nonsense", [("unknown-word", 0)]),
        ("host 10.1.2.3 port 80", [("missing-connective", 14)]),
        ("tcp (port 80)", [("missing-connective", 4)]),
        ("host 10.1.2.3 nonsense", [("unknown-word", 14)]),
        ("host 10.1.2.3 not port 80", [("missing-connective", 14)]),
        ("host 10.1.2.3 10.1.2.4", [("missing-connective", 14)]),
        ("port 80 443", [("missing-connective", 8)]),
        ("not", [("missing-term", 3)]),
        ("not and tcp", [("missing-term", 4)]),
        ("not after 5m", [("time-in-query", 4)]),
        ("src", [("missing-value", 3)]),
        ("src tcp", [("missing-value", 4)]),
        ("src host 10.0.0.0/8", [("bad-host", 4)]),
        ("tcp host 10.1.2.3", [("missing-connective", 4)]),
        ("tcp src host 10.1.2.3", [("missing-connective", 4)]),
        ("ip host 2001:db8::1", [("bad-host", 3)]),
        ("ip6 net 10.0.0.0/8", [("bad-net", 4)]),
        ("portrange 80", [("bad-port", 10)]),
        ("portrange 9-1", [("bad-port", 10)]),
        ("port 9-1", [("bad-port", 5)]),
        ("port 1-70000", [("bad-port", 5)]),
        ("port 1-", [("bad-port", 5)]),
        ("less", [("missing-value", 4)]),
        ("greater -1", [("bad-length", 8)]),
        ("less 4294967296", [("bad-length", 5)]),
        ("ether 00:1b:21:3c:4d:5e", [("missing-value", 6)]),
        ("ether host 00:1b:21", [("bad-mac", 11)]),
        ("ether proto 0x88cc", [("bad-proto", 12)]),
        ("inner", [("missing-value", 5)]),
        ("inner (tcp)", [("missing-value", 6)]),
        ("inner not tcp", [("missing-value", 6)]),
        ("inner less 5", [("missing-value", 6)]),
        ("flow", [("missing-value", 4)]),
        ("flow 10.1.2.3:1", [("bad-flow", 5)]),
        ("flow 10.1.2.3:1 - ::1", [("bad-flow", 5)]),
        ("flow icmp 10.1.2.3:1 - 10.1.2.4:2", [("bad-flow", 10)]),
        ("flow 10.1.2.3:99999 - 10.1.2.4:2", [("bad-flow", 5)]),
        ("http.host == x", [("cannot-ask", 0)]),
        ("ip.addr == x", [("bad-value", 11)]),
        ("ip.addr ==", [("missing-value", 10)]),
        ("ip.addr >= 10.1.2.3", [("bad-value", 11)]),
        ("tcp.port < 0", [("bad-value", 11)]),
        ("443", [("unknown-word", 0)]),
        ("example.org", [("unknown-word", 0)]),
        ("https://example.org/x", [("bad-host", 0)]),
        ("tcp & udp", [("cannot-ask", 4), ("missing-connective", 6)]),
        ("after 2026-11-24T14:02:00Z and tcp", [("time-in-query", 0)]),
        ("tcp and before 5m ago", [("time-in-query", 8)]),
        ("and tcp", [("missing-term", 0)]),
        ("tcp or", [("missing-term", 6)]),
        ("tcp and or udp", [("missing-term", 8)]),
        ("()", [("missing-term", 1)]),
        ("(tcp", [("unclosed-parenthesis", 0)]),
        ("tcp)", [("unexpected-parenthesis", 3)]),
        (")", [("missing-term", 0), ("unexpected-parenthesis", 0)]),
        ("tcp\0", [("unknown-word", 0)]),
        ("tcp \u200b", [("unknown-word", 4)]),
        ("tcp;udp", [("unknown-word", 0)]),
    ],
)
def test_a_fault_is_named_at_its_place(text: str, faults: list[tuple[str, int]]) -> None:
    """Nothing that is not understood is passed over, least of all behind a good beginning."""
    assert faults_of(text) == faults


def test_all_faults_are_told_at_once() -> None:
    """Reading goes on behind a fault."""
    text = "port 70000 and host x or (not vlan 9999) src tcp foo"
    assert faults_of(text) == [
        ("bad-port", 5),
        ("bad-host", 20),
        ("bad-vlan", 35),
        ("missing-connective", 41),
        ("missing-value", 45),
        ("unknown-word", 49),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("after 5m ago", "the time window has fields of its own"),
        ("net 10.0.0.0", "prefix length"),
        ("host 10.0.0.0/8", "write net"),
        ("host example.org", "names are not looked up"),
        ("host fe80::1%eth0", "zone"),
        ("host 010.0.0.1", "octal"),
    ],
)
def test_a_fault_says_what_to_do(text: str, hint: str) -> None:
    """What stenographer cannot do has another way, and the sentence names it."""
    assert hint in sentence_of(text)


def test_a_hostile_text_is_quoted_harmlessly_and_short() -> None:
    """A sentence is shown in pages, logs and terminals."""
    sentence = sentence_of("host \x1b[31m\u202e" + "x" * 5000)
    assert sentence.isascii()
    assert len(sentence) < 200


def test_a_query_may_not_have_too_many_terms() -> None:
    """The limit itself is fine; one more is one fault at the term that is too much."""
    row = [f"port {number}" for number in range(MAX_TERMS + 1)]
    assert parse(" or ".join(row[:-1])).terms == MAX_TERMS
    assert faults_of(" or ".join(row)) == [("too-many-terms", len(" or ".join(row[:-1])) + 4)]


def test_a_query_may_not_be_too_long() -> None:
    """Spaces count as well."""
    assert parse("tcp" + " " * (MAX_TEXT - 3)).canonical == "tcp"
    assert faults_of("tcp" + " " * (MAX_TEXT - 2)) == [("query-too-long", MAX_TEXT)]


def test_the_longest_canonical_text_is_not_too_long() -> None:
    """What was taken once is taken again."""
    row = [f"net {number:x}f:1111:1111:1111:1111:1111:1111:8000/113" for number in range(256, 256 + MAX_TERMS)]
    query = parse("||".join(f"({first}&&{second})" for first, second in zip(row[::2], row[1::2], strict=True)))
    assert parse(query.canonical) == query


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 30_000])
def test_a_query_may_not_be_nested_too_deeply(depth: int) -> None:
    """However deep, it is a fault and never the end of Python's stack."""
    assert faults_of("(" * depth + "tcp" + ")" * depth) == [("too-deep", MAX_DEPTH)]


def test_the_deepest_query_is_read_again_from_its_canonical_text() -> None:
    """Groups are counted, not only parentheses: each of both kinds needs a pair in the canonical text."""
    text = "tcp"
    for number in range(MAX_DEPTH):
        text = f"port {number} {'and' if number % 2 else 'or'} ({text})"
    query = parse(text)
    assert parse(query.canonical) == query
    assert faults_of(f"udp or port 1 and ({text})")[0][0] == "too-deep"


def test_a_million_words_of_nonsense_are_some_dozen_faults() -> None:
    """An answer is not much larger than its question."""
    assert faults_of("! " * 30_000) == [("missing-term", 60_000)]
    assert len(faults_of("x and " * 10_000)) == 50


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({}, ""),
        ({"host": None, "net": "", "port": []}, ""),
        ({"host": "10.1.2.3"}, "host 10.1.2.3"),
        ({"host": ["10.1.2.3", "10.9.0.1"], "port": [443]}, "host 10.1.2.3 and host 10.9.0.1 and port 443"),
        ({"port": ["80", 443]}, "port 80 and port 443"),
        ({"net": "10.1.2.3/24"}, "net 10.1.2.0/24"),
        ({"net": ["10.1.2.3 mask 255.255.255.0", "2001:db8::/32"]}, "net 10.1.2.0/24 and net 2001:db8::/32"),
        ({"proto": 6}, "tcp"),
        ({"proto": "47", "vlan": 5, "mpls": "77"}, "ip proto 47 and vlan 5 and mpls 77"),
        ({"proto-name": "TCP"}, "tcp"),
        ({"proto-name": ["udp"], "proto": [17]}, "udp"),
        ({"host": " 10.1.2.3 "}, "host 10.1.2.3"),
        ({"port": (80,)}, "port 80"),
    ],
)
def test_fields_are_all_asked_for_together(fields: Mapping[str, object], canonical: str) -> None:
    """Each value is a term and all must hold, as in Docket 1."""
    assert parse_fields(fields).canonical == canonical


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({"src_host": "10.1.2.3", "dst_port": [80, 443]}, "src host 10.1.2.3 and dst port 80 and dst port 443"),
        (
            {"host": "10.1.2.3", "not": {"port": [443, "1000-2000"]}},
            "host 10.1.2.3 and not port 443 and not portrange 1000-2000",
        ),
        ({"inner_src_net": "10.0.0.0/8", "any_proto": "tcp"}, "inner src net 10.0.0.0/8 and any tcp"),
        ({"layer": "ip6", "not": {"layer": "arp"}}, "ip6 and not arp"),
        (
            {"ether": "00:1b:21:3c:4d:5e", "src_ether": "001b.213c.4d5e"},
            "ether host 00:1b:21:3c:4d:5e and ether src 00:1b:21:3c:4d:5e",
        ),
        (
            {"flow": "tcp 10.1.2.3:5 - 10.0.0.1:443", "less": 100, "greater": "50"},
            "flow tcp 10.0.0.1:443 - 10.1.2.3:5 and less 100 and greater 50",
        ),
        ({"not": None}, ""),
    ],
)
def test_fields_say_direction_scope_and_not(fields: Mapping[str, object], canonical: str) -> None:
    """All that a term can say; none of the values under `not` may hold."""
    assert parse_fields(fields).canonical == canonical


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"not": "tcp"}, [("bad-not", "not")]),
        ({"not": {"hots": 1}}, [("unknown-field", "not.hots")]),
        ({"not": {"port": 70000}}, [("bad-port", "not.port")]),
        ({"src_vlan": 5}, [("unknown-field", "src_vlan")]),
        ({"inner_less": 5}, [("unknown-field", "inner_less")]),
        ({"layer": "tcp"}, [("bad-layer", "layer")]),
        ({"hots": "10.1.2.3"}, [("unknown-field", "hots")]),
        ({"port": 70000}, [("bad-port", "port")]),
        ({"port": True}, [("bad-port", "port")]),
        ({"port": 80.0}, [("bad-port", "port")]),
        ({"port": [[80]]}, [("bad-port", "port")]),
        ({"port": {"from": 80}}, [("bad-port", "port")]),
        ({"mpls": 10**5000}, [("bad-mpls", "mpls")]),
        ({"host": "10.1.2.3 or tcp"}, [("bad-host", "host")]),
        ({"host": "10.0.0.0/8"}, [("bad-host", "host")]),
        ({"net": "10.0.0.0"}, [("bad-net", "net")]),
        ({"net": "10.0.0.0/8/8"}, [("bad-net", "net")]),
        ({"proto-name": "XYZ"}, [("bad-proto-name", "proto-name")]),
        ({"host": "x", "port": ["y", 80, "z"]}, [("bad-host", "host"), ("bad-port", "port"), ("bad-port", "port")]),
        ({"port": [1] * (MAX_TERMS + 1)}, [("too-many-terms", "port")]),
    ],
)
def test_faults_in_fields_name_their_field(fields: Mapping[str, object], faults: list[tuple[str, str]]) -> None:
    """All at once; a value cannot smuggle a second term in."""
    with pytest.raises(InvalidRequest) as caught:
        parse_fields(fields)
    assert [(fault.code, fault.field) for fault in caught.value.faults] == faults


def test_fields_together_may_not_have_too_many_terms() -> None:
    """Each field is within the limit here, all of them are not."""
    with pytest.raises(InvalidRequest, match="more than"):
        parse_fields({"port": list(range(MAX_TERMS)), "vlan": 5})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", None, None)),
        ("port 53", ("port 53", None, None)),
        ("after 5m ago", ("", "5m", None)),
        ("before 3h ago and tcp", ("tcp", None, "3h")),
        (
            "after 2026-11-24T14:02:00Z and before 2026-11-24T15:02:00+01:00 and host 10.1.2.3",
            ("host 10.1.2.3", "2026-11-24T14:02:00Z", "2026-11-24T15:02:00+01:00"),
        ),
        ("tcp and (after 5m ago and port 53)", ("tcp and port 53", "5m", None)),
        ("port 53 or port 80 and after 5m ago", ("port 53 or port 80", "5m", None)),
        ("tcp or udp and port 53", ("port 53 and (tcp or udp)", None, None)),
        ("port 1 or port 2 and port 3 or port 4", ("port 4 or (port 3 and (port 1 or port 2))", None, None)),
    ],
)
def test_time_is_taken_out_of_a_query_for_stenographer(text: str, parts: tuple[str, str | None, str | None]) -> None:
    """From left to right, as stenographer would have read it."""
    assert split_time(text) == parts


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("after 5m ago or port 53", [("time-in-choice", 0)]),
        ("after 5m ago and port 53 or port 80", [("time-in-choice", 0)]),
        ("tcp and (port 53 or (udp and before 5m ago))", [("time-in-choice", 29)]),
        ("after 5m ago and after 6m ago", [("time-twice", 17)]),
        ("after 5m", [("bad-time", 6)]),
        ("after soon ago", [("bad-time", 6)]),
        ("after", [("missing-value", 5)]),
        ("after 2026-13-24T14:02:00Z and port 70000", [("bad-time", 6), ("bad-port", 36)]),
        ("port 53 not tcp", [("missing-connective", 8)]),
        ("not after 5m ago", [("time-in-choice", 4)]),
    ],
)
def test_a_time_that_is_not_for_the_whole_query_is_refused(text: str, faults: list[tuple[str, int]]) -> None:
    """A job has one window."""
    with pytest.raises(InvalidRequest) as caught:
        split_time(text)
    assert [(fault.code, fault.position) for fault in caught.value.faults] == faults


def test_a_query_for_stenographer_cannot_nest_too_deeply_either() -> None:
    """Words in turn nest without any parenthesis when they are read from left to right."""
    text = " ".join(f"port {number} {'and' if number % 2 else 'or'}" for number in range(MAX_TERMS - 1)) + " tcp"
    with pytest.raises(InvalidRequest, match="nested"):
        split_time(text)
    assert parse(text).terms == MAX_TERMS


def test_suggestions_do_not_blow_up_an_answer() -> None:
    """A long text is not written once more for each of its faults."""
    with pytest.raises(InvalidRequest) as caught:
        parse("dns and " * 5_000 + "tcp")
    assert sum(len(fault.suggestion or "") for fault in caught.value.faults) == 0
