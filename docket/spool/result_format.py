"""A result as a file: classic PCAP of one link type, or pcapng with an interface per source. Pure.

For all that read results. Both have a beginning, then packets side by side; times are nanoseconds if any are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from docket.errors import CaptureError
from docket.packet import pcapng
from docket.packet.pcap import (
    FILE_HEADER_BYTES,
    RECORD_HEADER,
    RECORD_HEADER_BYTES,
    Buffer,
    parse_file_header,
    scan,
)
from docket.packet.pcapng import BLOCK_HEADER_BYTES, Interface


class Scanned(NamedTuple):
    """Whole packets of a block of a result."""

    timestamps: list[int]
    """Since 1970, in the unit of the format."""
    offsets: list[int]
    """Into the file, one more than timestamps."""
    origins: bytes
    """The interface of each packet, 16 bits little-endian; empty for classic PCAP."""
    volume: list[int]
    """What offsets would be if all were classic records."""

    @property
    def record_bytes(self) -> int:
        """Of all of them, with the headers of classic records."""
        return self.volume[-1] - self.volume[0]


class Packet(NamedTuple):
    """One packet as it stands in a result."""

    time_us: int
    wire_length: int
    data: bytes
    origin: int


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """How a result is written, as its beginning tells."""

    size_bytes: int
    """Of the beginning: the first packet is behind it."""
    interfaces: tuple[Interface, ...]
    """Of classic PCAP one, without a name."""
    nanoseconds: bool
    is_pcapng: bool

    @property
    def linktype(self) -> int:
        """Of the first interface."""
        return self.interfaces[0].linktype

    @property
    def linktypes(self) -> tuple[int, ...]:
        """All there are, in order of their numbers."""
        return tuple(sorted({interface.linktype for interface in self.interfaces}))

    @property
    def packet_header_bytes(self) -> int:
        """Before the bytes of each packet."""
        return BLOCK_HEADER_BYTES if self.is_pcapng else RECORD_HEADER_BYTES

    def length_at(self, buffer: Buffer, offset: int) -> int:
        """Bytes that the packet at this offset takes up in the file."""
        if self.is_pcapng:
            return int.from_bytes(buffer[offset + 4 : offset + 8], "little")
        return RECORD_HEADER_BYTES + int.from_bytes(buffer[offset + 8 : offset + 12], "little")

    def packet(self, block: bytes) -> Packet:
        """The packet that these bytes of the file are."""
        if not self.is_pcapng:
            seconds, fraction, _, wire_length = RECORD_HEADER.unpack_from(block)
            fraction_us = fraction // 1000 if self.nanoseconds else fraction
            return Packet(seconds * 1_000_000 + fraction_us, wire_length, block[RECORD_HEADER_BYTES:], 0)
        timestamps, offsets, origins, _ = pcapng.scan_packets(block, 0, self.interfaces, nanoseconds=False)
        records, _ = pcapng.as_records(block, timestamps, offsets, nanoseconds=False)
        wire_length = RECORD_HEADER.unpack_from(records)[3]
        return Packet(timestamps[0], wire_length, records[RECORD_HEADER_BYTES:], int.from_bytes(origins, "little"))

    def scan(self, blocks: Iterable[bytes]) -> Iterator[Scanned]:
        """Find all packets behind the beginning. Raises CaptureError, after what is whole, where there is damage."""
        return _scan_pcapng(self, blocks) if self.is_pcapng else _scan_classic(self, blocks)

    def records(self, buffer: Buffer, found: Scanned) -> tuple[Buffer, list[int]]:
        """Scanned packets as classic records of this resolution, and their offsets; `buffer` begins with the first."""
        offsets = [offset - found.offsets[0] for offset in found.offsets]
        if self.is_pcapng:
            return pcapng.as_records(buffer, found.timestamps, offsets, nanoseconds=self.nanoseconds)
        return buffer, offsets


def read_format(data: Buffer) -> ResultFormat:
    """The format of a result that begins so: its first LONGEST_BEGINNING_BYTES, or all of it. Raises CaptureError."""
    if not len(data):
        raise CaptureError("it is empty")
    if bytes(data[:4]) == pcapng.MAGIC:
        interfaces, size_bytes = pcapng.read_beginning(data)
        nanoseconds = any(interface.nanoseconds for interface in interfaces)
        return ResultFormat(size_bytes, interfaces, nanoseconds, is_pcapng=True)
    header = parse_file_header(data)
    if not header.native:
        raise CaptureError("it is not little-endian, as Docket writes")
    interface = Interface("", header.linktype, header.nanoseconds)
    return ResultFormat(FILE_HEADER_BYTES, (interface,), header.nanoseconds, is_pcapng=False)


def _scan_classic(form: ResultFormat, blocks: Iterable[bytes]) -> Iterator[Scanned]:
    place, rest = form.size_bytes, b""
    for block in blocks:
        data = rest + block
        timestamps, offsets, end = scan(data, nanoseconds=form.nanoseconds)
        if timestamps:
            offsets = [place + offset for offset in offsets]
            yield Scanned(timestamps, offsets, b"", offsets)
        rest = data[end:]
        place += end
    if rest:
        raise CaptureError(f"it ends with half a record of {len(rest)} bytes", place)


def _scan_pcapng(form: ResultFormat, blocks: Iterable[bytes]) -> Iterator[Scanned]:
    place, rest, more = form.size_bytes, b"", True
    for block in blocks:
        rest += block
        if not more:
            if len(rest) > pcapng.LONGEST_BEGINNING_BYTES:
                raise CaptureError("behind its packets there is something else than statistics")
            continue
        timestamps, offsets, origins, more = pcapng.scan_packets(rest, 0, form.interfaces, nanoseconds=form.nanoseconds)
        if timestamps:
            volume = pcapng.classic_offsets(rest, offsets)
            yield Scanned(timestamps, [place + offset for offset in offsets], origins, volume)
        place += offsets[-1]
        rest = rest[offsets[-1] :]
    if rest:
        pcapng.check_ending(rest)
