"""What surveys of indexes make of an estimate: a count, a bound, or a guess that says what is known beside it."""

from __future__ import annotations

import pytest

from docket.domain.estimate import Confidence, Estimate
from docket.domain.survey import Survey, refined

GUESS = Estimate(bytes=5_000_000, packets=7_000, seconds=3, confidence=Confidence.LOW, sentence="About 5 MB.")
COUNTED = Survey(
    source="rock01:em1", files=2, of_files=1_440, packets=4, bytes=312, exact=True, read_bytes=2_000_000
)  # fmt: skip
HALF_INDEXED = Survey(
    source="rock01:em1",
    files=1,
    of_files=955,
    packets=19,
    bytes=2_000,
    exact=False,
    read_bytes=64_000_000,
    unindexed_files=700,
    unindexed_bytes=45_000_000_000,
)


def test_count_takes_the_place_of_a_guess() -> None:
    """Where every source counted."""
    found = refined(GUESS, [COUNTED], ["rock01:em1"])
    assert (found.packets, found.bytes, found.confidence) == (4, 312, Confidence.EXACT)
    assert found.sentence == "Exactly 4 packets (312 B) in 2 of 1,440 files."


@pytest.mark.parametrize("guess", [GUESS, Estimate(seconds=None, confidence=Confidence.LOW, sentence="Not known.")])
def test_guess_says_how_far_the_index_is(guess: Estimate) -> None:
    """The figures stay the guess's: what has no index yet may hold anything."""
    found = refined(guess, [HALF_INDEXED], ["rock01:em1"])
    assert (found.packets, found.bytes, found.confidence) == (guess.packets, guess.bytes, guess.confidence)
    assert found.sentence == (
        f"{guess.sentence.removesuffix('.')}; at most 19 packets (2.0 kB) in 1 of 955 files, "
        "and what may be in 700 files (45 GB) without an index yet."
    )


def test_source_without_a_survey_leaves_the_guess() -> None:
    """A sum of some sources says nothing about all."""
    assert refined(GUESS, [COUNTED], ["rock01:em1", "rock01:em2"]) is GUESS
