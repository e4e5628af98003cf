"""Stretches of time for which a store shows no sign of recording, from the times of its files. Pure; for the kinds.

Quiet is no gap: a recorder that begins a file every minute and missed three of them is one. What is usual is learned
from the store itself. Where only silence is known, the reason says that nothing may have passed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docket.domain.timewindow import US_PER_S, Window, format_human, format_length
from docket.workers.sources.base import Gap

SEVERAL = 3
"""So many usual intervals without a file are more than a late one."""
FEWEST_INTERVALS = 3
"""Of fewer nothing is learned."""
MOST_OF_MIDDLE = 4
"""What is usual is at most so many times the interval in the middle."""
SHORTEST_GAP_US = 60 * US_PER_S
"""Below that, files of a recorder that rotates quickly are late for many reasons, and a line may be quiet."""
SETTLED_US = 5 * US_PER_S
"""So much after the last packet of a file is taken to have been recorded: packets have pauses."""
LONGEST_REASON = 500
"""Of a gap that was put together out of several; from then on no further reason is named."""
MOST_GAPS = 100
"""The newest that are kept; a store with more of them says so by their number."""


def usual_us(lengths_us: Sequence[int] | NDArray[np.int64]) -> int | None:
    """What about nine in ten of these are not longer than; None where there are too few of them.

    Some times the one in the middle at most: where a tenth of the pauses are failures they are not usual.
    """
    if len(lengths_us) < FEWEST_INTERVALS:
        return None
    last = len(lengths_us) - 1
    places = last // 2, last * 9 // 10
    middle_us, highest_us = np.partition(np.asarray(lengths_us, dtype=np.int64), places)[list(places)].tolist()
    return int(min(highest_us, max(MOST_OF_MIDDLE * middle_us, SHORTEST_GAP_US)))


def rotation_gaps(
    starts_us: Sequence[int], until_us: int, longest_us: int, ends_us: Mapping[int, int] | None = None
) -> list[Gap]:
    """Missed rotations of a recorder that begins a new file by time, at the latest every `longest_us`.

    `starts_us` are the sorted starts of its files; packets up to `until_us` should be on disk. Until when the last file
    before a gap was written its name does not say: a gap begins shortly after the latest packet in it, which `ends_us`
    has by the file's start, and where it is not in there with that start. None: files last as long as is usual.
    """
    usual = usual_us([later - earlier for earlier, later in itertools.pairwise(starts_us)]) or longest_us
    late_us = max(min(SEVERAL * usual, 2 * longest_us), SHORTEST_GAP_US)
    gaps = []
    for begun_us, next_us in itertools.pairwise([*starts_us, until_us]):
        if next_us - begun_us <= late_us:
            continue
        last = next_us == until_us and begun_us == starts_us[-1]
        began = "no file was begun since" if last else "no file was begun between"
        times = format_human(begun_us) if last else f"{format_human(begun_us)} and {format_human(next_us)}"
        certain = next_us - begun_us > longest_us + SHORTEST_GAP_US
        ground = (
            f"it begins one at the latest after {format_length(longest_us)}"
            if certain
            else f"it usually begins one after {format_length(usual)}: either nothing passed or nothing was recorded"
        )
        written_us = begun_us + min(usual, longest_us)
        if ends_us is not None:
            pause_us = SHORTEST_GAP_US if last else SETTLED_US
            written_us = ends_us[begun_us] + pause_us if begun_us in ends_us else begun_us
        gaps.append(Gap(min(written_us, next_us - 1), next_us, f"{began} {times}, though {ground}"))
    return gaps


class CoveredTime:
    """Spans put together once, and asked for gaps as time goes on: there may be 60,000, and each heartbeat asks."""

    def __init__(self, spans: NDArray[np.int64]) -> None:
        """Rows of begin and end: a file's first packet and its last sign of being written. Files may overlap."""
        self._spans = spans[np.argsort(spans[:, 0], kind="stable")]
        self._begins_us = self._spans[:, 0]
        self._latest: tuple[int, _Holes] | None = None

    def gaps(self, until_us: int) -> list[Gap]:
        """Stretches that no file covers, where packets up to `until_us` should be on disk."""
        # A clock that was ahead says nothing of this time.
        count = int(np.searchsorted(self._begins_us, until_us, side="right"))
        if not count:
            return []
        if self._latest is None or self._latest[0] != count:
            self._latest = count, _holes(self._spans[:count])
        found = self._latest[1]
        gaps = list(found.gaps)
        if until_us > found.owed_us:
            times = format_human(found.newest_us)
            reason = f"no file was written since {times}: either nothing passed or nothing was recorded"
            # The pause that is usual here, or the shortest that counts, may still be one.
            gaps.append(Gap(found.newest_us + found.late_us, until_us, reason))
        return gaps

    def pauses(self, until_us: int) -> list[Gap]:
        """Silences that are no gaps, because they are usual here or too short; the newest of them.

        The reason says how often this store was as quiet before.
        """
        gaps = self.gaps(until_us)
        if self._latest is None or not self._begins_us.size or self._begins_us[0] > until_us:
            return []
        found = self._latest[1]
        pauses = list(found.pauses)
        if until_us - found.newest_us > SHORTEST_GAP_US and not (gaps and gaps[-1].before_us == until_us):
            pauses.append(Gap(found.newest_us, until_us, _as_quiet(found.lengths_us, until_us - found.newest_us)))
        return pauses[-MOST_GAPS:]


