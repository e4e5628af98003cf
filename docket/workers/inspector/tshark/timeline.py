"""Packets and bytes over time, of the whole file, whatever the dissector can do with it. Pure."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from docket.domain.timewindow import format_us
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.workers.inspector.tshark.result_capture import Run

MOST_BUCKETS = 240
_STEPS = (1, 2, 5)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Equal stretches of time, one after the other, from `start` on."""

    start: str
    start_us: int
    bucket_us: int
    packets: tuple[int, ...]
    bytes: tuple[int, ...]
    """As captured."""


class TimelineCounter:
    """Fed with all packets in the order of time. The stretches become wider when the time turns out to be longer."""

    def __init__(self, first_us: int, last_us: int) -> None:
        """`first_us` and `last_us` are a guess that saves work."""
        self._bucket_us = nice_bucket(max(last_us - first_us, 0) + 1)
        self._start_us = first_us - first_us % self._bucket_us
        self._packets = [0]
        self._bytes = [0]

    def add(self, run: Run) -> None:
        times, offsets = run.timestamps, run.offsets
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
            place = end

    def timeline(self) -> Timeline:
        return Timeline(
            start=format_us(self._start_us),
            start_us=self._start_us,
            bucket_us=self._bucket_us,
            packets=tuple(self._packets),
            bytes=tuple(self._bytes),
        )

    def _fits(self, first_us: int, last_us: int) -> bool:
        return first_us >= self._start_us and last_us < self._start_us + self._bucket_us * MOST_BUCKETS

    def _widen(self) -> None:
        """Twice as wide, and beginning earlier by as much as keeps the old stretches whole."""
        wide_us = self._bucket_us * 2
        shift = (self._start_us % wide_us) // self._bucket_us
        self._start_us -= shift * self._bucket_us
        self._packets = _paired([0] * shift + self._packets)
        self._bytes = _paired([0] * shift + self._bytes)
        self._bucket_us = wide_us


def nice_bucket(length_us: int) -> int:
    """The smallest of 1, 2, 5, 10, 20 … µs of which MOST_BUCKETS - 1 cover so long a time, wherever it begins."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * (MOST_BUCKETS - 1) >= length_us:
                return step * power
        power *= 10


def _paired(values: list[int]) -> list[int]:
    return [sum(values[place : place + 2]) for place in range(0, len(values), 2)]
