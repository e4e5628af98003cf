"""What a query means, written a second time and as plainly as possible: for the tests of the dialects.

`dissect` finds in a frame what stenographer's indexes hold of it; `matches` holds a query against that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from docket.domain.query.terms import And, Mpls, Net, Node, Not, Or, Port, Protocol, Vlan

_TAGS = (0x8100, 0x88A8, 0x9100)
_LABELS = (0x8847, 0x8848)
_EXTENSIONS = (0, 43, 60, 135)
_FRAGMENT = 44


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one packet."""

    addresses: frozenset[IPv4Address | IPv6Address] = field(default_factory=frozenset)
    protocol: int | None = None
    ports: frozenset[int] = field(default_factory=frozenset)
    vlans: frozenset[int] = field(default_factory=frozenset)
    labels: frozenset[int] = field(default_factory=frozenset)
    source: IPv4Address | IPv6Address | None = None
    destination: IPv4Address | IPv6Address | None = None
    port_pair: tuple[int, int] | None = None
    """Source and destination port of TCP or UDP."""
    is_arp: bool = False
    macs: tuple[bytes, bytes] = (b"", b"")
    """From and to."""
    length: int = 0
    inner: Facts | None = None
    """What is inside of VXLAN or GRE."""


def matches(node: Node | None, facts: Facts) -> bool:
    """Whether a packet is asked for."""
    match node:
        case None:
            return True
        case Net(network):
            return any(one.version == network.version and one in network for one in facts.addresses)
        case Protocol(number):
            return facts.protocol == number
        case Port(number):
            return number in facts.ports
        case Vlan(number):
            return number in facts.vlans
        case Mpls(label):
            return label in facts.labels
        case And(parts):
            return all(matches(part, facts) for part in parts)
        case Or(parts):
            return any(matches(part, facts) for part in parts)
        case Not(part):
            return not matches(part, facts)
        case _:
            raise ValueError(f"no fact tells of {node}")


def dissect(frame: bytes) -> Facts:
    """The facts of an Ethernet frame; ports only where a TCP or UDP header is (not in later fragments)."""
    place, kind = 14, _u16(frame, 12)
    vlans, labels = set(), set()
    while kind in _TAGS:
        vlans.add(_u16(frame, place) & 0xFFF)
        kind = _u16(frame, place + 2)
        place += 4
    if kind in _LABELS:
        bottom = False
        while not bottom:
            (entry,) = struct.unpack_from("!I", frame, place)
            labels.add(entry >> 12)
            bottom = bool(entry & 0x100)
            place += 4
        kind = {4: 0x0800, 6: 0x86DD}.get(frame[place] >> 4, 0)
    link = (frozenset(vlans), frozenset(labels))
    facts = replace(_packet(frame, kind, place, link), macs=(frame[6:12], frame[:6]), length=len(frame))
    return replace(facts, is_arp=kind == 0x0806)


def _packet(frame: bytes, kind: int, place: int, link: tuple[frozenset[int], frozenset[int]]) -> Facts:
    if kind == 0x0800:
        ends = frozenset({ip_address(frame[place + 12 : place + 16]), ip_address(frame[place + 16 : place + 20])})
        later = bool(_u16(frame, place + 6) & 0x1FFF)
        ports = _ports(frame, frame[place + 9], place + 4 * (frame[place] & 15), later)
        source, destination = ip_address(frame[place + 12 : place + 16]), ip_address(frame[place + 16 : place + 20])
        payload = place + 4 * (frame[place] & 15)
        pair = (_u16(frame, payload), _u16(frame, payload + 2)) if ports else None
        inner = None if later else _inside(frame, frame[place + 9], payload, pair)
        return Facts(ends, frame[place + 9], ports, *link, source, destination, pair, inner=inner)
    if kind == 0x86DD:
        ends = frozenset({ip_address(frame[place + 8 : place + 24]), ip_address(frame[place + 24 : place + 40])})
        source, destination = ip_address(frame[place + 8 : place + 24]), ip_address(frame[place + 24 : place + 40])
        protocol, place = _behind_extensions(frame, frame[place + 6], place + 40)
        ports = _ports(frame, protocol, place, later=False)
        pair = (_u16(frame, place), _u16(frame, place + 2)) if ports else None
        inner = _inside(frame, protocol, place, pair)
        return Facts(ends, protocol, ports, *link, source, destination, pair, inner=inner)
    return Facts(vlans=link[0], labels=link[1])


def _inside(frame: bytes, protocol: int, place: int, pair: tuple[int, int] | None) -> Facts | None:
    """What VXLAN on its port carries, and what GRE with at most a key carries."""
    if protocol == 17 and pair is not None and pair[1] == 4789:
        return dissect(frame[place + 16 :])
    if protocol != 47:
        return None
    flags, kind = _u16(frame, place), _u16(frame, place + 2)
    begin = place + 4 + (4 if flags & 0x2000 else 0)
    if kind == 0x6558:
        return dissect(frame[begin:])
    return _packet(frame, kind, begin, (frozenset(), frozenset()))


def _behind_extensions(frame: bytes, protocol: int, place: int) -> tuple[int, int]:
    """The protocol behind IPv6's extension headers and where it begins; a later fragment has protocol 44."""
    while protocol in _EXTENSIONS or (protocol == _FRAGMENT and not _u16(frame, place + 2) & 0xFFF8):
        protocol, place = frame[place], place + 8 * (frame[place + 1] + 1)
    return protocol, place


def _ports(frame: bytes, protocol: int, place: int, later: bool) -> frozenset[int]:
    if later or protocol not in (6, 17):
        return frozenset()
    return frozenset({_u16(frame, place), _u16(frame, place + 2)})


def _u16(frame: bytes, place: int) -> int:
    return int.from_bytes(frame[place : place + 2], "big")
