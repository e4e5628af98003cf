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
        ("port 1-1024", [("bad-port", 5)]),
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
        ("ip host 10.1.2.3", [("unknown-word", 0)]),
        ("ip", [("unknown-word", 0)]),
        ("nonsense", [("unknown-word", 0)]),
        ("10.1.2.3", [("unknown-word", 0)]),
        ("sctp", [("unknown-word", 0)]),
        ("tcp port 80", [("missing-connective", 4)]),
        ("host 10.1.2.3 port 80", [("missing-connective", 14)]),
        ("tcp (port 80)", [("missing-connective", 4)]),
        ("host 10.1.2.3 nonsense", [("unknown-word", 14)]),
        ("host 10.1.2.3 not port 80", [("cannot-ask", 14)]),
        ("not port 80", [("cannot-ask", 0)]),
        ("!port 80", [("cannot-ask", 0)]),
        ("tcp and ! (port 80)", [("cannot-ask", 8)]),
        ("src host 10.1.2.3", [("cannot-ask", 0)]),
        ("dst port 80", [("cannot-ask", 0)]),
        ("portrange 1-1024", [("cannot-ask", 0)]),
        ("arp or tcp", [("cannot-ask", 0)]),
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
        ("cannot-ask", 26),
        ("bad-vlan", 35),
        ("cannot-ask", 41),
        ("unknown-word", 49),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("not tcp", "filter the result"),
        ("src host 10.1.2.3", "do not know the direction"),
        ("portrange 1-9", "name each one"),
        ("arp", "does not index ARP"),
        ("ip6", "host 2001:db8::1"),
        ("after 5m ago", "the time window has fields of its own"),
        ("10.1.2.3", "write host 10.1.2.3"),
        ("sctp", "write proto sctp"),
        ("net 10.0.0.0", "prefix length"),
        ("host 10.0.0.0/8", "write net"),
        ("port 1-9", "one port"),
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
    assert len(faults_of("! " * 30_000)) == 50
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
    ("fields", "faults"),
    [
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
        ("port 53 not tcp", [("cannot-ask", 8)]),
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
