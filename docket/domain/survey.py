"""A survey: what a source's index says of a question before it is asked: how much matches, and when. Pure.

The worker makes one per source, the web app shows them and joins them into one estimate.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docket.domain.estimate import Confidence, Estimate
from docket.domain.units import counted, packets_text, size_text


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of the timeline."""

    begins_s: int
    """Seconds since 1970 UTC."""
    packets: int
    bytes: int


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source and one question."""

    source: str
    files: int
    """Capture files that hold something of what is asked, or may."""
    of_files: int
    """Capture files of the source, each with a packet at least."""
    packets: int
    bytes: int
    """As the result would have them; an upper bound where not `exact`."""
    exact: bool
    """Counted packet by packet; otherwise what is in the stretches that may hold something."""
    read_bytes: int
    """What a job would read of the files."""
    unindexed_files: int = 0
    """Files of which the index knows nothing, or not all, and that were not read for this."""
    unindexed_bytes: int = 0
    sentence: str = ""
    bucket_s: int = 0
    timeline: tuple[Bucket, ...] = ()
    """All packets of the window that the index knows of, whatever was asked; buckets without a packet are left out."""


def sentence(surveys: Sequence[Survey]) -> str:
    """What one or several surveys say together: "exactly 4 packets (312 B) in 2 of 1,440 files"."""
    packets, size_bytes = sum(one.packets for one in surveys), sum(one.bytes for one in surveys)
    files, of_files = sum(one.files for one in surveys), sum(one.of_files for one in surveys)
    if not of_files:
        return "no file with packets is there"
    unindexed = sum(one.unindexed_files for one in surveys)
    exact = all(one.exact for one in surveys)
    amount = f"{packets_text(packets)} ({size_text(size_bytes)})" if packets else "no packet"
    places = f"{files:,} of {_files(of_files)}" if packets else f"any of {_files(of_files)}"
    text = f"{'exactly' if exact and packets else 'at most' if packets else ''} {amount} in {places}".strip()
    if unindexed:
        size = size_text(sum(one.unindexed_bytes for one in surveys))
        text += f", and what may be in {_files(unindexed)} ({size}) without an index yet"
    return text


def refined(guess: Estimate, surveys: Sequence[Survey], sources: Sequence[str]) -> Estimate:
    """The estimate for these sources, where each of them has been surveyed: counts, or bounds, in place of a guess."""
    known = {one.source for one in surveys}
    if not sources or known != set(sources):
        return guess
    exact = all(one.exact for one in surveys)
    unindexed = any(one.unindexed_files for one in surveys)
    packets, size_bytes = sum(one.packets for one in surveys), sum(one.bytes for one in surveys)
    text = sentence(surveys)
    is_closer = guess.bytes is not None and guess.packets is not None and guess.bytes < size_bytes
    if not exact and (unindexed or is_closer):
        return msgspec.structs.replace(guess, sentence=f"{guess.sentence.removesuffix('.')}; {text}.")
    return Estimate(
        bytes=size_bytes,
        packets=packets,
        seconds=guess.seconds or 1,
        confidence=Confidence.EXACT if exact else Confidence.FAIR,
        sentence=f"{text[0].upper()}{text[1:]}.",
    )


def _files(count: int) -> str:
    return counted(count, "file")
