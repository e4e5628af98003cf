"""Counts what the lines of the list tell: who spoke with whom, and which names were asked for. Pure.

Bounded, whatever a capture holds: once a table is full, only what is in it already is counted on, and the summary
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from docket.domain.timewindow import format_us
from docket.workers.inspector.row_filters import places
from docket.workers.inspector.row_filters.places import MOST_STACKS, Place, address_filter, conversation_filter
from docket.workers.inspector.tshark.columns import LONGEST_NAME, Line

MOST_PAIRS = 200_000
MOST_ADDRESSES = 100_000
MOST_NAMES = 50_000
SHOWN = 100
SHOWN_CONVERSATIONS = 200


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a conversation."""

    address: str
    port: int | None
    packets: int
    """Sent from here."""
    bytes: int


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Two ends and what each sent to the other."""

    transport: str
    protocol: str
    """The highest protocol that was seen in it."""
    a: End
    """The end that sent the first packet."""
    b: End
    packets: int
    bytes: int
    first: str
    last: str
    stream: str
    """`tcp 5`: what to follow; empty where there is no stream."""
    filter: str
    """A display filter that shows just this conversation; empty where none can."""
    between: str = ""
    """The same for all packets between these two addresses, whatever their transport and ports."""
    query: str
    """A query of Docket for it; empty where its words cannot say it, as in tunnels."""


class Talker(msgspec.Struct, frozen=True, kw_only=True):
    """One address."""

    address: str
    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int
    filter: str = ""
    """A display filter that shows what it sent and received; empty where none can."""


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """A name that was asked for, and how often."""

    name: str
    count: int
    filter: str


@dataclass(slots=True)
class _Pair:
    first_us: int
    last_us: int
    stream: str
    protocol: str
    tunnelled: bool
    packets: list[int]
    bytes: list[int]
    """From the first end, from the second."""
    places: set[Place | None]


@dataclass(slots=True)
class _Talks:
    counts: list[int]
    """Packets and bytes sent, packets and bytes received."""
    places: set[Place | None]


class ConversationCounter:
    """Fed with every line of the list; asked at the end."""

    def __init__(self) -> None:
        self.overflow = False
        """Some table is full: what is new in it is not counted any more."""
        self._pairs: dict[tuple[str, str, str, str, str], _Pair] = {}
        self._talkers: dict[str, _Talks] = {}
        self._plain = True
        self._doubted: set[str] = set()
        self._names: dict[str, dict[str, int]] = {"dns": {}, "tls": {}, "http": {}}

    def add(self, line: Line) -> None:
        row = line.row
        self._count_pair(line)
        self._count_talker(row.source, 0, line)
        self._count_talker(row.destination, 2, line)
        self._plain = self._plain and (line.place is None or line.place.is_simple)
        if line.doubted and len(self._doubted) < MOST_NAMES:
            self._doubted.update(line.doubted)
        for kind, names in (("dns", line.dns), ("tls", line.tls), ("http", line.http)):
            for name in names:
                self._count_name(kind, name)

    @property
    def conversation_count(self) -> int:
        return len(self._pairs)

    def conversations(self, most: int | None = SHOWN_CONVERSATIONS) -> tuple[Conversation, ...]:
        """The largest, by bytes; all of them without `most`."""
        largest = sorted(self._pairs.items(), key=lambda item: -sum(item[1].bytes))[:most]
        return tuple(_conversation(key, pair, plain=self._plain) for key, pair in largest)

    def talkers(self) -> tuple[Talker, ...]:
        """The addresses with the most bytes."""
        largest = sorted(self._talkers.items(), key=lambda item: -(item[1].counts[1] + item[1].counts[3]))[:SHOWN]
        return tuple(
            Talker(
                address=address,
                packets_sent=talks.counts[0],
                bytes_sent=talks.counts[1],
                packets_received=talks.counts[2],
                bytes_received=talks.counts[3],
                filter=address_filter(address, talks.places, plain=self._plain),
            )
            for address, talks in largest
        )

    @property
    def talker_count(self) -> int:
        return len(self._talkers)

    def name_count(self, kind: str) -> int:
        """How many names of a kind there are, of which `names` gives the most frequent."""
        return len(self._names[kind])

    def names(self, kind: str) -> tuple[Name, ...]:
        """The names of one kind, `dns`, `tls` or `http`, that were asked for most."""
        most = sorted(self._names[kind].items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        full = len(self._doubted) >= MOST_NAMES
        return tuple(
            Name(name=name, count=count, filter="" if full or name in self._doubted else _name_filter(kind, name))
            for name, count in most
        )

    def _count_pair(self, line: Line) -> None:
        row = line.row
        ends = (row.source, line.source_port, row.destination, line.destination_port)
        pair = self._pairs.get((line.transport, *ends))
        direction = 0
        if pair is None:
            pair = self._pairs.get((line.transport, *ends[2:], *ends[:2]))
            direction = 1
        if pair is None:
            if len(self._pairs) >= MOST_PAIRS:
                self.overflow = True
                return
            pair = _Pair(row.time_us, row.time_us, row.stream, row.protocol, line.tunnelled, [0, 0], [0, 0], set())
            self._pairs[(line.transport, *ends)] = pair
            direction = 0
        pair.packets[direction] += 1
        pair.bytes[direction] += row.length
        _keep(pair.places, line.place)
        pair.last_us = max(pair.last_us, row.time_us)
        pair.stream = row.stream or pair.stream
        if row.protocol.lower() != line.transport:
            pair.protocol = row.protocol

    def _count_talker(self, address: str, place: int, line: Line) -> None:
        talks = self._talkers.get(address)
        if talks is None:
            if len(self._talkers) >= MOST_ADDRESSES:
                self.overflow = True
                return
            talks = self._talkers[address] = _Talks([0, 0, 0, 0], set())
        talks.counts[place] += 1
        talks.counts[place + 1] += line.row.length
        _keep(talks.places, line.place)

    def _count_name(self, kind: str, name: str) -> None:
        names = self._names[kind]
        if name not in names and len(names) >= MOST_NAMES:
            self.overflow = True
            return
        names[name] = names.get(name, 0) + 1


def _conversation(key: tuple[str, str, str, str, str], pair: _Pair, *, plain: bool) -> Conversation:
    transport, source, source_port, destination, destination_port = key
    ports = tuple(int(port) if port.isdigit() else None for port in (source_port, destination_port))
    ends = [
        End(address=address, port=ports[side], packets=pair.packets[side], bytes=pair.bytes[side])
        for side, address in enumerate((source, destination))
    ]
    return Conversation(
        transport=transport,
        protocol=pair.protocol,
        a=ends[0],
        b=ends[1],
        packets=sum(pair.packets),
        bytes=sum(pair.bytes),
        first=format_us(pair.first_us),
        last=format_us(pair.last_us),
        stream=pair.stream,
        filter=conversation_filter(
            transport, places.End(source, ports[0]), places.End(destination, ports[1]), pair.places, plain=plain
        ),
        between=conversation_filter(
            "", places.End(source, None), places.End(destination, None), pair.places, plain=plain
        ),
        query="" if pair.tunnelled else _pair_query(transport, ends[0], ends[1]),
    )


def _pair_query(transport: str, a: End, b: End) -> str:
    """The same in Docket's words, as far as they go."""
    if not (_is_ip(a.address) and _is_ip(b.address)):
        return ""
    terms = [f"host {a.address}", f"host {b.address}"]
    if transport in ("tcp", "udp"):
        terms += [transport, *(f"port {end.port}" for end in (a, b) if end.port is not None)]
    elif transport == "icmp":
        terms.append("icmp")
    elif transport == "icmpv6":
        terms.append("ip proto 58")
    return " and ".join(dict.fromkeys(terms))


def _keep(kept: set[Place | None], place: Place | None) -> None:
    """One more than a filter may have is enough to know that there is none."""
    if place is None or len(kept) <= MOST_STACKS:
        kept.add(place)


def _is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


_NAME_FILTERS: Mapping[str, str] = {
    "dns": "dns.qry.name == {0} and dns.flags.response == 0",
    "tls": "tls.handshake.extensions_server_name == {0}",
    "http": "http.host == {0} or http2.headers.authority == {0}",
}


def _name_filter(kind: str, name: str) -> str:
    """Empty for a name that may hold characters which are written in another way than they are."""
    if "\\" in name or not name.isprintable() or len(name) >= LONGEST_NAME:
        return ""
    quoted = name.replace('"', '\\"')
    return _NAME_FILTERS[kind].format(f'"{quoted}"')
