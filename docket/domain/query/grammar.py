"""The text of a query, read into a raw tree. Pure; only `query` may import it.

    query      = [ choice ]
    choice     = sequence { ( "or" | "||" ) sequence }
    sequence   = operand { ( "and" | "&&" ) operand }
    operand    = "(" choice ")" | term
    term       = "host" ADDRESS | "net" ADDRESS "/" LENGTH | "net" ADDRESS "mask" MASK | "port" NUMBER
               | "tcp" | "udp" | "icmp" | "icmp6" | [ "ip" ] "proto" PROTOCOL | "vlan" NUMBER | "mpls" NUMBER
               | ( "after" | "before" ) TIME

A fault does not end the reading: the reader goes on behind it, so that all faults are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from docket.domain.query.terms import (
    ICMP,
    ICMP6,
    PROTOCOLS,
    TCP,
    UDP,
    Protocol,
    Term,
    read_host,
    read_masked_net,
    read_mpls,
    read_net,
    read_port,
    read_protocol,
    read_vlan,
    shown,
)
from docket.domain.timewindow import parse_duration_us, parse_time_us
from docket.errors import Fault, InvalidRequest

MAX_TEXT = 65_536
"""Characters. The longest canonical text of MAX_TERMS terms fits in, with room for spaces."""
MAX_TERMS = 500
"""Stenographer would take more; a packet filter for capture files grows out of hand (see `dialects`)."""
MAX_DEPTH = 50
"""Parentheses inside of each other; keeps every recursion over a query far from Python's limit."""
MAX_FAULTS = 50
"""Nobody mends more at a time, and an answer must not be much larger than the question."""


