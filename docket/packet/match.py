"""Which packets match a query, decided on their headers. Pure; anybody may import it.

    matches = match(decode(block, scanned.records, linktype), query.root)
    matches.mask             one bool per record: it matches
    matches.undecided        one bool per record: the recorder cut the packet before the bytes that would decide

No record is both. What a term means is in `docs/query.md`: addresses of the outermost IP header, TCP and UDP ports,
tags and labels at any depth before it. A term asked of the inside means the same of the headers in a tunnel. A packet
that is shorter on the wire than what is asked for is not undecided: it does not match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal, TypeAlias

import numpy as np

from docket.domain.query.terms import And, Mpls, Net, Node, Or, Port, Protocol, Term, Vlan
from docket.packet import conditions
from docket.packet.conditions import Truth, both, either, truth
from docket.packet.headers import Headers, Layer
from docket.packet.octets import Integers, Mask

Scope: TypeAlias = Literal["outer", "inner", "any"]
"""Whose headers a term asks for: the outermost, those inside of tunnels, or all."""

_TOGETHER = 4
"""From so many hosts or ports in one choice on they are looked up together."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The answer for all records of a block."""

    mask: Mask
    undecided: Mask


def match(headers: Headers, root: Node | None, *, look_inside: bool = False) -> Matches:
    """Hold every record against a query; None asks for every packet.

    With `look_inside` the plain words mean every layer, as `any` does.
    """
    nothing = np.zeros(headers.count, dtype=np.bool_)
    if root is None:
        return Matches(~nothing, nothing)
    found = _Question(headers, "any" if look_inside else "outer").holds(root)
    return Matches(found.yes, nothing if found.unknown is None else found.unknown)


@dataclass(frozen=True, slots=True)
class _Question:
    headers: Headers
    plain: Scope
    """What words without a scope mean."""

    def holds(self, node: Node) -> Truth:
        match node:
            case And(parts):
                return both(self.holds(part) for part in parts)
            case Or(parts):
                return either(self._choice(parts))
            case _:
                return self.scoped(lambda layer: _term(layer, node), self.plain)

    def _choice(self, parts: Sequence[Node]) -> Iterator[Truth]:
        hosts = [part for part in parts if isinstance(part, Net) and _is_host4(part)]
        numbers = [part for part in parts if isinstance(part, Port)]
        taken: set[Node] = set()
        if len(hosts) >= _TOGETHER:
            taken.update(hosts)
            yield self._hosts(hosts)
        if len(numbers) >= _TOGETHER:
            taken.update(numbers)
            yield self._ports(numbers)
        yield from (self.holds(part) for part in parts if part not in taken)

    def _hosts(self, hosts: Sequence[Net]) -> Truth:
        wanted = np.array(sorted(int(host.network.network_address) for host in hosts), dtype=np.int64)
        return self.scoped(lambda layer: conditions.address4(layer, _member(wanted), None), self.plain)

    def _ports(self, numbers: Sequence[Port]) -> Truth:
        wanted = np.zeros(1 << 16, dtype=np.bool_)
        wanted[[port.number for port in numbers]] = True
        return self.scoped(lambda layer: conditions.ports(layer, lambda values: wanted[values], None), self.plain)

    def scoped(self, condition: Callable[[Layer], Truth], scope: Scope) -> Truth:
        """The condition of the layers that are asked for, as one answer per record."""
        outer = self.headers.layers[0]
        if scope == "outer":
            return condition(outer)
        first = condition(outer)
        yes = first.yes.copy() if scope == "any" else first.yes & outer.pseudowire
        possible = yes | conditions.anything_deeper(outer)
        if scope == "any" or outer.pseudowire.any():
            possible |= first.possible if scope == "any" else first.possible & outer.pseudowire
        for layer in self.headers.layers[1:]:
            found = condition(layer)
            yes[layer.record[found.yes]] = True
            possible[layer.record[found.possible | conditions.anything_deeper(layer)]] = True
        return truth(yes, possible)


def _term(layer: Layer, term: Term) -> Truth:
    match term:
        case Net(network):
            return conditions.address(layer, network, None)
        case Protocol(number):
            return conditions.protocol(layer, number)
        case Port(number):
            return conditions.ports(layer, lambda values: values == number, None)
        case Vlan(number):
            return conditions.vlan(layer, number)
        case Mpls(label):
            return conditions.label(layer, label)


def _is_host4(net: Net) -> bool:
    return isinstance(net.network, IPv4Network) and net.is_host


def _member(wanted: Integers) -> Callable[[Integers], Mask]:
    def holds(values: Integers) -> Mask:
        place = np.searchsorted(wanted, values)
        place[place == wanted.size] = 0
        found: Mask = wanted[place] == values
        return found

    return holds
