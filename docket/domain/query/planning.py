"""What a store is asked, and what of its answer is kept. Pure; anybody may import it.

A store selects by what its index holds. Where that is less than the query says, it is asked the weakest question that
its index can answer: whatever matches the query matches that too. The worker then keeps exactly what matches.

    plan = for_stenographer(parse("host 10.1.2.3 and not port 443"))
    plan.asked.canonical      "host 10.1.2.3"
    plan.kept.canonical       "not port 443": what the question to the store leaves out; None if nothing
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from docket.domain.query.canonical import Query, joined_nodes
from docket.domain.query.terms import (
    SCTP,
    TCP,
    UDP,
    And,
    EtherHost,
    Flow,
    Length,
    Net,
    NetworkLayer,
    Node,
    Not,
    Or,
    Port,
    Protocol,
    Term,
)

FEW_PORTS = 16
"""A range of so many ports is asked for port by port; each is a look-up in the index of every file."""
_FEW_TERMS = 20
_EVERY_IPV6 = IPv6Network("::/0")


@dataclass(frozen=True, slots=True)
class Plan:
    """One query at one store."""

    query: Query
    """What is asked for; all of it must hold for a packet that is kept."""
    asked: Query
    """What the store selects: at least every packet that is asked for."""
    kept: Query | None
    """What remains to be decided on each packet; None if the store's answer is the query's."""
    look_inside: bool = False
    """Plain words mean any layer of a packet, those in tunnels too."""

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left to be filtered."""
        return self.kept is None

    @property
    def reads_everything(self) -> bool:
        """Whether the store has to send all of the window for a part of it."""
        return self.asked.is_empty and self.kept is not None

    def sentence(self) -> str:
        """What is asked and what is kept, on behind the name of a source; empty for an exact plan."""
        if self.kept is None:
            return ""
        asked = "everything in the window" if self.asked.is_empty else self.asked.canonical
        return f"asks for {asked}, keeps what {kept_words(self.kept)}"


def kept_words(kept: Query) -> str:
    """ "is not port 443", or "matches src host 10.1.2.3"."""
    root = kept.root
    negatives = root.parts if isinstance(root, And) else (root,)
    if all(isinstance(part, Not) for part in negatives):
        return "is " + " and ".join(Query(part).canonical for part in negatives)
    return f"matches {kept.canonical}"


def for_stenographer(query: Query, *, look_inside: bool = False) -> Plan:
    """The plan for stenographer's indexes: addresses, TCP and UDP ports, protocol, VLAN ids, labels, no negation."""
    if query.root is None:
        return Plan(query, query, None)
    # The text that goes to the store is kept with every answer, so it does not grow without need.
    few_ports = FEW_PORTS if query.terms <= _FEW_TERMS else 1
    part = _Weaker(look_inside, few_ports).of(query.root)
    kept = None if part.rest is None else Query(part.rest)
    return Plan(query, Query(part.asked), kept, look_inside)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a query, split."""

    asked: Node | None
    """None asks for every packet."""
    rest: Node | None
    """What of the part is not said by `asked`; None if all is."""


@dataclass(frozen=True, slots=True)
class _Weaker:
    look_inside: bool
    few_ports: int

    def of(self, node: Node) -> _Part:
        match node:
            case And(parts):
                split = [self.of(part) for part in parts]
                asked = [part.asked for part in split if part.asked is not None]
                rest = [part.rest for part in split if part.rest is not None]
                return _Part(_joined(And, asked), _joined(And, rest))
            case Or(parts):
                return self._choice(node, [self.of(part) for part in parts])
            case Not():
                return _Part(None, node)
            case _:
                return self._term(node)

    def _choice(self, node: Node, split: list[_Part]) -> _Part:
        """Of a choice one part that the store cannot decide leaves the whole open."""
        rest = None if all(part.rest is None for part in split) else node
        asked = [part.asked for part in split if part.asked is not None]
        return _Part(_joined(Or, asked) if len(asked) == len(split) else None, rest)

    def _term(self, term: Term) -> _Part:
        if isinstance(term, Length) or term.scope != "outer" or self.look_inside:
            # Nothing in the index tells of lengths, nor what is inside of tunnels.
            return _Part(None, term)
        weaker = _weaker_term(term, self.few_ports)
        return _Part(weaker, None if weaker == term or _same_question(term, self.few_ports) else term)


def _joined(kind: type[And | Or], nodes: list[Node]) -> Node | None:
    return joined_nodes(kind, nodes) if nodes else None


def _all(*nodes: Node) -> Node:
    return joined_nodes(And, nodes)


def _any(nodes: Iterable[Node]) -> Node:
    return joined_nodes(Or, nodes)


def _weaker_term(term: Term, few_ports: int) -> Node | None:
    """What stenographer's index knows of a term about the outermost headers; None for nothing."""
    match term:
        case Net():
            return replace(term, direction=None)
        case Port():
            return _port(term, few_ports)
        case NetworkLayer("ip6"):
            return Net(_EVERY_IPV6)
        case Flow():
            return _flow(term)
        case NetworkLayer() | EtherHost() | Length():
            return None
        case _:
            return term


def _port(port: Port, few_ports: int) -> Node:
    if port.protocol == SCTP:
        return Protocol(SCTP)
    protocols = (TCP, UDP) if port.protocol is None else (port.protocol,)
    if port.end - port.number < few_ports:
        ports = _any(Port(number) for number in range(port.number, port.end + 1))
        return ports if port.protocol is None else _all(Protocol(port.protocol), ports)
    return _any(Protocol(number) for number in protocols)


def _same_question(term: Term, few_ports: int) -> bool:
    """Whether a term that is said otherwise to the store still means the same."""
    if not isinstance(term, Port) or term.direction is not None or term.protocol == SCTP:
        return False
    return term.end - term.number < few_ports


def _flow(flow: Flow) -> Node:
    ends = _all(Net(_host(flow.one)), Net(_host(flow.other)))
    ports = [Port(number) for number in (flow.one_port, flow.other_port) if number is not None]
    if flow.protocol is not None:
        ends = _all(ends, Protocol(flow.protocol))
    if not ports or flow.protocol == SCTP:
        return ends
    # The index has no ports of SCTP.
    return _all(ends, *ports) if flow.protocol is not None else _all(ends, _any([_all(*ports), Protocol(SCTP)]))


def _host(address: object) -> IPv4Network | IPv6Network:
    return ip_network(str(address))
