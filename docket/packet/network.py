"""IP headers, and which tunnel begins behind them. For `decode` only."""

from __future__ import annotations

import numpy as np

from docket.packet.headers import DEEPER_CUT, PROTOCOL_CUT, UDP
from docket.packet.octets import Integers, Mask, table, where
from docket.packet.walk import Kind, Walk

_IPV4_HEADER_BYTES = 20
_IPV6_HEADER_BYTES = 40
_LATER_FRAGMENT = 0x1FFF
_LATER_FRAGMENT6 = 0xFFF8

_FRAGMENT = 44
_EXTENSIONS = table((0, 43, 60, 135, _FRAGMENT), 256)
"""Hop by hop, routing, destination options, mobility, fragment: what stenographer looks behind."""

_TUNNELS = {
    4: Kind.IPV4,
    41: Kind.IPV6,
    47: Kind.GRE,
    97: Kind.ETHERIP,
    115: Kind.L2TP_IP,
    137: Kind.LABEL,
}
"""What an IP header carries by the IP protocol."""
_UDP_TUNNELS = {4789: Kind.VXLAN, 8472: Kind.VXLAN, 6081: Kind.GENEVE, 2152: Kind.GTP, 1701: Kind.L2TP}
"""What a datagram carries by its destination port: IANA's numbers, and Linux' older one for VXLAN."""
_LOOKED_INTO = table((*_TUNNELS, UDP), 256)
_TUNNEL_PORTS = table(_UDP_TUNNELS, 1 << 16)
_L2TP_PORT = 1701
"""L2TP answers from this port to whichever the other side chose (RFC 2661, section 8.1)."""


def ipv4(walk: Walk, rows: Integers, at: Integers) -> None:
    """Addresses need no more than their place; protocol and ports need the header's length and fragment."""
    walk.family[rows] = 4
    walk.ip_at[rows] = at
    rows, at = walk.fitting(rows, at, 10, PROTOCOL_CUT)
    octets = walk.octets
    walk.protocol[rows] = octets.u8(at + 9)
    length = (octets.u8(at) & 0x0F) << 2
    first = ((octets.u16(at + 6) & _LATER_FRAGMENT) == 0) & (length >= _IPV4_HEADER_BYTES)
    _transport(walk, rows, at + length, first)


def ipv6(walk: Walk, rows: Integers, at: Integers) -> None:
    walk.family[rows] = 6
    walk.ip_at[rows] = at
    rows, at = walk.fitting(rows, at, 7, PROTOCOL_CUT)
    _by_next_header(walk, walk.octets.u8(at + 6), rows, at + _IPV6_HEADER_BYTES)


def _by_next_header(walk: Walk, numbers: Integers, rows: Integers, at: Integers) -> None:
    if numbers.size == 0:
        return
    extension = _EXTENSIONS[numbers]
    if extension.any():
        _fragments(walk, numbers, rows, at)
        others = where(extension & (numbers != _FRAGMENT))
        walk.push(Kind.EXTENSION, rows[others], at[others])
        rows, at, numbers = rows[~extension], at[~extension], numbers[~extension]
    walk.protocol[rows] = numbers
    _transport(walk, rows, at, np.ones(rows.size, dtype=np.bool_))


def _fragments(walk: Walk, numbers: Integers, rows: Integers, at: Integers) -> None:
    """Go on behind the header of a first fragment; a later one ends here, and has this header for its protocol."""
    chosen = where(numbers == _FRAGMENT)
    rows, at = walk.fitting(rows[chosen], at[chosen], 4, PROTOCOL_CUT)
    later = (walk.octets.u16(at + 2) & _LATER_FRAGMENT6) != 0
    walk.protocol[rows[later]] = _FRAGMENT
    walk.push(Kind.FIRST_FRAGMENT, rows[~later], at[~later])


def first_fragment(walk: Walk, rows: Integers, at: Integers) -> None:
    """A fragment header has eight bytes; where others have their length it has a reserved byte."""
    _by_next_header(walk, walk.octets.u8(at), rows, at + 8)


def extension(walk: Walk, rows: Integers, at: Integers) -> None:
    """What follows, and the length in units of eight bytes beyond the first eight."""
    rows, at = walk.fitting(rows, at, 2, PROTOCOL_CUT)
    length = (walk.octets.u8(at + 1) + 1) << 3
    _by_next_header(walk, walk.octets.u8(at), rows, at + length)


def _transport(walk: Walk, rows: Integers, at: Integers, first: Mask) -> None:
    if not first.all():
        rows, at = rows[first], at[first]
    walk.transport_at[rows] = at
    protocol = walk.protocol[rows]
    chosen = where(_LOOKED_INTO[protocol])
    if chosen.size:
        _tunnels(walk, protocol[chosen], rows[chosen], at[chosen])


def _tunnels(walk: Walk, protocol: Integers, rows: Integers, at: Integers) -> None:
    datagrams = where(protocol == UDP)
    _datagrams(walk, rows[datagrams], at[datagrams])
    if datagrams.size == rows.size:
        return
    for number, kind in _TUNNELS.items():
        chosen = where(protocol == number)
        walk.push_inner(kind, rows[chosen], at[chosen])


def _datagrams(walk: Walk, rows: Integers, at: Integers) -> None:
    rows, at = walk.fitting(rows, at, 4, DEEPER_CUT)
    to = walk.octets.u16(at + 2)
    known = _TUNNEL_PORTS[to]
    answers = where((walk.octets.u16(at) == _L2TP_PORT) & ~known)
    walk.push_inner(Kind.L2TP, rows[answers], at[answers] + 8)
    if not known.any():
        return
    for port, kind in _UDP_TUNNELS.items():
        chosen = where(to == port)
        walk.push_inner(kind, rows[chosen], at[chosen] + 8)