@dataclass(frozen=True, slots=True, eq=False)
class _Holes:
    """What does not change with the time of asking."""

    gaps: tuple[Gap, ...]
    """The newest of them."""
    pauses: tuple[Gap, ...]
    lengths_us: NDArray[np.int64]
    """Of all stretches without a file, gaps and pauses, in order of time."""
    newest_us: int
    late_us: int
    owed_us: int
    """When a new file must have begun at the latest."""


def _holes(spans: NDArray[np.int64]) -> _Holes:
    begins, ends = spans[:, 0], np.maximum.accumulate(spans[:, 1])
    places = np.flatnonzero(begins[1:] > ends[:-1])
    lengths = begins[places + 1] - ends[places]
    late_us = max(SEVERAL * (usual_us(lengths) or 0), SHORTEST_GAP_US)
    late = places[lengths > late_us][-MOST_GAPS - 1 :].tolist()
    quiet = np.flatnonzero((lengths > SHORTEST_GAP_US) & (lengths <= late_us))[-MOST_GAPS:].tolist()
    rhythm = usual_us(np.diff(begins)) or 0
    newest_us = int(ends[-1])
    # A recorder that begins its files by the clock owes the next one soon; of another one several may be late.
    regular = _is_regular(begins, rhythm)
    owed_us = int(begins[-1]) + rhythm * 3 // 2 if regular else newest_us + SEVERAL * rhythm
    owed_us = max(owed_us, newest_us + max(late_us, 2 * SHORTEST_GAP_US))
    gaps = tuple(_silent(int(ends[place]), int(begins[place + 1])) for place in late)
    pauses = tuple(
        Gap(int(ends[places[at]]), int(begins[places[at] + 1]), _as_quiet(lengths[:at], int(lengths[at])))
        for at in quiet
    )
    return _Holes(gaps, pauses, lengths, newest_us, late_us, owed_us)


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """The gaps in order of time, those that overlap as one, the newest MOST_GAPS of them."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.after_us, gap.before_us)):
        if found and gap.after_us <= found[-1].before_us:
            before = found[-1]
            known = gap.reason == before.reason or len(before.reason) >= LONGEST_REASON
            reason = before.reason if known else f"{before.reason}; {gap.reason}"
            found[-1] = Gap(before.after_us, max(before.before_us, gap.before_us), reason)
        else:
            found.append(gap)
    return tuple(found[-MOST_GAPS:])


def within(gaps: Iterable[Gap], window: Window) -> list[Gap]:
    """The part of each gap that lies in the window."""
    cut = [Gap(max(gap.after_us, window.after_us), min(gap.before_us, window.before_us), gap.reason) for gap in gaps]
    return [gap for gap in cut if gap.after_us < gap.before_us]


def _is_regular(begins_us: NDArray[np.int64], rhythm_us: int) -> bool:
    """Whether most files begin one rhythm after the one before, give or take a quarter."""
    lengths_us = np.diff(begins_us)
    near = np.count_nonzero(np.abs(lengths_us - rhythm_us) <= rhythm_us // 4)
    return lengths_us.size >= FEWEST_INTERVALS and 2 * int(near) > lengths_us.size


def _as_quiet(before_us: NDArray[np.int64], length_us: int) -> str:
    """How often a store was silent for as long as that, of its earlier silences."""
    times = int(np.count_nonzero(before_us >= length_us))
    if not times:
        return "it was never as quiet before"
    return "it was as quiet once before" if times == 1 else f"it was as quiet {times:,} times before"


def _silent(after_us: int, before_us: int) -> Gap:
    times = f"{format_human(after_us)} and {format_human(before_us)}"
    reason = f"no file was written between {times}: either nothing passed or nothing was recorded"
    return Gap(after_us, before_us, reason)
