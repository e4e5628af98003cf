"""Stretches without a sign of recording are found in the times of files, and quiet is not taken for one."""

import numpy as np
import pytest

from docket.domain.timewindow import Window
from docket.workers.interface import verdict_texts
from docket.workers.sources.base import Coverage, Gap
from docket.workers.sources.gaps import MOST_GAPS, CoveredTime, merged, rotation_gaps, within

MINUTE = 60_000_000
HOUR = 60 * MINUTE
LONGEST = 5 * MINUTE


def bare(gaps: list[Gap]) -> list[tuple[int, int]]:
    """The gaps' edges in minutes."""
    return [(gap.after_us // MINUTE, gap.before_us // MINUTE) for gap in gaps]


def minutes(*numbers: int) -> list[int]:
    return [HOUR + number * MINUTE for number in numbers]


@pytest.mark.parametrize(
    ("starts", "until", "expected"),
    [
        (range(60), 60, []),
        ([*range(30), *range(130, 160)], 160, [(90, 190)]),
        (range(30), 61, [(90, 121)]),
        (range(30), 32, []),
        ([0, 3, 6, 8, 12, 15], 18, []),
        ([0], 4, []),
        ([0], 20, [(65, 80)]),
        ([0, 5, 10, 15, 20], 25, []),
    ],
    ids=["every minute", "hole", "stopped", "late", "uneven", "one file", "one old file", "quiet link, five minutes"],
)
def test_missed_rotations_are_gaps(starts: list[int], until: int, expected: list[tuple[int, int]]) -> None:
    """A gap begins when a file is usually done and ends with the file that came."""
    assert bare(rotation_gaps(minutes(*starts), HOUR + until * MINUTE, LONGEST)) == expected


def test_reason_of_many_gaps_in_one_is_bounded() -> None:
    """Ten thousand that overlap name the first of their reasons."""
    gaps = [Gap(0, 10**12, "the first one"), *(Gap(at, at + 5, f"reason {at}") for at in range(1, 10_000))]
    [gap] = merged(gaps)
    assert (gap.before_us, len(gap.reason) < 600) == (10**12, True)


def test_reason_says_how_sure_it_is() -> None:
    """A recorder that must begin a file every five minutes was down; one that is only late may have seen nothing."""
    sure, unsure = rotation_gaps(minutes(*range(20), *range(60, 80), *range(84, 90)), HOUR + 90 * MINUTE, LONGEST)
    assert "at the latest after 5 min" in sure.reason
    assert "either nothing passed or nothing was recorded" in unsure.reason


@pytest.mark.parametrize(
    ("spans", "until", "expected"),
    [
        ([(0, 10), (10, 20), (20, 30)], 31, []),
        ([(0, 10), (10, 20), (50, 60)], 61, [(80, 110)]),
        ([(0, 30), (5, 12), (12, 29)], 31, []),
        ([(0, 10), (10, 20), (20, 30)], 150, [(91, 210)]),
        ([(0, 5), (10, 15), (20, 25), (30, 35), (40, 45)], 46, []),
        ([], 10, []),
    ],
    ids=["seamless", "hole", "overlapping", "stopped", "always pauses", "nothing"],
)
def test_uncovered_stretches_are_gaps(
    spans: list[tuple[int, int]], until: int, expected: list[tuple[int, int]]
) -> None:
    """What no file's span covers is one, unless this store pauses that long all the time."""
    in_us = [(HOUR + begin * MINUTE, HOUR + end * MINUTE) for begin, end in spans]
    covered = CoveredTime(np.array(in_us, dtype=np.int64).reshape(-1, 2))
    assert bare(covered.gaps(HOUR + until * MINUTE)) == expected


def test_threads_share_the_traffic() -> None:
    """Where one of several threads stood still, some packets are missing: overlapping gaps become one."""
    assert merged([Gap(5, 9, "b"), Gap(1, 6, "a"), Gap(20, 30, "c")]) == (Gap(1, 9, "a; b"), Gap(20, 30, "c"))
    assert len(merged(Gap(2 * number, 2 * number + 1, "x") for number in range(MOST_GAPS + 5))) == MOST_GAPS


def test_only_the_window_counts() -> None:
    """Gaps are cut to the window; those beside it do not touch it."""
    assert within([Gap(0, 10, "a"), Gap(15, 30, "b"), Gap(40, 50, "c")], Window(10, 20)) == [Gap(15, 20, "b")]


def test_pauses_say_whether_it_was_ever_as_quiet() -> None:
    """Shorter than what is taken for a gap; the last one goes on until what is on disk."""
    spans = np.array([(minutes(a)[0], minutes(b)[0]) for a, b in ((0, 10), (12, 20), (25, 30), (31, 40))])
    found = CoveredTime(spans).pauses(minutes(42)[0])
    assert bare(found) == [(70, 72), (80, 85), (100, 102)]
    assert [one.reason for one in found] == [
        "it was never as quiet before",
        "it was never as quiet before",
        "it was as quiet 2 times before",
    ]


@pytest.mark.parametrize(
    ("pauses", "says"),
    [
        (1, "em1 recorded nothing for 5 min, from 1970-01-01 00:00:00 UTC to 1970-01-01 00:05:00 UTC: why."),
        (2, "1970-01-01 00:05:00 UTC, and in 1 shorter stretch: why."),
        (3, "1970-01-01 00:05:00 UTC, and in 2 shorter stretches: why."),
    ],
)
def test_silences_are_counted_in_words(pauses: int, says: str) -> None:
    """The longest is named, the others are counted: one is no plural."""
    silences = tuple(Gap(n * 10 * MINUTE, (n * 10 + 5 - n) * MINUTE, "why") for n in range(pauses))
    coverage = Coverage(oldest_us=0, readable_until_us=60 * MINUTE, pauses=silences)
    assert verdict_texts.quiet("em1", Window(0, 60 * MINUTE), coverage).endswith(says)
