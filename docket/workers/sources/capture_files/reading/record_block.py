"""A run of packets of one capture file as its readers give it, and as records of the result. Pure.

    for block in reader.blocks():
        headers = decode(block.buffer, block.records, block.linktype)

All packets of a block are of one link type. `extent` tells where a later reading finds them again. When the blocks
have ended, `reader.end` says how the file did.

Results are classic PCAP, little-endian. Bytes and lengths stay what they are, and where a packet already has such a
record header, its bytes are handed on as they stand in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from docket.domain.timewindow import NS_PER_S
from docket.packet.octets import Integers
from docket.packet.pcap import LARGEST_RECORD_BYTES, RECORD_HEADER_BYTES, file_header
from docket.packet.records import Records
from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.reading.byte_stream import ByteStream

BLOCK_BYTES = 1024 * 1024
"""Of a capture that are read, decoded and filtered at once."""

END_NS = (1 << 32) * NS_PER_S
"""A record cannot say a time from here on, in February 2106, nor one before 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordBlock:
    """Whole packets that follow each other in one file."""

    buffer: bytes
    records: Records
    linktype: int
    nanoseconds: bool
    """Whether the times are finer than microseconds, or may be."""
    native: bool
    """Each packet has a record header of 16 bytes right before it, little-endian, as results have."""
    extent: Extent
    """Of all packets of the block; blocks of different link types may share one."""
    base: int
    """Where the buffer begins in the decompressed capture."""
    damaged: bool = False
    """There are zeros instead of packets, between these or before them."""

    @property
    def end(self) -> int:
        """Where the last of the packets ends in the decompressed capture."""
        return self.base + int(self.records.data_at[-1] + self.records.captured[-1])


@dataclass(slots=True)
class FileEnd:
    """How the reading of a file ended, and what was odd about it. Offsets are of the decompressed capture."""

    fault: str = ""
    """Damage: what it is and where. What follows it was not read."""
    unfinished: str = ""
    """It ends in the middle of a record or of its compressed data: either damage, or still being written."""
    unfinished_us: int | None = None
    """Time of the packet that is there only in part, where that is known."""
    undated: int = 0
    """Packets without a time (pcapng's simple packets)."""
    drops: dict[tuple[int, int], int] = field(default_factory=dict)
    """Packets that the recorder says it lost (pcapng's interface statistics), by section and interface: a number is
    that of the whole section up to there."""
    sections: int = 0
    """Of pcapng, that were begun. That in which a stretch begins is its first."""

    @property
    def dropped(self) -> int:
        return sum(self.drops.values())

    def follow(self, drops: Iterable[tuple[int, int, int]], sections: int) -> None:
        """Count on from what stood before: section, interface and number, of the sections that were begun there."""
        later = {(section + sections - 1, interface): lost for (section, interface), lost in self.drops.items()}
        self.drops = {(section, interface): lost for section, interface, lost in drops} | later
        self.sections = sections + max(0, self.sections - 1)


class CaptureReader(Protocol):
    """Reads one file once."""

    end: FileEnd
    finest_nanoseconds: bool
    """Whether some interface read so far has a clock finer than microseconds."""

    def blocks(self) -> Iterator[RecordBlock]:
        """The packets. Raises OSError; damage ends it and is named in `end`."""


def extent_of(stream: ByteStream, base: int, length_bytes: int, prologue: bytes = b"") -> Extent:
    """Where these bytes of the capture are found again."""
    file_offset, position = stream.frame_at(base)
    return Extent(file_offset, base, length_bytes, base - position, prologue)


class Stretch:
    """A stream up to the end of an extent, or to its own end."""

    def __init__(self, stream: ByteStream, length_bytes: int | None) -> None:
        self._stream = stream
        self._left = length_bytes

    def read(self) -> bytes:
        """The next block, none at the end. Raises OSError."""
        data = self._stream.read(BLOCK_BYTES if self._left is None else min(BLOCK_BYTES, self._left))
        self._count(len(data))
        return data

    def skip(self, size: int) -> None:
        """Pass over bytes. Raises OSError."""
        self._stream.skip(size)
        self._count(size)

    def _count(self, size: int) -> None:
        if self._left is not None:
            self._left = max(0, self._left - size)


def result_header(linktype: int, *, nanoseconds: bool) -> bytes:
    """The beginning of the answer."""
    return file_header(linktype, LARGEST_RECORD_BYTES, nanoseconds=nanoseconds)


def render(block: RecordBlock, chosen: Integers, *, nanoseconds: bool) -> bytes:
    """The records of the packets with these indices, in their order; at least one."""
    if block.native and block.nanoseconds == nanoseconds:
        return _runs(block, chosen)
    return _rewritten(block, chosen, nanoseconds=nanoseconds)


def _runs(block: RecordBlock, chosen: Integers) -> bytes:
    """Neighbours in the file are copied together."""
    begin = block.records.data_at[chosen] - RECORD_HEADER_BYTES
    end = block.records.data_at[chosen] + block.records.captured[chosen]
    breaks = np.flatnonzero(begin[1:] != end[:-1])
    view = memoryview(block.buffer)
    starts = begin[np.concatenate(([0], breaks + 1))].tolist()
    ends = end[np.concatenate((breaks, [chosen.size - 1]))].tolist()
    return b"".join([view[start:stop] for start, stop in zip(starts, ends, strict=True)])


def _rewritten(block: RecordBlock, chosen: Integers, *, nanoseconds: bool) -> bytes:
    records = block.records.chosen(chosen)
    seconds, fraction = np.divmod(records.time_ns, NS_PER_S)
    headers = np.empty((chosen.size, 4), dtype="<u4")
    headers[:, 0] = seconds
    headers[:, 1] = fraction if nanoseconds else fraction // 1000
    headers[:, 2] = records.captured
    headers[:, 3] = records.original
    written = memoryview(headers.tobytes())
    view = memoryview(block.buffer)
    pieces: list[memoryview] = []
    at = 0
    for start, length in zip(records.data_at.tolist(), records.captured.tolist(), strict=True):
        pieces.append(written[at : at + RECORD_HEADER_BYTES])
        pieces.append(view[start : start + length])
        at += RECORD_HEADER_BYTES
    return b"".join(pieces)
