"""A run of packets of one capture file as its readers give it: for the filter, the index and the counts. Pure.

    for block in reader.blocks():
        headers = decode(block.buffer, block.records, block.linktype)

All packets of a block are of one link type. `extent` tells where a later reading finds them again. When the blocks
have ended, `reader.end` says how the file did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from docket.packet.records import Records
from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.reading.byte_stream import ByteStream

BLOCK_BYTES = 1024 * 1024
"""Of a capture that are read, decoded and filtered at once."""


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
    dropped: int = 0
    """Packets that the recorder says it lost (pcapng's interface statistics)."""


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
