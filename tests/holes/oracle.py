"""Whether an answer is true: held against what passed the line and what was recorded of it. No code of Docket."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.holes.files import Key
from tests.holes.recording import QUESTIONS, US, Frame, Recording

FULL = ("complete", "empty")
CLEAR = 6
"""After so many periods without a file it is clear that the recorder does not run."""
FEWEST_PERIODS = 12
"""A shorter hole cannot be told from a pause."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question."""

    query: str
    after_us: int
    before_us: int

    def takes(self, one: Frame) -> bool:
        """Whether it is meant."""
        return self.inside(one) and QUESTIONS[self.query](one)

    def inside(self, one: Frame) -> bool:
        return self.after_us * 1000 <= one.time_ns < self.before_us * 1000


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    verdict: str
    sentence: str
    packets: Counter[Key]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a source."""

    wire: list[Frame]
    recorded: list[Frame]
    intact: Counter[Key]
    holes: list[tuple[int, int]]
    period_us: int
    healthy: bool
    """Nothing is odd, damaged or missing."""
    known_from_us: int | None
    """When its first packet is from; None where clocks are odd."""
    now_us: int
    settled_us: int = 0
    """How long after the last packet before a hole it may still have been quiet, as far as the source can tell."""

    def faults(self, asked: Asked, told: Told) -> list[str]:
        """What of the answer is not true."""
        recorded = [one for one in self.recorded if asked.takes(one) and (not one.short or asked.query == "")]
        due = Counter(one.key for one in recorded)
        wrong = []
        if told.packets - due:
            wrong.append(f"{(told.packets - due).total()} packets doubled, altered or not asked for")
        readable = Counter({key: count for key, count in due.items() if key in self.intact})
        if readable - told.packets:
            wrong.append(f"{(readable - told.packets).total()} of {due.total()} packets lost")
        if told.verdict in FULL:
            wrong += self._false(asked, told, due)
        elif self.healthy and self._plain(asked):
            wrong.append("called less than whole, though it is whole")
        return wrong

    def _false(self, asked: Asked, told: Told, due: Counter[Key]) -> list[str]:
        wrong = []
        if told.packets != due:
            wrong.append(f"called whole with {told.packets.total()} of {due.total()} recorded packets")
        if (told.verdict == "empty") != (not told.packets):
            wrong.append("empty is not empty")
        missed = [one for one in self.wire if asked.inside(one) and self._clearly_missed(one.time_ns // 1000)]
        if missed:
            wrong.append(f"called whole, though {len(missed)} packets passed while nothing was recorded")
        undecided = [one for one in self.recorded if one.short and asked.inside(one) and asked.query]
        if undecided and "too short" not in told.sentence:
            wrong.append("packets without bytes are not mentioned")
        if self.known_from_us is not None and asked.after_us < self.known_from_us - US:
            wrong.append("called whole from before the first packet")
        if asked.before_us > self.now_us + US:
            wrong.append("called whole, of the future")
        return wrong

    def _clearly_missed(self, time_us: int) -> bool:
        """In a hole, and not shortly after the last packet before the recorder stopped for good."""
        for begin_us, end_us in self.holes:
            last_us = max((one.time_ns // 1000 for one in self.recorded if one.time_ns < begin_us * 1000), default=0)
            if max(begin_us, last_us + self.settled_us) <= time_us < end_us:
                return end_us < self.now_us or time_us > begin_us + CLEAR * max(self.period_us, 60 * US)
        return False

    def _plain(self, asked: Asked) -> bool:
        assert self.known_from_us is not None
        return self.known_from_us <= asked.after_us and asked.before_us <= self.recorded[-1].time_ns // 1000


def clear_holes(recording: Recording) -> list[tuple[int, int]]:
    """The holes as one list without overlaps; of one that a file with an odd clock claims a part of, what is left."""
    found: list[tuple[int, int]] = []
    for begin_us, end_us in sorted(recording.holes):
        if found and begin_us <= found[-1][1]:
            begin_us, end_us = found[-1][0], max(end_us, found.pop()[1])
        found.append((begin_us, end_us))
    if not recording.odd_clock:
        return found
    for file in recording.files:
        times = [one.time_ns // 1000 for one in file]
        found = [piece for hole in found for piece in _left(hole, min(times), max(times))]
    return [hole for hole in found if hole[1] - hole[0] >= FEWEST_PERIODS * recording.period_us]


def _left(hole: tuple[int, int], begin_us: int, end_us: int) -> list[tuple[int, int]]:
    if end_us <= hole[0] or begin_us >= hole[1]:
        return [hole]
    return [piece for piece in ((hole[0], begin_us), (end_us, hole[1])) if piece[0] < piece[1]]


def packets(body: bytes, linktype: int, *, nanoseconds: bool) -> Iterable[Key]:
    """The records of one fragment."""
    at = 0
    while at < len(body):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", body, at)
        time_ns = seconds * 10**9 + fraction * (1 if nanoseconds else 1000)
        yield time_ns, linktype, bytes(body[at + 16 : at + 16 + captured])
        at += 16 + captured
