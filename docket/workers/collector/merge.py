"""Parts become one PCAP in strict time order, in one pass, while the parts still grow. For the collector.

The order is total: time, then the source's place, then arrival. So the same parts give the same file, however
their bytes trickled in and however often the merge had to begin again. Memory is bounded by the block size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docket.domain.request_message import Limits
from docket.packet import pcapng
from docket.packet.octets import Integers
from docket.packet.pcap import ETHERNET, LARGEST_RECORD_BYTES, file_header
from docket.runtime.gathered_write import NO_PIECES, Pieces, together
from docket.spool.file_io import gather_at, write_at
from docket.spool.hashing import BackgroundHash, FileHash
from docket.workers.collector.record_stream import FOREVER, RecordStream

STEP_BYTES = 1 << 22
"""About what one step handles: some ten milliseconds, so that other jobs have their turn in between."""

_SMALL_BLOCK_BYTES, _SMALLEST_BLOCK_BYTES = 1 << 18, 1 << 15
"""Of one stream. With more than sixteen streams a step is larger, as long as all blocks have room in memory."""
_MOST_IN_BLOCKS_BYTES = 1 << 25

NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ResultShape:
    """How the result is written; the streams are made for the same."""

    nanoseconds: bool = False
    """Of its times, or of those that are merged into pcapng; microseconds otherwise."""
    interfaces: tuple[pcapng.Interface, ...] = ()
    """By the origins of the streams. None: classic PCAP, of one link type."""
    beginning: bytes = b""
    """Of pcapng: what stands before the packets."""
    origin_bytes: int = 0
    """For each packet in the list of their origins, which lies beside the result; 0: there is no list."""


MICROSECOND_PCAP = ResultShape()


class Share(NamedTuple):
    """What one source gave to the result."""

    packets: int
    bytes: int
    first_us: int | None
    last_us: int | None


class _Settled(NamedTuple):
    """Records in their order, as classic ones, and the origin of each as bytes."""

    records: Pieces
    origins: bytes


class _Range(NamedTuple):
    """Loaded records of one stream that may be written now."""

    stream: RecordStream
    start: int
    until: int

    @property
    def pieces(self) -> Pieces:
        return self.stream.pieces.chosen(slice(self.start, self.until))

    @property
    def times(self) -> Integers:
        return self.stream.times[self.start : self.until]

    @property
    def first(self) -> int:
        return int(self.stream.times[self.start])

    @property
    def last(self) -> int:
        return int(self.stream.times[self.until - 1])

    @property
    def packets(self) -> int:
        return self.until - self.start

    @property
    def bytes(self) -> int:
        return self.pieces.size_bytes


class Merge:
    """Writes the records of its streams to `output`, as far as their order is settled.

    `streams` stand in the order of their places. The limits hold for the result: the earliest packets win.
    """

    def __init__(
        self,
        output: Path,
        streams: Sequence[RecordStream],
        limits: Limits = NO_LIMITS,
        *,
        shape: ResultShape = MICROSECOND_PCAP,
    ) -> None:
        self.output = output
        self.origins_output = origins_of(output)
        self.shape = shape
        self.streams = list(streams)
        self.packets = 0
        self.size_bytes = 0
        """Size of `output`; 0 as long as not even its header is written."""
        self.record_bytes = 0
        """Of the packets as classic records, which is what limits and counts are about."""
        self.disordered = False
        """A record came so late that earlier ones had been written: the result must be made again by sorting."""
        self.limit_reached = False
        self._limits = limits
        self._linktype: int | None = None
        self._sha256 = FileHash(output)
        self._origins_sha256 = BackgroundHash()
        self._written_to = (-1, -1)

    @property
    def linktype(self) -> int | None:
        """The one link type of a classic result, once a packet has decided it."""
        return self._linktype

    @property
    def done(self) -> bool:
        """Nothing more will be written."""
        return self.limit_reached or all(stream.exhausted for stream in self.streams)

    @property
    def sha256(self) -> str:
        """Of everything that `output` holds. Raises SpoolError."""
        return self._sha256.hexdigest(self.size_bytes)

    @property
    def origins_sha256(self) -> str:
        """Of the list of origins; empty if there is none."""
        return self._origins_sha256.hexdigest() if self.shape.origin_bytes else ""

    @property
    def faults(self) -> dict[str, str]:
        """Streams that ended in something that is no record, and what it was."""
        return {stream.name: stream.fault for stream in self.streams if stream.fault}

    @property
    def left_over(self) -> frozenset[str]:
        """Streams of which something is not in the result."""
        return frozenset(stream.name for stream in self.streams if not stream.exhausted)

    def shares(self) -> dict[str, Share]:
        """What each source gave so far; several streams of one name count together."""
        shares: dict[str, Share] = {}
        for stream in self.streams:
            before = shares.get(stream.name, Share(0, 0, None, None))
            firsts = [time for time in (before.first_us, stream.first_us) if time is not None]
            lasts = [time for time in (before.last_us, stream.last_us) if time is not None]
            shares[stream.name] = Share(
                before.packets + stream.packets,
                before.bytes + stream.bytes,
                min(firsts, default=None),
                max(lasts, default=None),
            )
        return shares

    def step(self, step_bytes: int = STEP_BYTES) -> int:
        """Write what is settled, at most about `step_bytes` of it, and return how many bytes that were.

        0: nothing can be written before a part grows or ends. Raises SpoolFull or SpoolError; nothing counts
        as written then, and the step may be tried again.
        """
        if self.limit_reached:
            return 0
        block_bytes = self._block_bytes(step_bytes)
        for stream in self.streams:
            if stream.starts_at is None:
                stream.load(block_bytes)
        lowest = min(self.streams, key=RecordStream.horizon, default=None)
        while lowest is not None and lowest.starts_at is not None:
            # A stream that waits until its time comes: now it has come.
            lowest.starts_at = None
            lowest.load(block_bytes)
            lowest = min(self.streams, key=RecordStream.horizon)
        if lowest is None:
            return 0
        horizon = lowest.horizon()
        ranges = [_Range(stream, stream.position, stream.ready_until(horizon)) for stream in self.streams]
        ranges = [span for span in ranges if span.until > span.start]
        return self._write(ranges) if ranges else 0

    def close(self, ending: bytes = b"") -> None:
        """Make `output` a whole capture, also where no packet was written. Raises SpoolFull or SpoolError."""
        if not self.size_bytes:
            known = (stream.linktype for stream in self.streams)
            self._begin(next(known, ETHERNET))
        if ending:
            self.size_bytes = write_at(self.output, self.size_bytes, [ending])
        if self.shape.origin_bytes and not self.packets:
            write_at(self.origins_output, 0, [])

    def _block_bytes(self, step_bytes: int) -> int:
        """How much of each stream is read at once for a step of this size."""
        count = max(len(self.streams), 1)
        small = min(_SMALL_BLOCK_BYTES, _MOST_IN_BLOCKS_BYTES // count, step_bytes)
        return max(step_bytes // count, small, _SMALLEST_BLOCK_BYTES)

    def _begin(self, linktype: int) -> None:
        shape = self.shape
        header = shape.beginning or file_header(linktype, LARGEST_RECORD_BYTES, nanoseconds=shape.nanoseconds)
        self.size_bytes = write_at(self.output, 0, [header])
        self._linktype = None if shape.interfaces else linktype

    def _write(self, ranges: list[_Range]) -> int:
        if not self.size_bytes:
            self._begin(ranges[0].stream.linktype)
        earliest = min((span.first, span.stream.place) for span in ranges)
        latest = max((span.last, span.stream.place) for span in ranges)
        if earliest < self._written_to:
            self.disordered = True
        taken = [span.until for span in ranges]
        if self._fits(ranges):
            settled = _in_time_order(ranges, self.shape.origin_bytes)
        else:
            settled, taken = self._as_much_as_fits(ranges)
        if settled.origins:
            write_at(self.origins_output, self.packets * self.shape.origin_bytes, [settled.origins])
        if self.shape.interfaces:
            end = write_at(self.output, self.size_bytes, [self._as_blocks(settled)])
        else:
            end = gather_at(self.output, self.size_bytes, settled.records)
        written_bytes = end - self.size_bytes
        if settled.origins:
            self._origins_sha256.update([settled.origins])
        self.record_bytes += settled.records.size_bytes
        for span, until in zip(ranges, taken, strict=True):
            span.stream.give(until)
            self.packets += until - span.start
        self.limit_reached = any(until < span.until for span, until in zip(ranges, taken, strict=True))
        self.size_bytes = end
        self._written_to = max(self._written_to, latest)
        self._sha256.upto(end)
        return written_bytes

    def _fits(self, ranges: Sequence[_Range]) -> bool:
        packets, size_bytes = self._room()
        return sum(span.packets for span in ranges) <= packets and sum(span.bytes for span in ranges) <= size_bytes

    def _room(self) -> tuple[int, int]:
        """Packets and bytes that the limits still allow."""
        most_packets, most_bytes = self._limits.packets, self._limits.bytes
        return (
            FOREVER if most_packets is None else most_packets - self.packets,
            FOREVER if most_bytes is None else most_bytes - self.record_bytes,
        )

    def _as_blocks(self, settled: _Settled) -> bytes:
        """The records as the blocks of pcapng."""
        width, origins, shape = self.shape.origin_bytes, settled.origins, self.shape
        numbers = [int.from_bytes(origins[at : at + width], "little") for at in range(0, len(origins), width)]
        content = settled.records.content()
        return pcapng.packets(content, numbers, shape.interfaces, nanoseconds=shape.nanoseconds)[0]

    def _as_much_as_fits(self, ranges: Sequence[_Range]) -> tuple[_Settled, list[int]]:
        """The records up to the first one that a limit does not allow, and how far that goes in each range."""
        order = _order(ranges)
        packets, size_bytes = self._room()
        sizes = np.cumsum(together([span.pieces for span in ranges]).sizes[order[:packets]])
        fitting = order[: int(sizes.searchsorted(size_bytes, "right"))]
        given = np.bincount(_numbers(ranges)[fitting], minlength=len(ranges)).tolist()
        taken = [span.start + count for span, count in zip(ranges, given, strict=True)]
        return _settled(ranges, fitting, self.shape.origin_bytes), taken


def origins_of(output: Path) -> Path:
    """Where the list of origins lies while a result is written there."""
    return output.with_name(f"{output.name}.sources")


def _in_time_order(ranges: Sequence[_Range], origin_bytes: int) -> _Settled:
    """The records of the ranges in the total order. The ranges stand in the order of their places."""
    by_start = sorted(ranges, key=lambda span: span.first)
    if all(one.last < other.first for one, other in pairwise(by_start)):
        origins = b"".join(span.stream.origin.to_bytes(origin_bytes, "little") * span.packets for span in by_start)
        return _Settled(together([span.pieces for span in by_start]), origins if origin_bytes else b"")
    return _settled(ranges, _order(ranges), origin_bytes)


def _order(ranges: Sequence[_Range]) -> Integers:
    """The records, counted through one range after the other, in the total order (a stable sort)."""
    return np.concatenate([span.times for span in ranges]).argsort(kind="stable")


def _numbers(ranges: Sequence[_Range]) -> Integers:
    """For every record of the ranges, one range after the other, the number of its range."""
    return np.repeat(np.arange(len(ranges)), [span.packets for span in ranges])


def _settled(ranges: Sequence[_Range], order: Integers, origin_bytes: int) -> _Settled:
    """The records of these indices."""
    if not order.size:
        return _Settled(NO_PIECES, b"")
    origins = b""
    if origin_bytes:
        codes = np.array([span.stream.origin for span in ranges], dtype=f"<u{origin_bytes}")
        origins = codes[_numbers(ranges)[order]].tobytes()
    return _Settled(together([span.pieces for span in ranges]).chosen(order), origins)
