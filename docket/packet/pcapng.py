"""Results as pcapng: one interface block per source, an enhanced block per packet, statistics at the end. Pure.

The format is that of draft-ietf-opsawg-pcapng, little-endian, one section. All interfaces stand before the first packet
and all statistics behind the last, so packets lie side by side as the records of a classic capture do.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from docket.errors import CaptureError
from docket.packet.pcap import LARGEST_RECORD_BYTES, RECORD_HEADER, RECORD_HEADER_BYTES, Buffer, scan

MAGIC = b"\x0a\x0d\x0d\x0a"
BLOCK_HEADER_BYTES = 28
"""Of a packet, before its bytes."""
HIGHEST_LINKTYPE = 0xFFFF
LONGEST_BEGINNING_BYTES = 4 << 20
"""Far more than the interfaces of the most sources take."""

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D_0D0A, 1, 5, 6
_BYTE_ORDER = 0x1A2B_3C4D
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF
_PACKET_HEADER = struct.Struct("<IIIIIII")

_END, _COMMENT, _NAME, _DESCRIPTION, _APPLICATION, _RESOLUTION, _FILTER = 0, 1, 2, 3, 4, 9, 11
"""Options; a name is an interface's, an application a section's."""
_BEGAN, _ENDED, _RECEIVED, _ACCEPTED = 2, 3, 4, 6
"""Options of statistics."""

_LONGEST_OPTION = 65_000
_LONGEST_FILTER = 1_000
"""It stands once for each source; the section's comment has it whole."""


class Interface(NamedTuple):
    """What one interface block says."""

    name: str
    linktype: int
    nanoseconds: bool = False
    description: str = ""
    filter: str = ""
    comment: str = ""


class Statistics(NamedTuple):
    """What is known of an interface when all is written. Times are microseconds since 1970."""

    comment: str
    at_us: int
    received: int
    accepted: int
    began_us: int | None = None
    ended_us: int | None = None


def beginning(interfaces: Sequence[Interface], *, application: str, comment: str) -> bytes:
    """The blocks before the first packet."""
    section = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    section += _texts((_COMMENT, comment), (_APPLICATION, application)) + _option(_END, b"")
    return _block(_SECTION, section) + b"".join(map(_interface, interfaces))


def packets(
    records: Buffer, origins: Sequence[int], interfaces: Sequence[Interface], *, nanoseconds: bool = False
) -> tuple[bytes, int]:
    """The whole records of a little-endian capture as blocks; gives them and where they end.

    `origins` tells the interface of each record; `nanoseconds` is the resolution of the records, whose times are exact
    in that of their interface. Raises CaptureError as `scan` does.
    """
    timestamps, offsets, end = scan(records, nanoseconds=nanoseconds)
    units = [_unit(interface, nanoseconds=nanoseconds) for interface in interfaces]
    blocks: list[bytes | memoryview] = []
    view = memoryview(records)
    for place, ticks in enumerate(timestamps):
        begin, origin = offsets[place], origins[place]
        times, per = units[origin]
        ticks = ticks * times // per
        length, wire_length = struct.unpack_from("<II", records, begin + 8)
        padding = -length % 4
        size = 32 + length + padding
        header = (_PACKET, size, origin, ticks >> 32, ticks & 0xFFFF_FFFF, length, wire_length)
        blocks.append(_PACKET_HEADER.pack(*header))
        blocks.append(view[begin + RECORD_HEADER_BYTES : begin + RECORD_HEADER_BYTES + length])
        blocks.append(bytes(padding) + struct.pack("<I", size))
    return b"".join(blocks), end


def ending(statistics: Sequence[Statistics], interfaces: Sequence[Interface]) -> bytes:
    """The blocks behind the last packet: statistics of each interface, with a comment."""
    units = [1000 if interface.nanoseconds else 1 for interface in interfaces]
    return b"".join(_statistics(number, of_one, units[number]) for number, of_one in enumerate(statistics))


def read_beginning(data: Buffer) -> tuple[tuple[Interface, ...], int]:
    """The interfaces before the first packet, and where that begins. Raises CaptureError for any other pcapng."""
    if len(data) < 28 or bytes(data[:4]) != MAGIC or struct.unpack_from("<I", data, 8)[0] != _BYTE_ORDER:
        raise CaptureError("this is no pcapng of Docket's")
    interfaces: list[Interface] = []
    at = _end_of_block(data, 0)
    while at + 8 <= len(data) and struct.unpack_from("<I", data, at)[0] == _INTERFACE:
        end = _end_of_block(data, at)
        interfaces.append(_read_interface(memoryview(data)[at:end]))
        at = end
    if not interfaces:
        raise CaptureError("this pcapng begins without an interface")
    return tuple(interfaces), at


