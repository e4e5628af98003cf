"""What one term says about each row of a layer: yes, no, or not known. Pure; for `match`.

Not known is what a packet cut by its recorder leaves open: the bytes that would decide were on the wire, and are not
in the capture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from docket.domain.query.terms import Direction
from docket.packet.headers import DEEPER_CUT, LINK_CUT, NONE, PROTOCOL_CUT, SCTP, TCP, UDP, Layer
from docket.packet.octets import Integers, Mask, Wide

T = TypeVar("T")

Condition: TypeAlias = Callable[[Layer], "Truth"]
"""What a term says about the rows of one layer."""

PLAIN_PORTS = (TCP, UDP)
"""The protocols whose ports the word `port` means, as at stenographer."""

SRC: Direction = "src"
DST: Direction = "dst"

End: TypeAlias = tuple[IPv4Network | IPv6Network, int | None]
"""An address, as a network of one, and a port; None for any."""

_WITH_PORTS = (TCP, UDP, SCTP)
_ARP = 0x0806
_VERSIONS = {"ip": 4, "ip6": 6}
_HALF = 64
_LOWER = (1 << _HALF) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """For each row: whether a condition holds, and whether that is unknown. No row is both."""

    yes: Mask
    unknown: Mask | None
    """None where everything is known, which is the rule."""

    @property
    def possible(self) -> Mask:
        return self.yes if self.unknown is None else self.yes | self.unknown

    def negated(self) -> Truth:
        return Truth(~self.possible, self.unknown)


def both(parts: Iterable[Truth]) -> Truth:
    """Whether all hold: one that does not hold decides, whatever is unknown of the others."""
    yes: Mask | None = None
    possible: Mask | None = None
    for part in parts:
        yes = part.yes if yes is None else yes & part.yes
        possible = part.possible if possible is None else possible & part.possible
        if not possible.any():
            return Truth(yes, None)
    if yes is None or possible is None:
        raise ValueError("a conjunction of nothing")
    return truth(yes, possible)


def either(parts: Iterable[Truth]) -> Truth:
    """Whether at least one holds: one that holds decides."""
    yes: Mask | None = None
    possible: Mask | None = None
    for part in parts:
        yes = part.yes if yes is None else yes | part.yes
        possible = part.possible if possible is None else possible | part.possible
        if yes.all():
            return Truth(yes, None)
    if yes is None or possible is None:
        raise ValueError("a choice of nothing")
    return truth(yes, possible)


def truth(yes: Mask, possible: Mask | None) -> Truth:
    """Yes where it holds, unknown where it only may hold."""
    if possible is None or possible is yes:
        return Truth(yes, None)
    unknown = possible & ~yes
    return Truth(yes, unknown if unknown.any() else None)


def address(layer: Layer, network: IPv4Network | IPv6Network, direction: Direction) -> Truth:
    """An address of the IP header lies in the network."""
    if isinstance(network, IPv4Network):
        first, mask = int(network.network_address), int(network.netmask)
        whole = network.prefixlen == network.max_prefixlen
        return address4(layer, lambda values: (values if whole else values & mask) == first, direction)
    upper, lower = _halves(int(network.network_address))
    upper_mask, lower_mask = _halves(int(network.netmask))
    return address6(layer, lambda high, low: ((high & upper_mask) == upper) & ((low & lower_mask) == lower), direction)


def address4(layer: Layer, holds: Callable[[Integers], Mask], direction: Direction) -> Truth:
    """An IPv4 address, as a number, is such that the function says so."""
    yes = no_rows(layer)
    for read in _sides(direction, layer.source4, layer.destination4):
        rows, values = read()
        yes[rows[holds(values)]] = True
    return truth(yes, _address_possible(layer, yes, 4, _sides(direction, 12, 16), 4))


def address6(layer: Layer, holds: Callable[[Wide, Wide], Mask], direction: Direction) -> Truth:
    """An IPv6 address, as its upper and lower half, is such that the function says so."""
    yes = no_rows(layer)
    for read in _sides(direction, layer.source6, layer.destination6):
        rows, (high, low) = read()
        yes[rows[holds(high, low)]] = True
    return truth(yes, _address_possible(layer, yes, 6, _sides(direction, 8, 24), 16))


def _address_possible(layer: Layer, yes: Mask, family: int, offsets: Iterable[int], size: int) -> Mask | None:
    if layer.is_whole:
        return None
    possible = yes | layer.lacks(LINK_CUT)
    for offset in offsets:
        possible |= (layer.family == family) & layer.missing(layer.ip_at + offset, size)
    return possible


def ports(
    layer: Layer,
    holds: Callable[[Integers], Mask],
    direction: Direction,
    protocols: Collection[int] = PLAIN_PORTS,
) -> Truth:
    """A port of one of these protocols is such that the function says so."""
    yes = no_rows(layer)
    for read in _sides(direction, layer.source_port, layer.destination_port):
        rows, values = read()
        hits = rows[holds(values)]
        yes[hits[_of(layer.protocol[hits], protocols)]] = True
    if layer.is_whole:
        return Truth(yes, None)
    possible = yes | layer.lacks(LINK_CUT | PROTOCOL_CUT)
    expected = layer.with_ports() & _of(layer.protocol, protocols)
    for offset in _sides(direction, 0, 2):
        possible |= expected & layer.missing(layer.transport_at + offset, 2)
    return truth(yes, possible)


def protocol(layer: Layer, number: int) -> Truth:
    """The IP protocol has this number."""
    yes = layer.protocol == number
    return truth(yes, None if layer.is_whole else yes | layer.lacks(LINK_CUT | PROTOCOL_CUT))


def network_layer(layer: Layer, word: Literal["ip", "ip6", "arp"]) -> Truth:
    """What the link header carries."""
    yes = layer.ethertype == _ARP if word == "arp" else layer.family == _VERSIONS[word]
    return _linked(layer, yes)


def vlan(layer: Layer, number: int | None) -> Truth:
    """One of the tags has this VLAN id; None for any tag."""
    return _linked(layer, _marked(layer, layer.vlan, number))


def label(layer: Layer, number: int | None) -> Truth:
    """One of the MPLS labels has this value; None for any label."""
    return _linked(layer, _marked(layer, layer.label, number))


def mac(layer: Layer, number: int, direction: Direction) -> Truth:
    """The MAC address, as a number of 48 bits, is this one."""
    yes = no_rows(layer)
    for read in _sides(direction, layer.mac_from, layer.mac_to):
        rows, values = read()
        yes[rows[values == number]] = True
    if layer.is_whole:
        return Truth(yes, None)
    possible = yes.copy()
    for places in _sides(direction, layer.mac_from_at, layer.mac_to_at):
        possible |= layer.missing(places, 6) | ((places == NONE) & layer.lacks(LINK_CUT))
    return truth(yes, possible)


def flow(layer: Layer, one: End, other: End, number: int | None) -> Truth:
    """Both directions of a conversation: from one end to the other, in one IP header, of this protocol or of any."""
    there = _way(layer, one, other, number)
    return either((there, _way(layer, other, one, number)))


def sent_by(layer: Layer, sender: End) -> Truth:
    """One IP header is of this sender."""
    return both(_end(layer, sender, SRC, _WITH_PORTS))


def _way(layer: Layer, sender: End, receiver: End, number: int | None) -> Truth:
    protocols = _WITH_PORTS if number is None else (number,)
    parts = [] if number is None else [protocol(layer, number)]
    return both((*parts, *_end(layer, sender, SRC, protocols), *_end(layer, receiver, DST, protocols)))


def _end(layer: Layer, end: End, direction: Direction, protocols: Collection[int]) -> Iterator[Truth]:
    host, port = end
    yield address(layer, host, direction)
    if port is not None:
        yield ports(layer, within(port, port), direction, protocols)


def within(first: int, last: int) -> Callable[[Integers], Mask]:
    """For `ports`: a range, ends included."""
    if first == last:
        return lambda values: values == first
    return lambda values: (values >= first) & (values <= last)


def port_protocols(number: int | None) -> tuple[int, ...]:
    """The protocols whose ports a term is about."""
    return PLAIN_PORTS if number is None else (number,)


def anything_deeper(layer: Layer) -> Mask:
    """Rows of which it is not known whether they carry a tunnel."""
    return layer.lacks(LINK_CUT | PROTOCOL_CUT | DEEPER_CUT)


def no_rows(layer: Layer) -> Mask:
    return np.zeros(len(layer), dtype=np.bool_)


def _linked(layer: Layer, yes: Mask) -> Truth:
    return truth(yes, None if layer.is_whole else yes | layer.lacks(LINK_CUT))


def _marked(layer: Layer, pairs: tuple[Integers, Integers], number: int | None) -> Mask:
    rows, values = pairs
    yes = no_rows(layer)
    yes[rows if number is None else rows[values == number]] = True
    return yes


def _sides(direction: Direction, source: T, destination: T) -> tuple[T, ...]:
    match direction:
        case "src":
            return (source,)
        case "dst":
            return (destination,)
        case None:
            return (source, destination)


def _of(protocols: Integers, wanted: Collection[int]) -> Mask:
    found = np.zeros(protocols.size, dtype=np.bool_)
    for number in wanted:
        found |= protocols == number
    return found


def _halves(address: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(address >> _HALF), np.uint64(address & _LOWER)
