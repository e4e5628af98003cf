"""The words and signs of a query's text, and the raw tree that they are read into. Pure; for this package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from docket.domain.query.terms import ICMP, ICMP6, SCTP, TCP, UDP, Term
from docket.errors import DocketError, Fault

MAX_FAULTS = 50
"""More are not mended at a time, and an answer must not be much larger than the question."""
LONGEST_MENDED = 2_000
"""Characters of a text that is written once more for each of its faults."""

Connective: TypeAlias = Literal["and", "or"]

CONNECTIVES: dict[str, Connective] = {"and": "and", "&&": "and", "or": "or", "||": "or"}
NEGATIONS = {"not", "!"}
ENDS = {*CONNECTIVES, "(", ")"}
COMPARISONS = {"==", "=", "!=", ">=", "<=", ">", "<", "eq", "ne", "ge", "le", "gt", "lt", "in"}
BARE = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6, "icmpv6": ICMP6, "sctp": SCTP}
"""Protocols that are a term by themselves."""
SIDES = ("src", "dst")
SCOPES = ("inner", "any")
KINDS = {"host", "net", "port", "portrange"}
STARTS = {
    *BARE,
    *KINDS,
    *SIDES,
    *SCOPES,
    *("ip", "ip6", "arp", "proto", "vlan", "mpls", "ether", "less", "greater", "flow", "after", "before"),
}
"""Words with which a term begins."""

_TOKEN = re.compile(
    r"\s+"
    r"|(?P<token>[a-zA-Z][a-zA-Z0-9+.-]*\[?:\]?//[^\s()]+"
    r"|&&|\|\||[=!<>]=|[()/&|!=<>{}]|[^\s()/&|!=<>{}]+)"
)
"""A link is one token, whatever signs are in it."""


class Enough(DocketError):
    """There is no use in reading on."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What to write in place of a stretch of the text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign. `word` is in lower case; `text` is as written."""

    text: str
    word: str
    position: int

    @property
    def end(self) -> int:
        return self.position + len(self.text)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time clause of stenographer: not a term of Docket's, which has a window instead."""

    edge: Literal["after", "before"]
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Negation:
    """The operand does not hold; it is no negation itself."""

    part: Raw

    @property
    def depth(self) -> int:
        return depth_of(self.part)


@dataclass(frozen=True, slots=True)
class Group:
    """At least two operands with the same word between them; none of them is a group with that word again."""

    joined_by: Connective
    parts: tuple[Raw, ...]
    depth: int


Raw: TypeAlias = Term | Moment | Negation | Group


def tokens_of(text: str) -> list[Token]:
    """The words and signs in their order."""
    return [
        Token(match.group(), match.group().lower(), match.start())
        for match in _TOKEN.finditer(text)
        if match.lastgroup == "token"
    ]


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
    return Group(word, tuple(flat), 1 + max(map(depth_of, flat)))


def negated(raw: Raw) -> Raw:
    """The opposite; that of a negation is what it holds."""
    return raw.part if isinstance(raw, Negation) else Negation(raw)


def depth_of(raw: Raw) -> int:
    """How many groups lie inside of each other."""
    return raw.depth if isinstance(raw, Group | Negation) else 0


class Cursor:
    """A place in a query's text, and the faults found so far."""

    def __init__(self, text: str) -> None:
        self.faults: list[Fault] = []
        self.text = text
        self._tokens = tokens_of(text)
        self._place = 0

    def peek(self, ahead: int = 0) -> Token | None:
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def word(self, ahead: int = 0) -> str:
        """The word at a place, in lower case; empty behind the end."""
        token = self.peek(ahead)
        return token.word if token else ""

    def step(self, count: int = 1) -> None:
        self._place += count

    def ends(self) -> bool:
        """Whether no term can stand here."""
        token = self.peek()
        return token is None or token.word in ENDS

    def fault(self, code: str, message: str, at: Token | None, mended: Mended | None = None) -> None:
        """Write a fault down; without a token it is at the end of the text. Raises Enough."""
        text: str | UnsetType = UNSET
        if mended is not None and len(self.text) <= LONGEST_MENDED:
            text = self.text[: mended.start] + mended.text + self.text[mended.end :]
        position = at.position if at else len(self.text)
        self.faults.append(Fault(code, message, "query", position, text))
        if len(self.faults) >= MAX_FAULTS:
            raise Enough

    def is_word(self, token: Token) -> bool:
        """Whether the latest fault is at this token."""
        return bool(self.faults) and self.faults[-1].position == token.position

    def skip(self) -> None:
        """Go to where reading can start again: a word that joins, a parenthesis, or the start of a term."""
        while (word := self.word()) and word not in STARTS and word not in NEGATIONS and word not in ENDS:
            self._place += 1
