"""Takes the packets of a capture file as its reader gives them, and makes segments of the index. For `build` only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docket.errors import CaptureError
from docket.index.format.blocks import Block, table_of
from docket.index.format.postings import MOST_BLOCKS, Pairs, joined, pairs_of
from docket.index.format.segment import Segment
from docket.index.value_kinds import Kind, indexed
from docket.packet.decode import decode
from docket.packet.occurring_values import occurring, unsure
from docket.packet.octets import Integers
from docket.packet.records import Records
from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.reading.record_block import RecordBlock

BLOCK_BYTES = 128 * 1024
"""Of a plain file that are read for one hit. Half of it makes the index a third larger."""
SEGMENT_BYTES = 64 * 1024 * 1024
MOST_PAIRS = 1_500_000
"""Values with their blocks in memory, at 10 bytes each and as much again while they are sorted."""


class SegmentBuilder:
    """Collects one segment."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._pairs: dict[Kind, list[Pairs]] = defaultdict(list)
        self._pair_count = 0
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        return not self._blocks

    @property
    def is_full(self) -> bool:
        """Whether it is time to begin another one."""
        crowded = len(self._blocks) > MOST_BLOCKS // 2
        return self._bytes >= SEGMENT_BYTES or self._pair_count >= MOST_PAIRS or crowded

    def take(self, sharing: Sequence[RecordBlock], record_header_bytes: int | None) -> None:
        """Add packets: record blocks that share one extent, usually one.

        With the length of a record header the extent may be divided; it is that of a plain file then.
        """
        extent = sharing[0].extent
        if len(sharing) == 1 and record_header_bytes is not None:
            self._divide(sharing[0], record_header_bytes)
        else:
            self._add_whole(extent, sharing)
        self._bytes += extent.length_bytes

    def finished(self) -> Segment:
        """What was collected."""
        return Segment(table_of(self._blocks), {kind: joined(kind, parts) for kind, parts in self._pairs.items()})

    def _add_whole(self, extent: Extent, sharing: Sequence[RecordBlock]) -> None:
        number, uncertain = len(self._blocks), False
        for block in sharing:
            numbers = np.full(len(block.records), number, dtype=np.int64)
            uncertain |= bool(self._index(block, numbers).any())
        times = np.concatenate([block.records.time_ns for block in sharing])
        wire = sum(int(block.records.original.sum()) for block in sharing)
        self._blocks.append(Block(extent, int(times.min()), int(times.max()), times.size, wire, uncertain))

    def _divide(self, block: RecordBlock, record_header_bytes: int) -> None:
        records, first = block.records, len(self._blocks)
        begins = _divisions(records)
        numbers = np.repeat(np.arange(begins.size), np.diff(np.append(begins, len(records)))) + first
        uncertain = self._index(block, numbers)
        uncertain_in = set(numbers[uncertain].tolist())
        places = records.data_at[begins] - record_header_bytes
        # The first one begins where the extent does, whatever lies before its first record.
        places[0] = 0
        if block.extent.prologue:
            places[1:] -= int(records.data_at[0]) - record_header_bytes
        ends = np.append(places[1:], block.extent.length_bytes)
        earliest, latest = np.minimum.reduceat(records.time_ns, begins), np.maximum.reduceat(records.time_ns, begins)
        counts, wire = np.diff(np.append(begins, len(records))), np.add.reduceat(records.original, begins)
        for at in range(begins.size):
            extent = _part(block.extent, int(places[at]), int(ends[at]))
            span = int(earliest[at]), int(latest[at])
            self._blocks.append(Block(extent, *span, int(counts[at]), int(wire[at]), first + at in uncertain_in))

    def _index(self, block: RecordBlock, numbers: Integers) -> NDArray[np.bool_]:
        """Note the values of the records, each of which lies in the block of this number; gives the unsure records."""
        try:
            headers = decode(block.buffer, block.records, block.linktype)
        except CaptureError:
            return np.ones(len(block.records), dtype=np.bool_)
        found: dict[Kind, list[tuple[NDArray[np.uint64], Integers]]] = defaultdict(list)
        for occurrences in occurring(headers):
            for kind, values, records in indexed(occurrences):
                found[kind].append((values.astype(np.uint64), numbers[records]))
        for kind, several in found.items():
            pairs = pairs_of(kind, np.concatenate([one for one, _ in several]), np.concatenate([n for _, n in several]))
            self._pairs[kind].append(pairs)
            self._pair_count += len(pairs)
        return unsure(headers)


def _divisions(records: Records) -> Integers:
    """Where blocks begin: indices of records, the first of them 0."""
    numbers = (records.data_at - records.data_at[0]) // BLOCK_BYTES
    return np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), numbers[1:] != numbers[:-1])))


def _part(extent: Extent, begin: int, end: int) -> Extent:
    return Extent(extent.file_offset + begin, extent.stream_offset + begin, end - begin, 0, extent.prologue)
