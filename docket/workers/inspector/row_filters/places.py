"""Where in a packet the addresses of its row stand, and display filters that find just the packets of such rows. Pure.

A row shows the addresses of one header, while a filter such as `ip.addr == A` asks every header of a packet, also
those in tunnels and those that an error quotes. Where a capture has such packets, filters name the header by its
number, `ip.src#2`, and the packet's layers. Decided from fields; where no field holds an address there is no filter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

FAMILIES = (
    ("ip", "ip.src", "ip.dst"),
    ("ipv6", "ipv6.src", "ipv6.dst"),
    ("eth", "eth.src", "eth.dst"),
    ("wlan", "wlan.sa", "wlan.da"),
    ("sll", "sll.src.eth", ""),
)
"""Protocol, and the fields of sender and receiver; the cooked header knows no receiver."""

FIELDS = tuple(field for _, *fields in FAMILIES for field in fields if field)

MOST_STACKS = 6
"""Of more different stacks of layers a filter would be too long to be of use."""

_PORTED = ("tcp", "udp", "sctp")
_PLAIN = frozenset({"tcp", "udp", "sctp", "icmp", "icmpv6", "igmp", "arp"})
"""Transports that are nothing else's payload, so that their name is filter enough."""
_ERRORS = ("icmp", "icmpv6")
_NO_IP = ("not ip", "not ipv6")


class Place(NamedTuple):
    """The header of a row's addresses, in a packet with these layers."""

    layers: str
    family: int
    """In `FAMILIES`."""
    number: int
    """From 1: the how manyth of its protocol, and of how many."""
    of: int
    ports: int
    """The same of the TCP, UDP or SCTP header with its ports."""
    of_ports: int
    is_simple: bool
    """No other header of the packet could be taken for it."""


class End(NamedTuple):
    address: str
    port: int | None


def find_place(layers: str, source: str, destination: str, transport: str, fields: Sequence[str]) -> Place | None:
    """None where no field has these addresses. `fields` are the values of `FIELDS`, several with commas between."""
    names = layers.split(":")
    values = [field.split(",") if field else [] for field in fields]
    end = next((at for at, name in enumerate(names) if name in _ERRORS), len(names))
    ports = names[:end].count(transport) if transport in _PORTED else 0
    headers = names.count("ip") + names.count("ipv6")
    simple = headers <= 1 and len(values[4]) <= 1 and all(names.count(name) <= 1 for name in _PORTED)
    for family, (protocol, _, receiver) in enumerate(FAMILIES):
        sources = values[2 * family]
        destinations = values[2 * family + 1] if receiver else [""] * len(sources)
        for number in range(min(len(sources), len(destinations), names[:end].count(protocol)), 0, -1):
            if (sources[number - 1], destinations[number - 1]) == (source, destination):
                count = len(sources)
                return Place(layers, family, number, count, ports, names.count(transport), simple and count == 1)
    return None


def conversation_filter(transport: str, a: End, b: End, places: Collection[Place | None], *, plain: bool) -> str:
    """The packets of one row in both directions; empty where no filter can say it. Without a transport: all packets
    in whose rows these addresses stand. `plain`: all packets of the capture are simple."""

    def term(place: Place) -> str:
        ends = ((a, b), (b, a)) if FAMILIES[place.family][2] else ((a, b),)
        ways = list(dict.fromkeys(_way(transport, one, other, place) for one, other in ends))
        more = _layers(transport, place, portless=a.port is None, plain=plain)
        way = ways[0] if len(ways) == 1 else " or ".join(f"({way})" for way in ways)
        return " and ".join([f"({way})" if len(ways) > 1 and more else way, *more])

    return _either(places, term, plain=plain) if a.address else ""


def address_filter(address: str, places: Collection[Place | None], *, plain: bool) -> str:
    """The packets in whose rows an address stands; empty where no filter can say it."""

    def term(place: Place) -> str:
        fields = [
            f"{field}{_mark(place.number, place.of)} == {address}" for field in FAMILIES[place.family][1:] if field
        ]
        more = _layers("", place, portless=False, plain=plain)
        either = " or ".join(fields)
        return " and ".join([f"({either})" if len(fields) > 1 and more else either, *more])

    return _either(places, term, plain=plain) if address else ""


def _either(places: Collection[Place | None], term: Callable[[Place], str], *, plain: bool) -> str:
    known = [place for place in places if place is not None]
    if len(known) < len(places) or not known or (not plain and not _can_be_told(known)):
        return ""
    terms = sorted({term(place) for place in known})
    return terms[0] if len(terms) == 1 else " or ".join(f"({one})" for one in terms)


def _can_be_told(places: Sequence[Place]) -> bool:
    """Few stacks, and none in which tshark numbers the headers in another way: it does behind IPv6's own options."""
    numbered = (place for place in places if place.of > 1 or place.of_ports > 1)
    return len(places) <= MOST_STACKS and not any("ipv6." in place.layers for place in numbered)


def _mark(number: int, count: int) -> str:
    """The header's number, where there are several."""
    return f"#{number}" if count > 1 else ""


def _way(transport: str, sender: End, receiver: End, place: Place) -> str:
    _, source, destination = FAMILIES[place.family]
    mark = _mark(place.number, place.of)
    terms = [f"{source}{mark} == {sender.address}"]
    if destination:
        terms.append(f"{destination}{mark} == {receiver.address}")
    if transport in _PORTED and sender.port is not None and receiver.port is not None:
        mark = _mark(place.ports, place.of_ports)
        terms.insert(1, f"{transport}.srcport{mark} == {sender.port}")
        terms.append(f"{transport}.dstport{mark} == {receiver.port}")
    return " and ".join(terms)


def _layers(transport: str, place: Place, *, portless: bool, plain: bool) -> list[str]:
    """What addresses and ports do not say already."""
    if not plain:
        return [*_portless(transport, portless), f'frame.protocols == "{place.layers}"']
    if transport in _PORTED:
        return [transport, *_portless(transport, portless)] if portless else []
    kind = [transport] if transport in _PLAIN else [] if not transport else [_nested(transport, place)]
    return [*kind, *(_NO_IP if place.family > 1 else ())]


def _portless(transport: str, portless: bool) -> list[str]:
    return [f"not {transport}.srcport"] if portless and transport in _PORTED else []


def _nested(transport: str, place: Place) -> str:
    """A layer that may be anywhere, in the one place where it makes the row."""
    literal = transport.replace(".", "[.]").replace("+", "[+]")
    if place.family < 2:
        return f'frame.protocols matches "(^|:){FAMILIES[place.family][0]}:{literal}(:|$)"'
    return f'frame.protocols matches "^((eth|ethertype|vlan|sll):)*{literal}(:|$)"'
