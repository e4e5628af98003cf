"""Counts what the lines of the list tell: who spoke with whom, and which names were asked for. Pure.

Bounded, whatever a capture holds: once a table is full, only what is in it already is counted on, and the summary
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from docket.domain.timewindow import format_us
from docket.workers.inspector.tshark.columns import Line

MOST_PAIRS = 200_000
MOST_ADDRESSES = 100_000
MOST_NAMES = 50_000
SHOWN = 100
SHOWN_CONVERSATIONS = 200

_TRANSPORTS_WITH_PORTS = frozenset({"tcp", "udp", "sctp"})


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
    """A display filter that shows just this conversation."""
    query: str
    """A query of Docket for it; empty where its words cannot say it, as in tunnels."""


class Talker(msgspec.Struct, frozen=True, kw_only=True):
    """One address."""

    address: str
    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int


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


class ConversationCounter:
    """Fed with every line of the list; asked at the end."""

    def __init__(self) -> None:
        self.overflow = False
        """Some table is full: what is new in it is not counted any more."""
        self._pairs: dict[tuple[str, str, str, str, str], _Pair] = {}
        self._talkers: dict[str, list[int]] = {}
        self._names: dict[str, dict[str, int]] = {"dns": {}, "tls": {}, "http": {}}

    def add(self, line: Line) -> None:
        row = line.row
        self._count_pair(line)
        self._count_talker(row.source, 0, row.length)
        self._count_talker(row.destination, 2, row.length)
        if line.dns and "response" not in row.info[:40]:
            self._count_name("dns", line.dns)
        if line.tls:
            self._count_name("tls", line.tls)
        if line.http:
            self._count_name("http", line.http)

    @property
    def conversation_count(self) -> int:
        return len(self._pairs)

    def conversations(self, most: int | None = SHOWN_CONVERSATIONS) -> tuple[Conversation, ...]:
        """The largest, by bytes; all of them without `most`."""
        largest = sorted(self._pairs.items(), key=lambda item: -sum(item[1].bytes))[:most]
        return tuple(_conversation(key, pair) for key, pair in largest)

    def talkers(self) -> tuple[Talker, ...]:
        """The addresses with the most bytes."""
        largest = sorted(self._talkers.items(), key=lambda item: -(item[1][1] + item[1][3]))[:SHOWN]
        return tuple(
            Talker(
                address=address,
                packets_sent=counts[0],
                bytes_sent=counts[1],
                packets_received=counts[2],
                bytes_received=counts[3],
            )
            for address, counts in largest
        )

    def names(self, kind: str) -> tuple[Name, ...]:
        """The names of one kind, `dns`, `tls` or `http`, that were asked for most."""
        most = sorted(self._names[kind].items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        return tuple(Name(name=name, count=count, filter=_name_filter(kind, name)) for name, count in most)

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
            pair = _Pair(row.time_us, row.time_us, row.stream, row.protocol, line.tunnelled, [0, 0], [0, 0])
            self._pairs[(line.transport, *ends)] = pair
            direction = 0
        pair.packets[direction] += 1
        pair.bytes[direction] += row.length
        pair.last_us = max(pair.last_us, row.time_us)
        pair.stream = row.stream or pair.stream
        if row.protocol.lower() != line.transport:
            pair.protocol = row.protocol

    def _count_talker(self, address: str, place: int, length: int) -> None:
        counts = self._talkers.get(address)
        if counts is None:
            if len(self._talkers) >= MOST_ADDRESSES:
                self.overflow = True
                return
            counts = self._talkers[address] = [0, 0, 0, 0]
        counts[place] += 1
        counts[place + 1] += length

    def _count_name(self, kind: str, name: str) -> None:
        names = self._names[kind]
        if name not in names and len(names) >= MOST_NAMES:
            self.overflow = True
            return
        names[name] = names.get(name, 0) + 1


def _conversation(key: tuple[str, str, str, str, str], pair: _Pair) -> Conversation:
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
        filter=_pair_filter(transport, ends[0], ends[1]),
        query="" if pair.tunnelled else _pair_query(transport, ends[0], ends[1]),
    )


def _family(address: str) -> str:
    if address.count(":") == 5 and len(address) == 17:
        return "eth"
    return "ipv6" if ":" in address else "ip"


def _pair_filter(transport: str, a: End, b: End) -> str:
    """A display filter in Wireshark's words."""
    terms = [f"{_family(end.address)}.addr == {end.address}" for end in (a, b) if end.address]
    if transport in _TRANSPORTS_WITH_PORTS:
        terms += [f"{transport}.port == {end.port}" for end in (a, b) if end.port is not None]
    elif transport:
        terms.append(transport)
    return " and ".join(dict.fromkeys(terms))


def _pair_query(transport: str, a: End, b: End) -> str:
    """The same in Docket's words, as far as they go."""
    if "eth" in (_family(a.address), _family(b.address)) or not (a.address and b.address):
        return ""
    terms = [f"host {a.address}", f"host {b.address}"]
    if transport in ("tcp", "udp"):
        terms += [transport, *(f"port {end.port}" for end in (a, b) if end.port is not None)]
    elif transport == "icmp":
        terms.append("icmp")
    elif transport == "icmpv6":
        terms.append("ip proto 58")
    return " and ".join(dict.fromkeys(terms))


_NAME_FIELDS: Mapping[str, str] = {
    "dns": "dns.qry.name",
    "tls": "tls.handshake.extensions_server_name",
    "http": "http.host",
}


def _name_filter(kind: str, name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{_NAME_FIELDS[kind]} == "{quoted}"'
