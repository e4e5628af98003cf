"""What is no query: each fault at its place, with what to do."""

from __future__ import annotations

import pytest

from docket.domain.query.canonical import MAX_DEPTH, MAX_TERMS, MAX_TEXT, parse
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


def test_suggestions_do_not_blow_up_an_answer() -> None:
    """A long text is not written once more for each of its faults."""
    with pytest.raises(InvalidRequest) as caught:
        parse("dns and " * 5_000 + "tcp")
    assert sum(len(fault.suggestion or "") for fault in caught.value.faults) == 0
