"""The text of a query, read into a raw tree. Pure; only `canonical` may import it.

    query      = [ choice ]
    choice     = sequence { ( "or" | "||" ) sequence }
    sequence   = negation { ( "and" | "&&" ) negation }
    negation   = { "not" | "!" } operand
    operand    = "(" choice ")" | primary

What a primary is stands in `primaries` and `comparisons`. A fault does not end the reading: the reader goes on behind
it, so that all faults are reported at once.
"""

from __future__ import annotations

from docket.domain.query.lexer import (
    CONNECTIVES,
    ENDS,
    NEGATIONS,
    STARTS,
    Connective,
    Cursor,
    Enough,
    Group,
    Mended,
    Negation,
    Raw,
    Token,
    depth_of,
    joined,
    negated,
)
from docket.domain.query.primaries import Primaries
from docket.errors import Fault, InvalidRequest

MAX_TEXT = 65_536
"""Characters. The longest canonical text of MAX_TERMS terms fits in, with room for spaces."""
MAX_TERMS = 500
"""Stenographer would take more; a longer list is better asked for as a network."""
MAX_DEPTH = 50
"""Parentheses inside of each other; keeps every recursion over a query far from Python's limit."""


def read(text: str, *, left_to_right: bool = False, moments: bool = False) -> Raw | None:
    """Read a query; None if it is blank.

    `left_to_right` gives `and` and `or` the same weight, as stenographer does; otherwise `and` binds tighter.
    `moments` lets time clauses through. Raises InvalidRequest with all faults.
    """
    if len(text) > MAX_TEXT:
        message = f"the query is longer than {MAX_TEXT} characters"
        raise InvalidRequest([Fault("query-too-long", message, "query", MAX_TEXT)])
    reader = _Reader(Cursor(text), left_to_right, moments)
    try:
        raw = reader.query()
    except Enough:
        raw = None
    if reader.faults:
        raise InvalidRequest(reader.faults)
    return raw


class _Reader:
    """Recursive descent. A method returns None where a fault kept it from reading anything."""

    def __init__(self, cursor: Cursor, left_to_right: bool, moments: bool) -> None:
        self.faults = cursor.faults
        self._cursor = cursor
        self._primaries = Primaries(cursor, moments)
        self._depth = 0
        self._terms = 0
        self._left_to_right = left_to_right

    def query(self) -> Raw | None:
        cursor = self._cursor
        if cursor.peek() is None:
            return None
        whole = self._choice()
        while (token := cursor.peek()) is not None:
            # Only a closing parenthesis ends a choice before the end of the text.
            mended = Mended(token.position, token.end, "")
            cursor.fault("unexpected-parenthesis", "this parenthesis was never opened", token, mended)
            cursor.step()
            if cursor.peek() is not None:
                self._choice()
        return whole

    def _choice(self) -> Raw | None:
        if self._left_to_right:
            return self._row()
        parts = [self._sequence()]
        while CONNECTIVES.get(self._cursor.word()) == "or":
            self._cursor.step()
            parts.append(self._sequence())
        return self._joined("or", parts)

    def _sequence(self) -> Raw | None:
        parts = [self._negation()]
        while self._goes_on() == "and":
            parts.append(self._next())
        return self._joined("and", parts)

    def _row(self) -> Raw | None:
        """Each word joins all that stands before it with the next operand."""
        whole = self._negation()
        while (word := self._goes_on()) is not None:
            if word == "or":
                self._cursor.step()
                whole = self._joined(word, [whole, self._negation()])
            else:
                whole = self._joined(word, [whole, self._next()])
        return whole

    def _goes_on(self) -> Connective | None:
        """What joins the next operand; a missing word counts as `and`."""
        token = self._cursor.peek()
        if token is None or token.word == ")":
            return None
        return CONNECTIVES.get(token.word, "and")

    def _next(self) -> Raw | None:
        """The operand behind `and`, which must be there."""
        cursor, token = self._cursor, self._cursor.peek()
        if token is None or CONNECTIVES.get(token.word) == "and":
            cursor.step()
            return self._negation()
        begins = token.word in STARTS or token.word in NEGATIONS or token.word == "("
        if begins and not cursor.is_word(token):
            self._unjoined(token)
        operand = self._negation()
        if operand is not None and not begins:
            self._unjoined(token)
        return operand

    def _unjoined(self, token: Token) -> None:
        mended = Mended(token.position, token.position, "and ")
        self._cursor.fault("missing-connective", f"and or or is missing before {token.word}", token, mended)

    def _joined(self, word: Connective, parts: list[Raw | None]) -> Raw | None:
        good = [part for part in parts if part is not None]
        if not good:
            return None
        whole = joined(word, good)
        if depth_of(whole) > MAX_DEPTH:
            self._too_deep(self._cursor.peek())
        return whole

    def _too_deep(self, at: Token | None) -> None:
        self._cursor.fault("too-deep", f"and, or and parentheses are nested more than {MAX_DEPTH} deep", at)
        raise Enough

    def _negation(self) -> Raw | None:
        odd = False
        while self._cursor.word() in NEGATIONS:
            self._cursor.step()
            odd = not odd
        operand = self._operand()
        return negated(operand) if odd and operand is not None else operand

    def _operand(self) -> Raw | None:
        cursor, token = self._cursor, self._cursor.peek()
        if token is None or (token.word in ENDS and token.word != "("):
            found = f"before {token.text}" if token else "at the end"
            cursor.fault("missing-term", f"a term is missing {found}", token)
            return None
        if token.word == "(":
            cursor.step()
            return self._parenthesis(token)
        raw = self._primaries.read()
        self._terms += _leaves(raw)
        if self._terms > MAX_TERMS:
            message = f"the query has more than {MAX_TERMS} terms; ask in parts, or for networks"
            cursor.fault("too-many-terms", message, token)
            raise Enough
        return raw

    def _parenthesis(self, opening: Token) -> Raw | None:
        cursor = self._cursor
        if self._depth >= MAX_DEPTH:
            self._too_deep(opening)
        self._depth += 1
        inner = self._choice()
        self._depth -= 1
        if cursor.peek() is None:
            cursor.fault("unclosed-parenthesis", "this parenthesis is never closed", opening)
        else:
            cursor.step()
        return inner


def _leaves(raw: Raw | None) -> int:
    match raw:
        case Group(_, parts):
            return sum(map(_leaves, parts))
        case Negation(part):
            return _leaves(part)
        case _:
            return 1
