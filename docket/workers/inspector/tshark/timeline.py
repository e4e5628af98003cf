"""Packets and bytes over time and by source, of the whole file, whatever the dissector can do with it. Pure."""

from __future__ import annotations

from bisect import bisect_left

import msgspec
import numpy as np
from numpy.typing import NDArray

from docket.domain.timewindow import format_us
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.workers.inspector.tshark.result_capture import Run

MOST_BUCKETS = 240
MOST_SOURCES = 12
"""That are distinguished over time; of more, the smallest are one."""
OTHERS = "others"
_STEPS = (1, 2, 5)


class SourceTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """What one source recorded over time, in the same stretches."""

    name: str
    """Or `others`: all that are not named."""
    packets: tuple[int, ...]
    bytes: tuple[int, ...]
    """As captured."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Equal stretches of time, one after the other, from `start` on."""

    start: str
    start_us: int
    bucket_us: int
    packets: tuple[int, ...]
    bytes: tuple[int, ...]
    """As captured."""
    sources: tuple[SourceTimeline, ...] = ()
    """Where there are several: the packets and bytes of each, the one with the most packets first."""


class TimelineCounter:
    """Fed with all packets in the order of time. The stretches become wider when the time turns out to be longer."""

    def __init__(self, first_us: int, last_us: int, names: tuple[str, ...] = ()) -> None:
        """`first_us` and `last_us` are a guess that saves work; `names` are those of the sources, by number."""
        self._names = names
        self._by_source: NDArray[np.int64] = np.zeros((2, len(names), MOST_BUCKETS), np.int64)
        """Packets, then bytes."""
        self._bucket_us = nice_bucket(max(last_us - first_us, 0) + 1)
        self._start_us = first_us - first_us % self._bucket_us
        self._packets = [0]
        self._bytes = [0]

    def add(self, run: Run) -> None:
        times, offsets = run.timestamps, run.volume
        lengths = _lengths(offsets) if len(self._names) > 1 else None
        while not self._fits(times[0], times[-1]):
            self._widen()
        place = 0
        while place < len(times):
            bucket = (times[place] - self._start_us) // self._bucket_us
            end_us = self._start_us + (bucket + 1) * self._bucket_us
            # Times ascend in a result; a packet that does not is counted with its neighbours.
            end = max(bisect_left(times, end_us, place), place + 1)
            bucket = min(max(bucket, 0), MOST_BUCKETS - 1)
            if bucket >= len(self._packets):
                more = bucket + 1 - len(self._packets)
                self._packets += [0] * more
                self._bytes += [0] * more
            self._packets[bucket] += end - place
            self._bytes[bucket] += offsets[end] - offsets[place] - RECORD_HEADER_BYTES * (end - place)
            if lengths is not None:
                self._add_by_source(bucket, run.sources[place:end], lengths[place:end])
            place = end

    def _add_by_source(self, bucket: int, sources: NDArray[np.uint16], lengths: NDArray[np.int64]) -> None:
        packets, octets = self._by_source
        packets[:, bucket] += np.bincount(sources, minlength=len(self._names))
        counted = np.bincount(sources, weights=lengths, minlength=len(self._names))
        octets[:, bucket] += counted.astype(np.int64)

    def timeline(self) -> Timeline:
        return Timeline(
            start=format_us(self._start_us),
            start_us=self._start_us,
            bucket_us=self._bucket_us,
            packets=tuple(self._packets),
            bytes=tuple(self._bytes),
            sources=self._sources(len(self._packets)),
        )

    def _sources(self, buckets: int) -> tuple[SourceTimeline, ...]:
        counts: dict[str, NDArray[np.int64]] = {}
        for number, name in enumerate(self._names):
            counts[name] = counts.get(name, 0) + self._by_source[:, number, :buckets]
        if len(counts) < 2:
            return ()
        ranked = sorted((name for name in counts if counts[name].any()), key=lambda name: -int(counts[name][0].sum()))
        shown, rest = ranked[:MOST_SOURCES], ranked[MOST_SOURCES:]
        if rest:
            counts[OTHERS] = np.sum([counts[name] for name in rest], axis=0)
            shown.append(OTHERS)
        return tuple(_of_one(name, counts[name]) for name in shown)

    def _fits(self, first_us: int, last_us: int) -> bool:
        return first_us >= self._start_us and last_us < self._start_us + self._bucket_us * MOST_BUCKETS

    def _widen(self) -> None:
        """Twice as wide, and beginning earlier by as much as keeps the old stretches whole."""
        wide_us = self._bucket_us * 2
        shift = (self._start_us % wide_us) // self._bucket_us
        self._start_us -= shift * self._bucket_us
        shifted = np.zeros((2, len(self._names), 2 * MOST_BUCKETS), np.int64)
        shifted[..., shift : shift + MOST_BUCKETS] = self._by_source
        self._by_source = shifted.reshape(2, len(self._names), MOST_BUCKETS, 2).sum(axis=3)
        self._packets = _paired([0] * shift + self._packets)
        self._bytes = _paired([0] * shift + self._bytes)
        self._bucket_us = wide_us


class SourceShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one source gave to the result."""

    name: str
    packets: int
    bytes: int
    first: str | None
    last: str | None


class ShareCounter:
    """Fed with all packets in the order of time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        count = len(names)
        self._packets = np.zeros(count, np.int64)
        self._bytes = np.zeros(count, np.int64)
        self._first_us = np.full(count, -1, np.int64)
        self._last_us = np.full(count, -1, np.int64)

    def add(self, run: Run) -> None:
        count = len(self._names)
        lengths = _lengths(run.volume)
        times_us = np.array(run.timestamps, dtype=np.int64)
        if count == 1:
            counted = np.array([len(lengths)])
            self._bytes += lengths.sum()
        else:
            counted = np.bincount(run.sources, minlength=count)
            self._bytes += np.bincount(run.sources, weights=lengths, minlength=count).astype(np.int64)
        self._packets += counted
        for number in np.flatnonzero(counted).tolist():
            of_one = times_us if count == 1 else times_us[run.sources == number]
            if self._first_us[number] < 0:
                self._first_us[number] = of_one[0]
            self._last_us[number] = of_one[-1]

    def shares(self) -> tuple[SourceShare, ...]:
        """By name, in the order of the sources; one that recorded packets of several kinds counts once."""
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self._names):
            found.setdefault(name, []).append(number)
        return tuple(self._share(name, numbers) for name, numbers in found.items())

    def _share(self, name: str, numbers: list[int]) -> SourceShare:
        firsts = [int(self._first_us[number]) for number in numbers if self._packets[number]]
        lasts = [int(self._last_us[number]) for number in numbers if self._packets[number]]
        return SourceShare(
            name=name,
            packets=int(self._packets[numbers].sum()),
            bytes=int(self._bytes[numbers].sum()),
            first=format_us(min(firsts)) if firsts else None,
            last=format_us(max(lasts)) if lasts else None,
        )


def nice_bucket(length_us: int) -> int:
    """The smallest of 1, 2, 5, 10, 20 … µs of which MOST_BUCKETS - 1 cover so long a time, wherever it begins."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * (MOST_BUCKETS - 1) >= length_us:
                return step * power
        power *= 10


def _lengths(offsets: list[int]) -> NDArray[np.int64]:
    places = np.array(offsets, dtype=np.int64)
    return places[1:] - places[:-1] - RECORD_HEADER_BYTES


def _of_one(name: str, counts: NDArray[np.int64]) -> SourceTimeline:
    packets, octets = counts.tolist()
    return SourceTimeline(name=name, packets=tuple(packets), bytes=tuple(octets))


def _paired(values: list[int]) -> list[int]:
    return [sum(values[place : place + 2]) for place in range(0, len(values), 2)]