Connective: TypeAlias = Literal["and", "or"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time clause of stenographer: not a term of Docket's, which has a window instead."""

    edge: Literal["after", "before"]
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Group:
    """At least two operands with the same word between them; none of them is a group with that word again."""

    joined_by: Connective
    parts: tuple[Raw, ...]
    depth: int


Raw: TypeAlias = Term | Moment | Group


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign. `word` is in lower case; `text` is as written."""

    text: str
    word: str
    position: int


_TOKEN = re.compile(r"\s+|(?P<token>&&|\|\||[()/&|!]|[^\s()/&|!]+)")
_CONNECTIVES: dict[str, Connective] = {"and": "and", "&&": "and", "or": "or", "||": "or"}
_BARE = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6}
_VALUES: dict[str, Callable[[str], Term]] = {
    "host": read_host,
    "port": read_port,
    "proto": read_protocol,
    "vlan": read_vlan,
    "mpls": read_mpls,
}
_WANTED = {
    "host": "an address",
    "port": "a number",
    "proto": "a name or a number",
    "vlan": "a number",
    "mpls": "a label",
}
_STARTS = {*_BARE, *_VALUES, "net", "ip", "after", "before"}
_ENDS = {*_CONNECTIVES, "(", ")"}

_NO_NOT = "stenographer's indexes cannot tell what is not there: ask without it, and filter the result"
_NO_DIRECTION = "stenographer's indexes do not know the direction: leave {} out, and filter the result"
_NO_RANGE = "stenographer's indexes hold single ports: name each one, like port 80 or port 81"
_NOT_INDEXED = "stenographer does not index {}: ask for the whole window, and filter the result"
_CANNOT = {
    "not": _NO_NOT,
    "!": _NO_NOT,
    "src": _NO_DIRECTION.format("src"),
    "dst": _NO_DIRECTION.format("dst"),
    "portrange": _NO_RANGE,
    "arp": _NOT_INDEXED.format("ARP"),
    "rarp": _NOT_INDEXED.format("RARP"),
    "ether": _NOT_INDEXED.format("MAC addresses"),
    "mac": _NOT_INDEXED.format("MAC addresses"),
    "greater": _NOT_INDEXED.format("lengths"),
    "less": _NOT_INDEXED.format("lengths"),
    "ip6": "an IPv6 address says it by itself: write host 2001:db8::1 or net 2001:db8::/32, without ip6",
    "&": "write && or and",
    "|": "write || or or",
}
_BEFORE_TERMS = {"not", "!", "src", "dst", "ip6"}
"""The term behind it is read on, so that its own faults are found too."""


class _Enough(Exception):
    """There is no use in reading on."""


def read(text: str, *, left_to_right: bool = False, moments: bool = False) -> Raw | None:
    """Read a query; None if it is blank.

    `left_to_right` gives `and` and `or` the same weight, as stenographer does; otherwise `and` binds tighter.
    `moments` lets time clauses through. Raises InvalidRequest with all faults.
    """
    if len(text) > MAX_TEXT:
        message = f"the query is longer than {MAX_TEXT} characters"
        raise InvalidRequest([Fault("query-too-long", message, "query", MAX_TEXT)])
    reader = _Reader(text, left_to_right, moments)
    try:
        raw = reader.query()
    except _Enough:
        raw = None
    if reader.faults:
        raise InvalidRequest(reader.faults)
    return raw


def joined(word: Connective, parts: Sequence[Raw]) -> Raw:
    """Join operands (at least one) with one word; groups with the same word are taken apart."""
    flat: list[Raw] = []
    for part in parts:
        if isinstance(part, Group) and part.joined_by == word:
            flat.extend(part.parts)
        else:
            flat.append(part)
    if len(flat) == 1:
        return flat[0]
    return Group(word, tuple(flat), 1 + max(part.depth if isinstance(part, Group) else 0 for part in flat))


class _Reader:
    """Recursive descent. A method returns None where a fault kept it from reading anything."""

    def __init__(self, text: str, left_to_right: bool, moments: bool) -> None:
        self.faults: list[Fault] = []
        self._tokens = [
            Token(match.group(), match.group().lower(), match.start())
            for match in _TOKEN.finditer(text)
            if match.lastgroup == "token"
        ]
        self._end = len(text)
        self._place = 0
        self._depth = 0
        self._terms = 0
        self._left_to_right = left_to_right
        self._moments = moments

    def query(self) -> Raw | None:
        if not self._tokens:
            return None
        whole = self._choice()
        while (token := self._peek()) is not None:
            # Only a closing parenthesis ends a choice before the end of the text.
            self._fault("unexpected-parenthesis", "this parenthesis was never opened", token)
            self._place += 1
            if self._peek() is not None:
                self._choice()
        return whole

    def _peek(self) -> Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _word(self) -> str:
        token = self._peek()
        return token.word if token else ""

    def _fault(self, code: str, message: str, at: Token | None) -> None:
        """Write a fault down; without a token it is at the end of the text."""
        self.faults.append(Fault(code, message, "query", at.position if at else self._end))
        if len(self.faults) >= MAX_FAULTS:
            raise _Enough

    def _skip(self) -> None:
        """Go to where reading can start again: a word that joins, a parenthesis, or the start of a term."""
        while (word := self._word()) and word not in _STARTS and word not in _ENDS:
            self._place += 1

    def _choice(self) -> Raw | None:
        if self._left_to_right:
            return self._row()
        parts = [self._sequence()]
        while _CONNECTIVES.get(self._word()) == "or":
            self._place += 1
            parts.append(self._sequence())
        return self._joined("or", parts)

    def _sequence(self) -> Raw | None:
        parts = [self._operand()]
        while self._goes_on() == "and":
            parts.append(self._operand())
        return self._joined("and", parts)

    def _row(self) -> Raw | None:
        """Each word joins all that stands before it with the next operand."""
        whole = self._operand()
        while (word := self._goes_on()) is not None:
            if word == "or":
                self._place += 1
            whole = self._joined(word, [whole, self._operand()])
        return whole

    def _goes_on(self) -> Connective | None:
        """What joins the next operand; `and` is stepped over, and is what a missing word counts as."""
        token = self._peek()
        if token is None or token.word == ")":
            return None
        word = _CONNECTIVES.get(token.word)
        if word == "and":
            self._place += 1
        told = bool(self.faults) and self.faults[-1].position == token.position
        if word is None and not told and (token.word in _STARTS or token.word == "("):
            self._fault("missing-connective", f"and or or is missing before {token.word}", token)
        return word or "and"

    def _joined(self, word: Connective, parts: list[Raw | None]) -> Raw | None:
        good = [part for part in parts if part is not None]
        if not good:
            return None
        whole = joined(word, good)
        if isinstance(whole, Group) and whole.depth > MAX_DEPTH:
            self._too_deep(self._peek())
        return whole

    def _too_deep(self, at: Token | None) -> None:
        self._fault("too-deep", f"and, or and parentheses are nested more than {MAX_DEPTH} deep", at)
        raise _Enough

    def _operand(self) -> Raw | None:
        token = self._peek()
        if token is None or (token.word in _ENDS and token.word != "("):
            found = f"before {token.text}" if token else "at the end"
            self._fault("missing-term", f"a term is missing {found}", token)
            return None
        self._place += 1
        if token.word == "(":
            return self._parenthesis(token)
        if token.word in _STARTS:
            return self._term(token)
        self._fault(*_unknown(token), token)
        if token.word not in _BEFORE_TERMS:
            self._skip()
            return None
        return self._behind()

    def _behind(self) -> Raw | None:
        """Read on behind something that should not be there."""
        if self._word() in _STARTS or self._word() in _BEFORE_TERMS or self._word() == "(":
            return self._operand()
        self._skip()
        return None

    def _parenthesis(self, opening: Token) -> Raw | None:
        if self._depth >= MAX_DEPTH:
            self._too_deep(opening)
        self._depth += 1
        inner = self._choice()
        self._depth -= 1
        if self._peek() is None:
            self._fault("unclosed-parenthesis", "this parenthesis is never closed", opening)
        else:
            self._place += 1
        return inner

    def _term(self, token: Token) -> Raw | None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            message = f"the query has more than {MAX_TERMS} terms; ask in parts, or for networks"
            self._fault("too-many-terms", message, token)
            raise _Enough
        if token.word in _BARE:
            return Protocol(_BARE[token.word])
        if token.word == "net":
            return self._net(token)
        if token.word == "after":
            return self._moment("after", token)
        if token.word == "before":
            return self._moment("before", token)
        if token.word != "ip":
            return self._value_term(token)
        proto = self._peek()
        if proto is None or proto.word != "proto":
            self._fault("unknown-word", "ip stands before proto only, as in ip proto 47; leave it out", token)
            return self._behind()
        self._place += 1
        return self._value_term(proto)

    def _value_term(self, token: Token) -> Term | None:
        value = self._value(token, _WANTED[token.word])
        if value is None:
            return None
        if token.word == "host" and self._word() == "/":
            self._fault("bad-host", "host takes one address; write net for a network", token)
            self._skip()
            return None
        return self._checked(f"bad-{token.word}", value, lambda: _VALUES[token.word](value.text))

    def _value(self, before: Token, wanted: str) -> Token | None:
        """The token behind another, if it can be a value."""
        token = self._peek()
        named = before.word == "proto" and token is not None and token.word in _BARE
        if token is None or token.word in _ENDS or (token.word in _STARTS and not named):
            self._fault("missing-value", f"{before.text} needs {wanted} behind it", token)
            return None
        self._place += 1
        return token

    def _checked(self, code: str, value: Token, make: Callable[[], Term]) -> Term | None:
        try:
            return make()
        except ValueError as error:
            self._fault(code, str(error), value)
            self._skip()
            return None

    def _net(self, token: Token) -> Term | None:
        address = self._value(token, "an address and its prefix length, like 10.0.0.0/8,")
        if address is None:
            return None
        link = self._peek()
        if link is None or link.word not in ("/", "mask"):
            self._fault(
                "bad-net", "a network needs its prefix length, like 10.0.0.0/8; write host for one address", link
            )
            self._skip()
            return None
        self._place += 1
        size = self._value(link, "a mask" if link.word == "mask" else "a prefix length")
        if size is None:
            return None
        read_it = read_masked_net if link.word == "mask" else read_net
        return self._checked("bad-net", address, lambda: read_it(address.text, size.text))

    def _moment(self, edge: Literal["after", "before"], token: Token) -> Moment | None:
        if not self._moments:
            message = f"the time window has fields of its own: give {edge} there, not in the query"
            self._fault("time-in-query", message, token)
            self._skip()
            return None
        time = self._value(token, "a time, like 2026-11-24T14:02:00Z or 15m ago,")
        if time is None:
            return None
        ago = self._word() == "ago"
        if ago:
            self._place += 1
        try:
            _ = parse_duration_us(time.text) if ago else parse_time_us(time.text, None)
        except ValueError as error:
            self._fault("bad-time", str(error), time)
            self._skip()
            return None
        return Moment(edge, time.text, token.position)


def _unknown(token: Token) -> tuple[str, str]:
    """The code and the sentence for a word that starts no term."""
    if token.word in _CANNOT:
        return "cannot-ask", _CANNOT[token.word]
    if token.word in PROTOCOLS:
        return "unknown-word", f"{token.word} alone is not a term; write proto {token.word}"
    try:
        read_host(token.text)
    except ValueError:
        return "unknown-word", f"{shown(token.text)} is not a word of the query language"
    return "unknown-word", f"an address needs a word before it: write host {token.text}"