def scan_packets(
    buffer: Buffer, start: int, interfaces: Sequence[Interface], *, nanoseconds: bool
) -> tuple[list[int], list[int], bytes, bool]:
    """Find the whole packet blocks from the offset `start` on, as `scan` finds records.

    Returns (timestamps, offsets, origins, more): times in nano- or microseconds; the interface of each packet as 16
    bits, little-endian; whether packets may follow: False where something else is behind them. Raises CaptureError.
    """
    units = [_unit(interface, nanoseconds=nanoseconds) for interface in interfaces]
    timestamps: list[int] = []
    offsets = [start]
    origins: list[int] = []
    size, more = len(buffer), True
    while start + BLOCK_HEADER_BYTES <= size:
        kind, total, origin, high, low, length, _ = _PACKET_HEADER.unpack_from(buffer, start)
        if kind != _PACKET:
            more = False
            break
        if length > LARGEST_RECORD_BYTES or total != 32 + length + -length % 4 or origin >= len(units):
            raise CaptureError(f"at byte {start} there is no packet block", start)
        if start + total > size:
            break
        times, per = units[origin]
        timestamps.append((high << 32 | low) * per // times)
        origins.append(origin)
        start += total
        offsets.append(start)
    return timestamps, offsets, struct.pack(f"<{len(origins)}H", *origins), more


def check_ending(data: Buffer) -> None:
    """Raises CaptureError unless these are whole blocks of statistics and nothing else."""
    at = 0
    while at < len(data):
        if at + 12 > len(data) or struct.unpack_from("<I", data, at)[0] != _STATISTICS:
            raise CaptureError("behind its packets there is something else than statistics")
        at = _end_of_block(data, at)


def classic_offsets(buffer: Buffer, offsets: Sequence[int]) -> list[int]:
    """Where the scanned packets would begin if they were classic records, and where the last would end."""
    view = memoryview(buffer)
    lengths = (RECORD_HEADER_BYTES + int.from_bytes(view[at + 20 : at + 24], "little") for at in offsets[:-1])
    return list(accumulate(lengths, initial=0))


def as_records(
    buffer: Buffer, timestamps: Sequence[int], offsets: Sequence[int], *, nanoseconds: bool
) -> tuple[bytes, list[int]]:
    """The scanned packet blocks as classic records of that resolution; gives them and their offsets, one more."""
    per_s = 1_000_000_000 if nanoseconds else 1_000_000
    pieces: list[bytes | memoryview] = []
    found = [0]
    view = memoryview(buffer)
    for ticks, at in zip(timestamps, offsets, strict=False):
        length, wire_length = struct.unpack_from("<II", buffer, at + 20)
        pieces.append(RECORD_HEADER.pack(*divmod(ticks, per_s), length, wire_length))
        pieces.append(view[at + BLOCK_HEADER_BYTES : at + BLOCK_HEADER_BYTES + length])
        found.append(found[-1] + RECORD_HEADER_BYTES + length)
    return b"".join(pieces), found


def _unit(interface: Interface, *, nanoseconds: bool) -> tuple[int, int]:
    """By what to multiply and to divide a time to get the interface's ticks."""
    if interface.nanoseconds == nanoseconds:
        return 1, 1
    return (1000, 1) if interface.nanoseconds else (1, 1000)


def _interface(interface: Interface) -> bytes:
    body = struct.pack("<HHI", interface.linktype, 0, LARGEST_RECORD_BYTES)
    body += _texts((_COMMENT, interface.comment), (_NAME, interface.name), (_DESCRIPTION, interface.description))
    body += _option(_RESOLUTION, bytes([9 if interface.nanoseconds else 6]))
    if interface.filter:
        # The first byte says what kind of filter follows: text.
        body += _option(_FILTER, b"\0" + _cut(interface.filter, _LONGEST_FILTER))
    return _block(_INTERFACE, body + _option(_END, b""))


def _statistics(number: int, of_one: Statistics, per_us: int) -> bytes:
    body = struct.pack("<I", number) + _time(of_one.at_us * per_us) + _texts((_COMMENT, of_one.comment))
    for code, time_us in ((_BEGAN, of_one.began_us), (_ENDED, of_one.ended_us)):
        if time_us is not None:
            body += _option(code, _time(time_us * per_us))
    body += _option(_RECEIVED, struct.pack("<Q", of_one.received))
    body += _option(_ACCEPTED, struct.pack("<Q", of_one.accepted))
    return _block(_STATISTICS, body + _option(_END, b""))


def _time(ticks: int) -> bytes:
    return struct.pack("<II", ticks >> 32, ticks & 0xFFFF_FFFF)


def _read_interface(block: memoryview) -> Interface:
    linktype = struct.unpack_from("<H", block, 8)[0]
    at, end = 16, len(block) - 4
    options: dict[int, bytes] = {}
    while at + 4 <= end:
        code, length = struct.unpack_from("<HH", block, at)
        if code == _END or at + 4 + length > end:
            break
        options[code] = bytes(block[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    resolution = options.get(_RESOLUTION, b"\x06")
    if resolution not in (b"\x06", b"\x09"):
        raise CaptureError("an interface has another resolution than Docket writes")
    return Interface(
        name=options.get(_NAME, b"").decode("utf-8", "replace"),
        linktype=linktype,
        nanoseconds=resolution == b"\x09",
        description=options.get(_DESCRIPTION, b"").decode("utf-8", "replace"),
        filter=options.get(_FILTER, b"")[1:].decode("utf-8", "replace"),
        comment=options.get(_COMMENT, b"").decode("utf-8", "replace"),
    )


def _end_of_block(data: Buffer, at: int) -> int:
    """Raises CaptureError where the block is not whole."""
    size = struct.unpack_from("<I", data, at + 4)[0]
    end = int(at + size)
    if size < 12 or size % 4 or end > len(data) or struct.unpack_from("<I", data, end - 4)[0] != size:
        raise CaptureError(f"at byte {at} there is no whole pcapng block", at)
    return end


def _texts(*given: tuple[int, str]) -> bytes:
    return b"".join(_option(code, _cut(text, _LONGEST_OPTION)) for code, text in given if text)


def _cut(text: str, most_bytes: int) -> bytes:
    """As UTF-8, whole characters only."""
    return text.encode()[:most_bytes].decode("utf-8", "ignore").encode()


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
