"""Captures in rare shapes, written byte by byte: pcapng blocks, odd records, compressed files. For tests only."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SECTION, INTERFACE, SIMPLE, NAMES, STATISTICS, PACKET = 0x0A0D0D0A, 1, 3, 4, 5, 6


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng; the body is filled up to four bytes."""
    body += bytes(-len(body) % 4)
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def section(order: str = "<") -> bytes:
    return block(SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(
    order: str = "<", *, linktype: int = 1, snaplen: int = 0, resolution: int | None = None, offset_s: int | None = None
) -> bytes:
    """An interface block."""
    options = b""
    if resolution is not None:
        options += option(9, bytes((resolution,)), order)
    if offset_s is not None:
        options += option(14, struct.pack(order + "q", offset_s), order)
    end = option(0, b"", order) if options else b""
    return block(INTERFACE, struct.pack(order + "HHI", linktype, 0, snaplen) + options + end, order)


def packet(ticks: int, data: bytes, order: str = "<", *, number: int = 0, original: int | None = None) -> bytes:
    """An enhanced packet block."""
    high, low = ticks >> 32, ticks & 0xFFFFFFFF
    head = struct.pack(order + "IIIII", number, high, low, len(data), len(data) if original is None else original)
    return block(PACKET, head + data, order)


def simple(data: bytes, order: str = "<") -> bytes:
    """A packet without a time."""
    return block(SIMPLE, struct.pack(order + "I", len(data)) + data, order)


def statistics(dropped: int, order: str = "<", *, number: int = 0) -> bytes:
    """Interface statistics: so many packets were lost."""
    value = dropped.to_bytes(8, "little" if order == "<" else "big")
    return block(STATISTICS, struct.pack(order + "III", number, 0, 0) + option(5, value, order), order)


def classic(
    records: Sequence[tuple[int, int, bytes, int]], magic: bytes = b"\xd4\xc3\xb2\xa1", snaplen: int = 65535
) -> bytes:
    """A classic capture of records (seconds, fraction, bytes, length on the wire), as odd as they are."""
    order = "<" if magic[0] in (0xD4, 0x4D, 0x34, 0x12) else ">"
    extra = (
        bytes(8)
        if magic in (b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34", b"\x12\xcb\xe2\xa1", b"\xa1\xe2\xcb\x12")
        else b""
    )
    out = magic + struct.pack(order + "HHiIII", 2, 4, 0, 0, snaplen, 1)
    for seconds, fraction, data, original in records:
        out += struct.pack(order + "IIII", seconds, fraction, len(data), original) + extra + data
    return out
