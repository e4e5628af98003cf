"""Classic PCAP as bytes: file headers and records. Pure; anybody may import it.

Inside Docket every capture is little-endian, with micro- or nanoseconds; `convert` brings the other classic forms to
that. Where many records pass by, `docket.packet.records` finds them sooner, at the price of numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal, NamedTuple

from docket.domain.timewindow import NS_PER_S
from docket.errors import CaptureError

FILE_HEADER_BYTES = 24
RECORD_HEADER = struct.Struct("<IIII")
"""Seconds, microseconds, captured length, length on the wire."""
RECORD_HEADER_BYTES = 16

ETHERNET = 1

LARGEST_RECORD_BYTES = 262_144
"""libpcap's MAXIMUM_SNAPLEN. A longer record is garbage that only looks like a header."""

_US_PER_S = 1_000_000
_LATEST_S = 2**32 - 1
_LINKTYPE_BITS = 0x0FFF_FFFF
"""The upper four bits of the link type field tell the length of the frame check sequence."""
_PCAPNG = b"\x0a\x0d\x0d\x0a"

_MAGIC: dict[bytes, tuple[Literal["<", ">"], bool]] = {
    b"\xd4\xc3\xb2\xa1": ("<", False),
    b"\xa1\xb2\xc3\xd4": (">", False),
    b"\x4d\x3c\xb2\xa1": ("<", True),
    b"\xa1\xb2\x3c\x4d": (">", True),
}

Buffer = bytes | bytearray | memoryview


class FileHeader(NamedTuple):
    """What the first 24 bytes of a classic capture say."""

    byte_order: Literal["<", ">"]
    nanoseconds: bool
    linktype: int
    snaplen: int

    @property
    def native(self) -> bool:
        """Whether the records can be used as they are: little-endian, with micro- or nanoseconds."""
        return self.byte_order == "<"


class Trimmed(NamedTuple):
    """The records of a buffer that lie inside a window, and inside limits."""

    body: bytes | memoryview
    packets: int
    outside: int
    """Records outside the window, among those that were looked at."""
    first_us: int | None
    last_us: int | None
    """Smallest and largest time in the body."""
    more: bool
    """A limit was reached, and at least one further record inside the window was there."""
    lengths: bytes = b""
    """Of the packets in the body, as `docket.packet.records.pack_lengths` has them, where that is known."""


def file_header(linktype: int = ETHERNET, snaplen: int = 65_535, *, nanoseconds: bool = False) -> bytes:
    """The 24 bytes that begin a little-endian capture."""
    return struct.pack("<IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, linktype)


def parse_file_header(data: Buffer) -> FileHeader:
    """Read the first 24 bytes of a classic capture. Raises CaptureError for everything else, pcapng too."""
    start = bytes(data[:FILE_HEADER_BYTES])
    if start[:4] == _PCAPNG:
        raise CaptureError("this is pcapng, not classic PCAP")
    if start[:4] not in _MAGIC:
        raise CaptureError(f"this is no capture: it begins with the bytes {start[:4].hex(' ') or '(none)'}")
    if len(start) < FILE_HEADER_BYTES:
        raise CaptureError(f"the capture ends inside its header, after {len(start)} of {FILE_HEADER_BYTES} bytes")
    byte_order, nanoseconds = _MAGIC[start[:4]]
    major, minor, _, _, snaplen, linktype = struct.unpack_from(byte_order + "HHiIII", start, 4)
    if major != 2:
        raise CaptureError(f"this is PCAP version {major}.{minor}; only version 2 is known here")
    return FileHeader(byte_order, nanoseconds, linktype & _LINKTYPE_BITS, snaplen)


def scan(buffer: Buffer, start: int = 0, *, nanoseconds: bool = False) -> tuple[list[int], list[int], int]:
    """Find the whole records of a little-endian capture, from the offset `start` on.

    Returns (timestamps, offsets, end): record i is buffer[offsets[i]:offsets[i + 1]], so there is one offset more than
    timestamps, and `end` is the last of them. What follows `end` is the beginning of a record whose rest is still to
    come. The timestamps count from 1970 UTC, in µs or in ns as the capture does. A record without bytes and one whose
    fraction goes beyond a second, which carries over, are records, as to tcpdump and Wireshark. Raises CaptureError
    with the offset of what cannot be one: longer than 262,144 bytes, or nothing but zeros, as a loss of power leaves
    them.
    """
    unpack = struct.Struct("<III4x").unpack_from
    per_s = NS_PER_S if nanoseconds else _US_PER_S
    timestamps: list[int] = []
    offsets = [start]
    add_timestamp = timestamps.append
    add_offset = offsets.append
    size = len(buffer)
    try:
        while True:
            # Ends with struct.error where the buffer has no whole header left: dearer once, cheaper each time.
            seconds, fraction, length = unpack(buffer, start)
            if length > 262_144 or not (length or seconds or fraction):
                raise no_record(start, length)
            start += 16 + length
            add_offset(start)
            add_timestamp(seconds * per_s + fraction)
    except struct.error:
        pass
    if timestamps and start > size:  # of the last record only a beginning is there
        offsets.pop()
        timestamps.pop()
    return timestamps, offsets, offsets[-1]


def in_us(timestamps: list[int], *, nanoseconds: bool) -> list[int]:
    """What `scan` found, in microseconds; cut down."""
    return [time_ns // 1000 for time_ns in timestamps] if nanoseconds else timestamps


def in_nanoseconds(records: Buffer, offsets: Sequence[int]) -> bytes:
    """The same bytes, with the headers of the scanned microsecond records changed to nanoseconds."""
    changed = bytearray(records)
    unpack, pack = struct.Struct("<II").unpack_from, struct.Struct("<II").pack_into
    for offset in offsets[:-1]:
        seconds, fraction_us = unpack(changed, offset)
        carried, fraction_us = divmod(fraction_us, _US_PER_S)
        pack(changed, offset, seconds + carried & _LATEST_S, fraction_us * 1000)
    return bytes(changed)


def convert(buffer: Buffer, header: FileHeader, start: int = 0) -> tuple[bytes, int]:
    """Write the whole records of a foreign capture again, little-endian; nanoseconds stay what they are.

    Returns (records, end); `end` is the offset in `buffer` after the last whole record. Raises CaptureError as
    `scan` does.
    """
    foreign = struct.Struct(header.byte_order + "IIII")
    per_s = NS_PER_S if header.nanoseconds else _US_PER_S
    size = len(buffer)
    pieces: list[Buffer] = []
    while start + RECORD_HEADER_BYTES <= size:
        seconds, fraction, length, wire_length = foreign.unpack_from(buffer, start)
        if length > LARGEST_RECORD_BYTES or not (length or seconds or fraction):
            raise no_record(start, length)
        end = start + RECORD_HEADER_BYTES + length
        if end > size:
            break
        carried, fraction = divmod(fraction, per_s)
        pieces.append(RECORD_HEADER.pack(seconds + carried & _LATEST_S, fraction, length, wire_length))
        pieces.append(buffer[start + RECORD_HEADER_BYTES : end])
        start = end
    return b"".join(pieces), start


def no_record(offset: int, length: int) -> CaptureError:
    """The error for a record header that can be none: it tells of too many bytes, or of nothing at all."""
    would = f"its header would tell of {length} bytes" if length else "there are only zeros"
    return CaptureError(f"at byte {offset} there is no packet record: {would}", offset)
