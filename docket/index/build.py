"""Makes the index of one capture file, or lengthens the one there is by what the file has grown.

    built = build(opened, earlier=None)
    write_index(path, built.facts, built.sections)

Reads each byte once, in the file's order, in bounded memory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from docket.index.facts import FileFacts
from docket.index.format.segment import encode
from docket.index.format.stored_file import StoredFile
from docket.index.segment_builder import SegmentBuilder
from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.formats import Classic
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.opened_file import OpenedFile
from docket.workers.sources.capture_files.reading.record_block import CaptureReader, FileEnd, RecordBlock

_PCAPNG_PACKET_HEADER_BYTES = 28
_NS_PER_MINUTE = 60 * 10**9
MOST_MINUTES = 20_000
"""Of one file; beyond that its clock was set wrongly, and the timeline does without them."""


@dataclass(frozen=True, slots=True)
class Built:
    """An index that is to be written."""

    facts: FileFacts
    sections: dict[str, bytes]
    read_bytes: int
    """Of the decompressed capture, in this run."""


def build(
    opened: OpenedFile, path: str, earlier: StoredFile | None = None, go_on: Callable[[int], bool] = lambda _: True
) -> Built | None:
    """The index of the file; None if it is no capture that can be read. `earlier`: of the file's beginning.

    `go_on` is asked after each block, with the bytes that were read; what was read until it says no is the index of
    the beginning. Raises OSError, and Damaged if the earlier one is.
    """
    rest = earlier.facts.rest if earlier is not None else None
    reader = opened.reader_of(rest) if rest is not None else opened.reader()
    if reader is None:
        return None
    run = _Run(opened, earlier if rest is not None else None)
    run.read(reader, go_on)
    return run.built(path, reader.end, nanoseconds=reader.finest_nanoseconds)


class _Run:
    """One reading."""

    def __init__(self, opened: OpenedFile, earlier: StoredFile | None) -> None:
        self._identity: FileIdentity = opened.identity
        self._tail = opened.tail()
        self._header_bytes = _header_bytes(opened)
        self._earlier = earlier.facts if earlier is not None else None
        self._sections = earlier.sections() if earlier is not None else {}
        self._segments = self._earlier.segments if self._earlier is not None else 0
        self._rest = self._earlier.rest if self._earlier is not None else None
        self._totals = _Totals(self._earlier)
        self._read_bytes = 0
        self._sections_begun = 0
        """Up to where the rest begins."""
        self._whole = True
        self._damaged = False

    def read(self, reader: CaptureReader, go_on: Callable[[int], bool]) -> None:
        builder = SegmentBuilder()
        for sharing, sections in _sharing(reader):
            if any(block.damaged for block in sharing):
                # A recorder may write its packets where there are zeros still.
                self._damaged = True
                break
            builder.take(sharing, self._header_bytes)
            extent = sharing[0].extent
            self._read_bytes += extent.length_bytes
            self._rest = _behind(extent)
            self._sections_begun = sections
            for block in sharing:
                self._totals.take(block)
            if builder.is_full:
                self._close(builder)
                builder = SegmentBuilder()
            if not go_on(self._read_bytes):
                self._whole = False
                break
        if not builder.is_empty:
            self._close(builder)

    def built(self, path: str, end: FileEnd, *, nanoseconds: bool) -> Built:
        totals, earlier = self._totals, self._earlier
        if earlier is not None:
            end.follow(earlier.drops, earlier.sections)
        before = earlier.sections if earlier else 0
        facts = FileFacts(
            identity=self._identity,
            # A name need not be text.
            path=os.fsencode(path).decode("utf-8", "backslashreplace"),
            segments=self._segments,
            rest=self._rest,
            clean=self._whole and not end.fault and not end.unfinished,
            cut_off=not self._whole,
            first_ns=totals.first_ns,
            last_ns=totals.last_ns,
            packets=totals.packets,
            bytes=totals.bytes,
            tail=self._tail,
            drops=tuple((*place, lost) for place, lost in sorted(end.drops.items()) if lost),
            sections=before + max(0, self._sections_begun - (earlier is not None)),
            damaged=self._damaged,
            undated=end.undated + (earlier.undated if earlier else 0),
            nanoseconds=nanoseconds or (earlier is not None and earlier.nanoseconds),
            minutes=totals.minutes(),
        )
        return Built(facts, self._sections, self._read_bytes)

    def _close(self, builder: SegmentBuilder) -> None:
        self._sections |= encode(builder.finished(), self._segments)
        self._segments += 1


class _Totals:
    """Of all packets of a file."""

    def __init__(self, earlier: FileFacts | None) -> None:
        self.first_ns = earlier.first_ns if earlier else 0
        self.last_ns = earlier.last_ns if earlier else 0
        self.packets = earlier.packets if earlier else 0
        self.bytes = earlier.bytes if earlier else 0
        self._packets: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()
        for minute, packets, size in earlier.minutes if earlier else ():
            self._packets[minute] = packets
            self._bytes[minute] = size

    def take(self, block: RecordBlock) -> None:
        times, lengths = block.records.time_ns, block.records.original
        earliest, latest = int(times.min()), int(times.max())
        self.first_ns = min(self.first_ns, earliest) if self.packets else earliest
        self.last_ns = max(self.last_ns, latest) if self.packets else latest
        self.packets += times.size
        self.bytes += int(lengths.sum())
        if len(self._packets) < MOST_MINUTES:
            minutes, inverse = np.unique(times // _NS_PER_MINUTE, return_inverse=True)
            sizes = np.bincount(inverse.reshape(-1), weights=lengths)
            for minute, packets, size in zip(minutes, np.bincount(inverse.reshape(-1)), sizes, strict=True):
                self._packets[int(minute)] += int(packets)
                self._bytes[int(minute)] += int(size)

    def minutes(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((minute, self._packets[minute], self._bytes[minute]) for minute in sorted(self._packets))


def _sharing(reader: CaptureReader) -> Iterator[tuple[list[RecordBlock], int]]:
    """Blocks of several link types share one extent, and follow each other; and the sections that were begun there."""
    numbered = ((block, reader.end.sections) for block in reader.blocks())
    for _, several in groupby(numbered, key=lambda one: one[0].extent):
        blocks, sections = zip(*several, strict=True)
        yield list(blocks), sections[0]


def _behind(extent: Extent) -> Extent:
    """All that follows an extent. In a compressed file reading begins where the extent's does."""
    if extent.file_offset == extent.stream_offset and not extent.skip_bytes:
        at = extent.file_offset + extent.length_bytes
        return Extent(at, at, 0, 0, extent.prologue)
    skip = extent.skip_bytes + extent.length_bytes
    return Extent(extent.file_offset, extent.stream_offset + extent.length_bytes, 0, skip, extent.prologue)


def _header_bytes(opened: OpenedFile) -> int | None:
    """What stands before each packet in a plain file; None in a compressed one, whose blocks stay whole."""
    if opened.packing is not None:
        return None
    return opened.form.record_header_bytes if isinstance(opened.form, Classic) else _PCAPNG_PACKET_HEADER_BYTES
