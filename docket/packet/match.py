"""Which packets match a query, decided on their headers. Pure; anybody may import it.

    matches = match(decode(block, scanned.records, linktype), query.root)
    matches.mask             one bool per record: it matches
    matches.undecided        one bool per record: the recorder cut the packet before the bytes that would decide

No record is both. What a term means is in `docs/query.md`: addresses of the outermost IP header, TCP and UDP ports,
tags and labels at any depth before it. A term asked of the inside means the same of the headers in a tunnel. A packet
that is shorter on the wire than what is asked for is not undecided: it does not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from itertools import chain

import numpy as np

from docket.domain.query.terms import (
    And,
    EtherHost,
    FilterNode,
    FilterTerm,
    Flow,
    Length,
    Mpls,
    Net,
    NetworkLayer,
    Not,
    Or,
    Port,
    Protocol,
    Scope,
    SentBy,
    Vlan,
)
from docket.packet import conditions, together
from docket.packet.conditions import Condition, Truth, anything_deeper, both, either, truth
from docket.packet.headers import Headers
from docket.packet.octets import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The answer for all records of a block."""

    mask: Mask
    undecided: Mask


def match(headers: Headers, root: FilterNode | None, *, look_inside: bool = False) -> Matches:
    """Hold every record against a query; None asks for every packet.

    With `look_inside` the plain words mean every layer, as `any` does.
    """
    nothing = np.zeros(headers.count, dtype=np.bool_)
    if root is None:
        return Matches(~nothing, nothing)
    found = _Question(headers, look_inside).holds(root)
    return Matches(found.yes, nothing if found.unknown is None else found.unknown)


@dataclass(frozen=True, slots=True)
class _Question:
    headers: Headers
    look_inside: bool

    def holds(self, node: FilterNode) -> Truth:
        match node:
            case Not(part):
                return self.holds(part).negated()
            case And(parts):
                return self._all(parts)
            case Or(parts):
                return self._any(together.choice(parts))
            case Length(least, most):
                return self._length(least, most)
            case _:
                return self._scoped(_condition(node), node.scope)

    def _all(self, parts: tuple[FilterNode, ...]) -> Truth:
        exclusion = together.exclusion(parts)
        if exclusion is None:
            return both(map(self.holds, parts))
        # None of many is the same as not one of them, which is looked up at once.
        excluded, rest = exclusion
        return both((self._any(excluded).negated(), *map(self.holds, rest)))

    def _any(self, choice: together.Choice) -> Truth:
        found = (self._scoped(condition, scope) for condition, scope in choice.groups)
        return either(chain(found, map(self.holds, choice.rest)))

    def _scoped(self, condition: Condition, scope: Scope) -> Truth:
        return _in_layers(self.headers, condition, "any" if self.look_inside and scope == "outer" else scope)

    def _length(self, least: int, most: int | None) -> Truth:
        length = self.headers.original
        yes = length >= least
        return Truth(yes if most is None else yes & (length <= most), None)


def _in_layers(headers: Headers, condition: Condition, scope: Scope) -> Truth:
    """Whether a condition holds for one of the layers that are asked for, one answer per record."""
    outer = headers.layers[0]
    first = condition(outer)
    if scope == "outer":
        return first
    # The IP header of a pseudowire is the outermost one, and inside of a tunnel.
    asked = True if scope == "any" else outer.pseudowire
    yes = first.yes & asked
    possible = (first.possible & asked) | anything_deeper(outer)
    for layer in headers.layers[1:]:
        found = condition(layer)
        yes[layer.record[found.yes]] = True
        possible[layer.record[found.possible | anything_deeper(layer)]] = True
    return truth(yes, yes | possible)


def _condition(term: FilterTerm) -> Condition:
    match term:
        case Net(network, direction):
            return lambda layer: conditions.address(layer, network, direction)
        case Protocol(number):
            return lambda layer: conditions.protocol(layer, number)
        case Port(first, _, direction):
            holds = conditions.within(first, term.end)
            protocols = conditions.port_protocols(term.protocol)
            return lambda layer: conditions.ports(layer, holds, direction, protocols)
        case Vlan(number):
            return lambda layer: conditions.vlan(layer, number)
        case Mpls(label):
            return lambda layer: conditions.label(layer, label)
        case NetworkLayer(word):
            return lambda layer: conditions.network_layer(layer, word)
        case EtherHost(address, direction):
            return lambda layer: conditions.mac(layer, address, direction)
        case Flow(one, one_port, other, other_port, protocol):
            ends = ((ip_network(one), one_port), (ip_network(other), other_port))
            return lambda layer: conditions.flow(layer, *ends, protocol)
        case SentBy(host, port):
            sender = (ip_network(host), port)
            return lambda layer: conditions.sent_by(layer, sender)
        case Length():
            raise ValueError("a length is one of the packet, not of a layer")
