"""The packet filter of a question: text or fields in, one canonical query out. Pure; anybody may import it.

The same question has the same canonical text, however it was written: `and` and `or` do not care for order or
repetition, and a value is written in one way only. How the query is said to a source stands in `render`.
Negations stand at the terms alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from docket.domain.query.grammar import MAX_DEPTH, MAX_TERMS, MAX_TEXT, read
from docket.domain.query.lexer import Group, Moment, Negation, Raw, joined
from docket.domain.query.query_fields import read_fields
from docket.domain.query.terms import And, Node, Not, Or, Term, each_term
from docket.domain.query.writing import order, text_of
from docket.errors import Fault, InvalidRequest

KEPT_QUERIES = 64
"""Queries that were read last. Web app, collector and workers ask for the same one again and again."""
LONGEST_KEPT = 4_096
"""Characters. Longer texts are rare, and their trees are large."""

__all__ = ["MAX_DEPTH", "MAX_TERMS", "MAX_TEXT", "Query", "parse", "parse_fields", "split_time"]


@dataclass(frozen=True, slots=True)
class Query:
    """A question about packets. Made by `parse` and `parse_fields`; equal if the canonical texts are equal."""

    root: Node | None
    """None asks for every packet."""

    @property
    def is_empty(self) -> bool:
        """Whether every packet matches, also those that are not IP."""
        return self.root is None

    @property
    def canonical(self) -> str:
        """The text of this question; `parse` gives the same query for it. Empty for every packet."""
        return "" if self.root is None else text_of(self.root)

    @property
    def terms(self) -> int:
        """How many terms the query has."""
        return sum(1 for _ in self.each_term())

    def each_term(self) -> Iterator[Term]:
        """The terms in canonical order."""
        return iter(()) if self.root is None else each_term(self.root)


def parse(text: str) -> Query:
    """Read a query as text; a blank one asks for every packet.

    `and` binds tighter than `or`. Raises InvalidRequest with all faults, each with its position in `query`.
    """
    known = _recent.find(text)
    if known is not None:
        return known
    raw = read(text)
    query = Query(None if raw is None else normal(raw))
    _recent.keep(text, query)
    return query


def parse_fields(fields: Mapping[str, object]) -> Query:
    """Read a query as fields: each a value or a list of values, all of which must hold (see `query_fields`).

    Raises InvalidRequest with all faults, each with the name of its field.
    """
    parts = read_fields(fields)
    return Query(normal(joined("and", parts)) if parts else None)


class _Recent:
    """The queries that were read last, by their text and by their canonical text. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_text: dict[str, Query] = {}

    def find(self, text: str) -> Query | None:
        return self._by_text.get(text)

    def keep(self, text: str, query: Query) -> None:
        if len(text) > LONGEST_KEPT:
            return
        with self._lock:
            self._by_text |= {text: query, query.canonical: query}
            while len(self._by_text) > KEPT_QUERIES:
                del self._by_text[next(iter(self._by_text))]


_recent = _Recent()


def split_time(text: str) -> tuple[str, str | None, str | None]:
    """Take the time clauses out of a query written for stenographer itself.

    Gives the canonical query, the text of `after` and that of `before`; `5m ago` becomes the duration `5m`.
    `and` and `or` have the same weight here and are read from left to right, for that is what the query
    means at stenographer. Raises InvalidRequest if a time clause does not narrow down the whole query, if
    one stands twice, and for all that `parse` would refuse.
    """
    raw = read(text, left_to_right=True, moments=True)
    if raw is None:
        return "", None, None
    top = raw.parts if isinstance(raw, Group) and raw.joined_by == "and" else (raw,)
    faults = [_misplaced(moment) for part in top if not isinstance(part, Moment) for moment in _moments(part)]
    times: dict[str, str] = {}
    for moment in (part for part in top if isinstance(part, Moment)):
        if moment.edge in times:
            message = f"{moment.edge} stands twice; the window has one beginning and one end"
            faults.append(Fault("time-twice", message, "query", moment.position))
        times[moment.edge] = moment.text
    if faults:
        raise InvalidRequest(sorted(faults, key=lambda fault: fault.position or 0))
    rest = [part for part in top if not isinstance(part, Moment)]
    query = Query(normal(joined("and", rest)) if rest else None)
    return query.canonical, times.get("after"), times.get("before")


def _moments(raw: Raw) -> Iterator[Moment]:
    if isinstance(raw, Moment):
        yield raw
    elif isinstance(raw, Negation):
        yield from _moments(raw.part)
    elif isinstance(raw, Group):
        for part in raw.parts:
            yield from _moments(part)


def _misplaced(moment: Moment) -> Fault:
    message = f"{moment.edge} must hold for the whole query: join it with and, and put the rest in parentheses"
    return Fault("time-in-choice", message, "query", moment.position)


def normal(raw: Raw, *, negative: bool = False) -> Node:
    """The canonical tree: negations at the terms, no part twice, parts in order, and what collapses collapsed."""
    match raw:
        case Moment():
            raise ValueError("a time clause is not a term")
        case Negation(part):
            return normal(part, negative=not negative)
        case Group(word, operands):
            # Not all of them is the same as one of their opposites, and the other way round.
            kind = And if (word == "and") != negative else Or
            return joined_nodes(kind, [normal(operand, negative=negative) for operand in operands])
        case _:
            return Not(raw) if negative else raw


def joined_nodes(kind: type[And | Or], nodes: Iterable[Node]) -> Node:
    """Canonical trees, at least one, joined to one."""
    parts: dict[Node, None] = {}
    for node in nodes:
        # A group whose parts were all alike is a term now, or a group of the same kind as this one.
        parts.update(dict.fromkeys(node.parts if isinstance(node, kind) else (node,)))
    if len(parts) == 1:
        return next(iter(parts))
    return kind(tuple(sorted(parts, key=order)))
