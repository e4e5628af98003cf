"""The query language under a hundred thousand inputs: no exception but ours, and one meaning everywhere.

Inputs are built from the bytes that hypothesis draws, which is many times cheaper than drawing them piece by
piece, and shrinks as well: where the bytes end, the first and simplest choice is taken.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Literal, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from docket.domain.query.canonical import Query, parse, parse_fields, split_time
from docket.domain.query.render import explain, to_bpf, to_stenographer
from docket.domain.query.terms import Mpls, Net, Port, Protocol, Term, Vlan
from docket.errors import InvalidRequest
from tests.domain.query.query_meaning import Facts, matches

TIMES = int(os.environ.get("FUZZ", "1"))
"""`make fuzz` asks for fifteen times as many, a million random texts."""
CASES_OF_TEXT = 40_000 * TIMES
CASES_OF_MUTANTS = 30_000 * TIMES
CASES_OF_MEANING = 30_000 * TIMES
PACKETS_PER_CASE = 4
"""Packets that each query is held against."""

T = TypeVar("T")

HOSTS = ["10.1.2.3", "10.1.2.4", "10.9.0.1", "2001:db8::1", "2001:db8::2", "fe80::1"]
NETS = ["10.1.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "10.1.2.2/31"]
NUMBERS = [6, 17, 1, 58, 47]
WORDS = ["host", "net", "port", "ip", "proto", "tcp", "udp", "icmp", "icmp6", "vlan", "mpls", "mask", "and", "or"]
SIGNS = ["&&", "||", "(", ")", "/", "!", "not", "src", "after", "before", "ago", "5m", "2026-11-24T14:02:00Z"]
NEW_WORDS = ["dst", "portrange", "1-9", "sctp", "ip6", "arp", "ether", "00:1b:21:3c:4d:5e", "less", "greater", "60"]
NEW_WORDS += ["inner", "any", "flow", "-", "10.1.2.3:5", "[::1]:5", "==", "!=", "in", "{", "}", "ip.addr", "tcp.port"]
NEW_WORDS += ["http://10.1.2.3/x", "1[.]2[.]3[.]4", "<", ">=", "=", "frame.len", "port.dst", "[1,2]", "80,443"]
ODD = ["\0", "\u0660", "\ud800", "\u00a0", "\u202e", "ſ", "K", "%", ":", ".", "-", "9" * 30, "1e9", "0x1f", "::", "''"]


def quickly(cases: int) -> settings:
    """Settings for many cheap cases: no database, and no clock that could fail a test."""
    phases = [Phase.explicit, Phase.generate, Phase.shrink]
    checks = [HealthCheck.too_slow, HealthCheck.large_base_example]
    return settings(max_examples=cases, deadline=None, database=None, phases=phases, suppress_health_check=checks)


class Choices:
    """A row of choices, one byte each."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1; 0 when the bytes are used up."""
        if self._place >= len(self._data):
            return 0
        self._place += 1
        return self._data[self._place - 1] % limit

    def one_of(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A term and one way to write it."""

    term: Term
    text: str

    def means(self, facts: Facts) -> bool:
        return matches(self.term, facts)


@dataclass(frozen=True, slots=True)
class Branch:
    """Operands and the word between them, as a person may have written them."""

    word: Literal["and", "or"]
    parts: list[Leaf | Branch]
    text: str

    def means(self, facts: Facts) -> bool:
        return (all if self.word == "and" else any)([part.means(facts) for part in self.parts])


def all_leaves() -> list[Leaf]:
    """Every term that the trees are made of, in each of its spellings."""
    leaves = []
    for host in HOSTS:
        mapped = f"::ffff:{host}" if ":" not in host else host.replace("::", ":0:0::")
        leaves += [Leaf(Net(ip_network(host)), f"host {form}") for form in (host, host.upper(), mapped)]
    for network in map(ip_network, NETS):
        forms = [f"{network}", f"{network[1]} / {network.prefixlen}", f"{network[-1]} MASK {network.netmask}"]
        leaves += [Leaf(Net(network), f"Net {form}") for form in forms]
    for number, word in {6: "tcp", 17: "UDP", 1: "icmp", 58: "icmp6", 47: "proto gre"}.items():
        leaves += [Leaf(Protocol(number), form) for form in (f"ip proto {number}", word, f"Proto 0{number}")]
    for number in range(3):
        leaves += [Leaf(Port(number), f"port {number}"), Leaf(Vlan(number), f"vLAN 0{number}")]
        leaves += [Leaf(Mpls(number), f"mpls {number}")]
    return leaves


LEAVES = all_leaves()


def some_tree(choices: Choices, depth: int = 0) -> Leaf | Branch:
    """A tree up to four groups deep, written with and without needless parentheses and in either spelling."""
    if depth == 4 or choices.below(3) == 0:
        return choices.one_of(LEAVES)
    word: Literal["and", "or"] = choices.one_of(["and", "or"])
    parts = [some_tree(choices, depth + 1) for _ in range(2 + choices.below(2))]
    texts = []
    for part in parts:
        # An `and` inside of an `or` needs no parentheses, and neither does a group in a group of its own kind.
        needed = isinstance(part, Branch) and part.word == "or" and word == "and"
        texts.append(f"({part.text})" if needed or choices.below(3) == 0 else part.text)
    spelled = choices.one_of([word, word.upper(), {"and": "&&", "or": "||"}[word]])
    return Branch(word, parts, f" {spelled} ".join(texts))


def some_packets(count: int) -> list[Facts]:
    """Packets that have a good chance to be asked for; the same ones every time."""
    chance = random.Random(1)
    return [
        Facts(
            frozenset(ip_address(chance.choice(HOSTS)) for _ in range(2)),
            chance.choice(NUMBERS),
            frozenset(chance.choices(range(4), k=2)),
            frozenset(chance.choices(range(4), k=chance.randrange(3))),
            frozenset(chance.choices(range(4), k=chance.randrange(3))),
        )
        for _ in range(count)
    ]


PACKETS = some_packets(256)


STENO_TOKEN = re.compile(
    r"(?P<word>after|before|host|net|port|ip proto|vlan|mpls) (?P<value>[0-9a-f.:/TZ-]+)|(?P<sign>\(|\)|and|or)| "
)


def stenographer_means(text: str, facts: Facts) -> bool:
    """Read a text as stenographer does: `and` and `or` have the same weight, from left to right."""
    stack: list[tuple[bool, str]] = []
    result, pending, place = True, "and", 0
    while place < len(text):
        match = STENO_TOKEN.match(text, place)
        assert match is not None, text[place:]
        place = match.end()
        sign = match.group("sign")
        if sign == "(":
            stack.append((result, pending))
            result, pending = True, "and"
        elif sign in ("and", "or"):
            pending = sign
        elif sign == ")" or match.group("word"):
            value = result if sign == ")" else steno_term(match.group("word"), match.group("value"), facts)
            if sign == ")":
                result, pending = stack.pop()
            result = (result and value) if pending == "and" else (result or value)
    assert not stack
    return result


def steno_term(word: str, value: str, facts: Facts) -> bool:
    if word in ("after", "before"):
        return True
    if word == "host":
        return ip_address(value) in facts.addresses
    if word == "net":
        return any(end in ip_network(value) for end in facts.addresses)
    if word == "port":
        return int(value) in facts.ports
    if word == "vlan":
        return int(value) in facts.vlans
    if word == "mpls":
        return int(value) in facts.labels
    return int(value) == facts.protocol


def read_in_every_way(text: str) -> list[Query]:
    """Give a text to everything that reads queries or times; only InvalidRequest may come out."""
    readers: list[Callable[[], Query]] = [
        lambda: parse(text),
        lambda: parse(split_time(text)[0]),
        lambda: parse_fields({"host": text, "port": [text], "net": [text], "proto": text, text: text}),
    ]
    queries, faults = [], []
    for read in readers:
        try:
            queries.append(read())
        except InvalidRequest as error:
            faults.append(error.faults)
    assert len(queries) + len(faults) == len(readers)
    assert all(faults)
    for fault in chain.from_iterable(faults):
        assert fault.position is None or 0 <= fault.position <= len(text)
    return queries


def check_query(query: Query) -> None:
    """What holds for every query that was taken."""
    assert parse(query.canonical) == query
    assert parse(query.canonical).canonical == query.canonical
    assert query.canonical.isascii()
    assert query.canonical.lower() == query.canonical


@given(st.binary(max_size=24))
@quickly(CASES_OF_TEXT)
def test_any_text_is_a_query_or_an_invalid_request(data: bytes) -> None:
    """Arbitrary characters, surrogates among them, and arbitrary rows of the language's words and of odd ones."""
    words = WORDS + SIGNS + ODD + HOSTS + NEW_WORDS
    if len(data) % 2:
        text = " ".join(words[byte % len(words)] for byte in data)
    else:
        text = data.decode("utf-16-le", "surrogatepass")
    for query in read_in_every_way(text):
        check_query(query)


@given(st.binary(max_size=40))
@quickly(CASES_OF_MUTANTS)
def test_a_good_query_with_some_damage_is_a_query_or_an_invalid_request(data: bytes) -> None:
    """A character too much, too few, doubled or moved is understood in full or refused."""
    choices = Choices(data)
    places = [choices.below(256) for _ in range(2)]
    extras = [choices.one_of(["", *WORDS, *SIGNS, *ODD, *NEW_WORDS]) for _ in range(2)]
    removed = [choices.below(4) for _ in range(2)]
    text = some_tree(choices).text
    for place, extra, size in zip(places, extras, removed, strict=True):
        cut = place % (len(text) + 1)
        text = text[:cut] + extra + text[cut + size :]
    for query in read_in_every_way(text):
        check_query(query)


@given(st.binary(max_size=60))
@quickly(CASES_OF_MEANING)
def test_a_query_means_the_same_in_every_form(data: bytes) -> None:
    """As written, in canonical text, and as stenographer reads what it is sent."""
    choices = Choices(data)
    packets = [choices.one_of(PACKETS) for _ in range(PACKETS_PER_CASE)]
    tree = some_tree(choices)
    query = parse(tree.text)
    check_query(query)
    wanted = [tree.means(packet) for packet in packets]
    assert [matches(query.root, packet) for packet in packets] == wanted
    text = to_stenographer(query, 0, 1)
    assert [stenographer_means(text, packet) for packet in packets] == wanted


@given(st.binary(max_size=60))
@quickly(2_000)
def test_every_query_can_be_told_and_filtered(data: bytes) -> None:
    """The sentence is a line of text, and the filter's parentheses match."""
    query = parse(some_tree(Choices(data)).text)
    assert re.fullmatch(r"Packets [^\n]+\.", explain(query))
    text = to_bpf(query) or ""
    assert text.count("(") == text.count(")")
    assert "less 0" in text
