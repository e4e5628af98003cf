"""All conversations of a result: kept whole beside the list, searched, sorted, joined by address, written as CSV.

What is in them comes from packets: in CSV no cell begins as a formula of a spreadsheet would.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.domain.timewindow import parse_time_us
from docket.spool.file_io import write_whole
from docket.workers.inspector.tshark.conversations import Conversation, ConversationCounter, End

SORTS = ("bytes", "packets", "first", "last", "duration", "protocol", "a", "b", "sent", "answered")
BY = ("conversation", "pair")
_PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
_HEAD = (
    "protocol", "transport", "a_address", "a_port", "b_address", "b_port", "packets", "bytes", "a_packets", "a_bytes",
    "b_packets", "b_bytes", "first", "last", "duration_s", "stream", "community_id", "filter",
)  # fmt: skip


class Kept(msgspec.Struct, frozen=True):
    """As it stands on disk."""

    sha256: str
    conversations: tuple[Conversation, ...]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    conversation: Conversation
    conversations: int
    """How many are joined in it; 1 unless asked for pairs of addresses."""
    duration_s: float
    community_id: str
    """Version 1, as Zeek and Suricata compute it; empty for what has no ports."""


def write_conversations(path: Path, sha256: str, counter: ConversationCounter) -> None:
    """In one piece or not at all. Raises SpoolError."""
    write_whole(path, msgspec.msgpack.encode(Kept(sha256, counter.conversations(None))))


def read_conversations(path: Path, sha256: str) -> tuple[Conversation, ...] | None:
    """None if they are not of this very capture."""
    try:
        kept = msgspec.msgpack.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return kept.conversations if kept.sha256 == sha256 else None


def chosen(conversations: Sequence[Conversation], text: str, by: str, sort: str) -> list[Conversation]:
    """Those that contain all words of a text, joined by address if wanted, in the wanted order."""
    words = text.lower().split()
    found = [one for one in conversations if all(word in _haystack(one) for word in words)] if words else conversations
    joined = joined_by_pair(found) if by == "pair" else list(found)
    name = sort.removeprefix("-")
    joined.sort(key=lambda one: _sort_key(one, name), reverse=sort.startswith("-"))
    return joined


def joined_by_pair(conversations: Sequence[Conversation]) -> list[Conversation]:
    """One for each two addresses, whatever ports and protocols they used."""
    pairs: dict[tuple[str, str], list[Conversation]] = {}
    for one in conversations:
        ends = (one.a.address, one.b.address)
        pairs.setdefault(ends if ends in pairs or ends[::-1] not in pairs else ends[::-1], []).append(one)
    return [_joined(ends, members) for ends, members in pairs.items()]


def _joined(ends: tuple[str, str], members: list[Conversation]) -> Conversation:
    turned = [one.a.address != ends[0] for one in members]
    sides = (
        [one.b if back else one.a for one, back in zip(members, turned, strict=True)],
        [one.a if back else one.b for one, back in zip(members, turned, strict=True)],
    )
    a, b = (
        End(address=address, port=None, packets=sum(end.packets for end in side), bytes=sum(end.bytes for end in side))
        for address, side in zip(ends, sides, strict=True)
    )
    protocols = {one.protocol or one.transport for one in members}
    between = sorted({one.between for one in members})
    is_ip = all(one.query for one in members)
    return Conversation(
        transport="",
        protocol=protocols.pop() if len(protocols) == 1 else f"{len(protocols)} protocols",
        a=a,
        b=b,
        packets=sum(one.packets for one in members),
        bytes=sum(one.bytes for one in members),
        first=min(one.first for one in members),
        last=max(one.last for one in members),
        stream="",
        filter="" if "" in between else between[0] if len(between) == 1 else " or ".join(f"({one})" for one in between),
        query=" and ".join(f"host {address}" for address in dict.fromkeys(ends)) if is_ip else "",
    )


def listed(conversation: Conversation) -> Listed:
    """A row as it is shown."""
    return Listed(
        conversation=conversation,
        conversations=1,
        duration_s=_duration_us(conversation) / 1_000_000,
        community_id=community_id(conversation),
    )


def community_id(conversation: Conversation) -> str:
    """The hash by which other tools name the same flow (community-id-spec, version 1, seed 0)."""
    protocol = _PROTOCOL_NUMBERS.get(conversation.transport)
    a, b = conversation.a, conversation.b
    if protocol is None or a.port is None or b.port is None:
        return ""
    try:
        one, other = sorted([(ip_address(a.address).packed, a.port), (ip_address(b.address).packed, b.port)])
    except ValueError:
        return ""
    data = struct.pack("!H", 0) + one[0] + other[0] + struct.pack("!BBHH", protocol, 0, one[1], other[1])
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def as_csv(conversations: Sequence[Conversation]) -> Iterator[bytes]:
    """All of them, a line each, in blocks."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEAD)
    for place, one in enumerate(conversations, 1):
        row = listed(one)
        ends = (one.a.address, one.a.port, one.b.address, one.b.port)
        sums = (one.packets, one.bytes, one.a.packets, one.a.bytes, one.b.packets, one.b.bytes)
        times = (one.first, one.last, f"{row.duration_s:.6f}")
        cells = (one.protocol, one.transport, *ends, *sums, *times, one.stream, row.community_id, one.filter)
        writer.writerow([_harmless(cell) for cell in cells])
        if place % 1_000 == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else ("" if cell is None else cell)


def _haystack(one: Conversation) -> str:
    ends = " ".join(f"{end.address}:{end.port} {end.port}" for end in (one.a, one.b))
    return f"{one.protocol} {one.transport} {ends} {one.stream} {community_id(one)}".lower()


def _sort_key(one: Conversation, name: str) -> tuple[object, ...]:
    keys: dict[str, tuple[object, ...]] = {
        "bytes": (one.bytes,),
        "packets": (one.packets,),
        "first": (one.first,),
        "last": (one.last,),
        "duration": (_duration_us(one),) if name == "duration" else (),
        "protocol": (one.protocol or one.transport,),
        "a": _end_key(one.a) if name == "a" else (),
        "b": _end_key(one.b) if name == "b" else (),
        "sent": (one.a.bytes,),
        "answered": (one.b.bytes,),
    }
    return keys[name]


def _end_key(end: End) -> tuple[object, ...]:
    try:
        address = ip_address(end.address)
    except ValueError:
        return (0, end.address, end.port or 0)
    return (address.version, address.packed.hex(), end.port or 0)


def _duration_us(one: Conversation) -> int:
    return parse_time_us(one.last, None) - parse_time_us(one.first, None)


prepare(Kept)
