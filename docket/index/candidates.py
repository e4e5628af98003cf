"""Which blocks, or which files, may hold a packet that a query asks for: the query's tree over occurring values. Pure.

What is left out can hold no match. A term about something that is not indexed leaves nothing out, nor does `not`:
a block with a packet of port 443 may have others. The layers of a packet are indexed together, so scope and
direction exclude nothing more.
"""

from __future__ import annotations

from functools import reduce
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Protocol as Interface

import numpy as np

from docket.domain.query.terms import (
    And,
    EtherHost,
    FilterNode,
    Flow,
    Mpls,
    Net,
    NetworkLayer,
    Or,
    Port,
    Protocol,
    Vlan,
)
from docket.domain.timewindow import Window
from docket.index.format.segment import StoredSegment
from docket.index.value_kinds import Kind
from docket.packet.octets import Mask

_ETHERTYPES = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806}
_HALF = 64
_LOWER = (1 << _HALF) - 1


class Occurring(Interface):
    """What occurs in each of some places: blocks of a file, or files."""

    def everywhere(self) -> Mask:
        """All places. The caller may change the array."""

    def between(self, kind: Kind, first: int, last: int) -> Mask:
        """The places where a value of the range may occur, ends included."""


def candidates(places: Occurring, root: FilterNode | None) -> Mask:
    """The places that may hold a packet of the query; None asks for every packet."""
    return places.everywhere() if root is None else _possible(places, root)


def chosen_blocks(segment: StoredSegment, root: FilterNode | None, window: Window) -> Mask:
    """The blocks that may hold a packet of the window that matches."""
    inside = segment.table.inside(window)
    if not inside.any():
        return inside
    return inside & (candidates(segment, root) | segment.table.unsure)


def _possible(places: Occurring, node: FilterNode) -> Mask:
    match node:
        case And(parts):
            return _all(places, parts)
        case Or(parts):
            return reduce(np.logical_or, (_possible(places, part) for part in parts))
        case Net(network):
            return _network(places, network)
        case Port():
            return _port(places, node)
        case Protocol(number):
            return places.between(Kind.PROTOCOL, number, number)
        case Vlan(number):
            return places.between(Kind.VLAN, number, number)
        case Mpls(label):
            return places.between(Kind.LABEL, label, label)
        case EtherHost(address):
            return places.between(Kind.MAC, address, address)
        case NetworkLayer(word):
            return places.between(Kind.ETHERTYPE, _ETHERTYPES[word], _ETHERTYPES[word])
        case Flow():
            return _flow(places, node)
        case _:
            return places.everywhere()


def _all(places: Occurring, parts: tuple[FilterNode, ...]) -> Mask:
    found = places.everywhere()
    for part in parts:
        found &= _possible(places, part)
        if not found.any():
            break
    return found


def _port(places: Occurring, port: Port) -> Mask:
    found = places.between(Kind.PORT, port.number, port.end)
    if port.protocol is not None:
        found &= places.between(Kind.PROTOCOL, port.protocol, port.protocol)
    return found


def _network(places: Occurring, network: IPv4Network | IPv6Network) -> Mask:
    first, last = int(network.network_address), int(network.broadcast_address)
    if isinstance(network, IPv4Network):
        return places.between(Kind.ADDRESS4, first, last)
    found = places.between(Kind.UPPER6, first >> _HALF, last >> _HALF)
    if network.prefixlen > _HALF:
        found &= places.between(Kind.LOWER6, first & _LOWER, last & _LOWER)
    return found


def _flow(places: Occurring, flow: Flow) -> Mask:
    found = _end(places, flow.one, flow.one_port) & _end(places, flow.other, flow.other_port)
    if flow.protocol is not None:
        found &= places.between(Kind.PROTOCOL, flow.protocol, flow.protocol)
    return found


def _end(places: Occurring, address: IPv4Address | IPv6Address, port: int | None) -> Mask:
    found = _network(places, ip_network(address))
    return found if port is None else found & places.between(Kind.PORT, port, port)
