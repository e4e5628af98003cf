"""The packet filter of a question: text or fields in, one canonical query out. Pure; anybody may import it.

The same question has the same canonical text, however it was written: `and` and `or` do not care for order or
repetition, and a value is written in one way only. How the query is said to a source stands in `dialects`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from docket.domain.query.grammar import MAX_DEPTH, MAX_FAULTS, MAX_TERMS, MAX_TEXT, Group, Moment, Raw, joined, read
from docket.domain.query.terms import (
    WORD_OF_PROTOCOL,
    And,
    Mpls,
    Net,
    Node,
    Or,
    Port,
    Protocol,
    Term,
    Vlan,
    read_host,
    read_mpls,
    read_net_text,
    read_port,
    read_protocol,
    read_vlan,
    shown,
)
from docket.errors import Fault, InvalidRequest

__all__ = ["MAX_DEPTH", "MAX_TERMS", "MAX_TEXT", "Query", "parse", "parse_fields", "split_time"]

_FIELDS: dict[str, Callable[[str], Term]] = {
    "host": read_host,
    "net": read_net_text,
    "port": read_port,
    "proto": read_protocol,
    "proto-name": read_protocol,
    "vlan": read_vlan,
    "mpls": read_mpls,
}


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
        return "" if self.root is None else _text(self.root)

    @property
    def terms(self) -> int:
        """How many terms the query has."""
        return sum(1 for _ in self.each_term())

    def each_term(self) -> Iterator[Term]:
        """The terms in canonical order."""
        return iter(()) if self.root is None else _terms(self.root)


def parse(text: str) -> Query:
    """Read a query as text; a blank one asks for every packet.

    `and` binds tighter than `or`. Raises InvalidRequest with all faults, each with its position in `query`.
    """
    raw = read(text)
    return Query(None if raw is None else _normal(raw))


def parse_fields(fields: Mapping[str, object]) -> Query:
    """Read a query as fields: each a value or a list of values, all of which must hold.

    The names are host, net, port, proto, vlan, mpls and, as in Docket 1, proto-name. A value is a text or a
    whole number; None and blank texts are passed over. Raises InvalidRequest with all faults, each with the
    name of its field.
    """
    faults: list[Fault] = []
    terms: list[Raw] = []
    for name, value in fields.items():
        if name not in _FIELDS:
            label = str(name)[:80]
            faults.append(Fault("unknown-field", f"the query has no field {shown(label)}", label))
            continue
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) > MAX_TERMS:
            faults.append(_too_many(name))
            continue
        for one in values:
            _read_value(name, one, terms, faults)
    if len(terms) > MAX_TERMS:
        faults.append(_too_many(None))
    if faults:
        raise InvalidRequest(faults[:MAX_FAULTS])
    return Query(_normal(joined("and", terms)) if terms else None)


def _too_many(field: str | None) -> Fault:
    return Fault("too-many-terms", f"the query has more than {MAX_TERMS} terms; ask in parts, or for networks", field)


def _read_value(name: str, value: object, terms: list[Raw], faults: list[Fault]) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, str | int):
        faults.append(Fault(f"bad-{name}", f"{name} must be a text or a whole number, or a list of them", name))
        return
    try:
        text = value.strip() if isinstance(value, str) else _digits(value)
        if text:
            terms.append(_FIELDS[name](text))
    except ValueError as error:
        faults.append(Fault(f"bad-{name}", str(error), name))


def _digits(number: int) -> str:
    # Python refuses to write numbers of thousands of digits; none of them is a value anyway.
    return str(number) if abs(number) < 10**40 else "a number of more than forty digits"


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
    faults = [_misplaced(moment) for part in top if isinstance(part, Group) for moment in _moments(part)]
    times: dict[str, str] = {}
    for moment in (part for part in top if isinstance(part, Moment)):
        if moment.edge in times:
            message = f"{moment.edge} stands twice; the window has one beginning and one end"
            faults.append(Fault("time-twice", message, "query", moment.position))
        times[moment.edge] = moment.text
    if faults:
        raise InvalidRequest(sorted(faults, key=lambda fault: fault.position or 0))
    rest = [part for part in top if not isinstance(part, Moment)]
    query = Query(_normal(joined("and", rest)) if rest else None)
    return query.canonical, times.get("after"), times.get("before")


def _moments(raw: Raw) -> Iterator[Moment]:
    if isinstance(raw, Moment):
        yield raw
    elif isinstance(raw, Group):
        for part in raw.parts:
            yield from _moments(part)


def _misplaced(moment: Moment) -> Fault:
    message = f"{moment.edge} must hold for the whole query: join it with and, and put the rest in parentheses"
    return Fault("time-in-choice", message, "query", moment.position)


def _normal(raw: Raw) -> Node:
    """The canonical tree: no part twice, parts in order, and what collapses collapsed."""
    if isinstance(raw, Moment):
        raise ValueError("a time clause is not a term")
    if not isinstance(raw, Group):
        return raw
    kind = And if raw.joined_by == "and" else Or
    parts: dict[Node, None] = {}
    for part in raw.parts:
        node = _normal(part)
        # A group whose parts were all alike is a term now, or a group of the same kind as this one.
        parts.update(dict.fromkeys(node.parts if isinstance(node, kind) else (node,)))
    if len(parts) == 1:
        return next(iter(parts))
    return kind(tuple(sorted(parts, key=_order)))


def _order(node: Node) -> tuple[int, int, int, int, str]:
    """Hosts, networks, protocols, ports, VLANs, labels, groups; each by its value."""
    match node:
        case Net(network):
            return (0 if node.is_host else 1, network.version, int(network.network_address), network.prefixlen, "")
        case Protocol(number):
            return (2, number, 0, 0, "")
        case Port(number):
            return (3, number, 0, 0, "")
        case Vlan(number):
            return (4, number, 0, 0, "")
        case Mpls(label):
            return (5, label, 0, 0, "")
        case _:
            return (6, 0, 0, 0, _text(node))


def _text(node: Node) -> str:
    match node:
        case Net(network):
            return f"host {network.network_address}" if node.is_host else f"net {network}"
        case Protocol(number):
            return WORD_OF_PROTOCOL.get(number, f"ip proto {number}")
        case Port(number):
            return f"port {number}"
        case Vlan(number):
            return f"vlan {number}"
        case Mpls(label):
            return f"mpls {label}"
        case And(parts):
            return " and ".join(_operand(part) for part in parts)
        case Or(parts):
            return " or ".join(_operand(part) for part in parts)


def _operand(node: Node) -> str:
    """A part of a group. A group inside of a group always has parentheses, so that nobody has to know the rule."""
    return f"({_text(node)})" if isinstance(node, And | Or) else _text(node)


def _terms(node: Node) -> Iterator[Term]:
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from _terms(part)
    else:
        yield node
