"""From when to when each file of a directory was written, as far as that is known. For `directory`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from docket.domain.timewindow import US_PER_S
from docket.packet.octets import Integers, Mask
from docket.workers.sources.base import Gap
from docket.workers.sources.capture_files.block_selector import BlockSelector
from docket.workers.sources.capture_files.file_facts import DISORDER_US, FactsCache
from docket.workers.sources.capture_files.identity import OLDEST_SENSIBLE_US, FileIdentity
from docket.workers.sources.capture_files.known_times import UNKNOWN, Times
from docket.workers.sources.gaps import SEVERAL, CoveredTime, usual_us

LATE_WRITE_US = 60 * US_PER_S
"""A file that was written to so long after the next one began was copied, or is one of several at a time."""
LONG_PAUSE_US = 600 * US_PER_S
"""Inside of a file; where pauses are usual, ten times as long as they are."""
_NEVER_US = np.iinfo(np.int64).max

Span = tuple[int, int]
Stretches = Sequence[tuple[int, int]]
"""In nanoseconds."""


class WrittenSpans:
    """Kept as long as neither the listing nor what is known of its files changes."""

    def __init__(self, facts: FactsCache, selector: BlockSelector) -> None:
        self._facts = facts
        self._selector = selector
        self._indexed: dict[FileIdentity, Stretches] = {}
        """What the index knew of files whose times are in doubt; of one identity that does not change."""
        self._latest: tuple[Times, CoveredTime] | None = None

    def index_used(self) -> None:
        """The index may know more than before, and a reading has relied on it."""
        self._latest = None

    def gaps(self, times: Times, until_us: int) -> list[Gap]:
        """Stretches that no file covers; packets up to `until_us` should be on disk.

        A file that was read whole, or that an index knows, has its packets' times. Of another one the last write
        counts, unless a later file began before it: then it may be the time of a copy, and the file is taken to last
        until the next one. The index is asked only for files of which that is in doubt.
        """
        return self._covered(times).gaps(until_us)

    def pauses(self, times: Times, until_us: int) -> list[Gap]:
        """Silences of the same that are no gaps."""
        return self._covered(times).pauses(until_us)

    def _covered(self, times: Times) -> CoveredTime:
        if self._latest is None or self._latest[0] is not times:
            self._latest = times, CoveredTime(self._spans(times))
        return self._latest[1]

    def _spans(self, times: Times) -> Integers:
        """Rows of begin and end."""
        known = times.last_us != UNKNOWN
        # A packet of a clock that was not set says nothing of when its file was begun.
        unset = ~known & (times.begins_us < OLDEST_SENSIBLE_US)
        begins = np.where(unset, times.modified_us, times.begins_us)
        until, in_doubt = _guessed(begins, times.modified_us)
        spans = np.stack((begins, np.maximum(begins, np.where(known, times.last_us, until))), axis=1)
        runs, apart = self._runs(times, ~known & in_doubt)
        kept = ~apart & (begins >= OLDEST_SENSIBLE_US)
        return without_pauses(spans if kept.all() else spans[kept], [_sensible(run) for run in runs])

    def _runs(self, times: Times, in_doubt: Mask) -> tuple[list[Integers], Mask]:
        """The stretches of files that have several, or that only the index knows; and which files these are."""
        runs = []
        apart = np.zeros(in_doubt.size, dtype=bool)
        indexed = self._from_index([file.identity for file in times.files[in_doubt]])
        read = (self._stretches_read(file.identity) for file in times.files[times.in_pieces])
        for places, found in ((in_doubt.nonzero()[0], indexed), (times.in_pieces.nonzero()[0], read)):
            for place, stretches in zip(places, found, strict=True):
                if stretches:
                    apart[place] = True
                    runs.append(np.array(stretches, dtype=np.int64) // 1000)
        return runs, apart

    def _stretches_read(self, identity: FileIdentity) -> Stretches:
        facts = self._facts.get(identity)
        return () if facts is None else facts.stretches

    def _from_index(self, files: Sequence[FileIdentity]) -> Iterable[Stretches]:
        asked = [identity for identity in files if identity not in self._indexed]
        learned = zip(asked, self._selector.stretches(asked), strict=True)
        known = self._indexed | {identity: stretches for identity, stretches in learned if stretches}
        self._indexed = {identity: known[identity] for identity in files if identity in known}
        return [self._indexed.get(identity, ()) for identity in files]


def without_pauses(spans: Integers, runs: Sequence[Integers]) -> Integers:
    """The spans of files, each one over the pauses in it, unless they are far longer than is usual here: then a clock
    was set. Where it was set back the recorder did not run from the earlier span to the later one."""
    if not runs:
        return spans
    every = np.concatenate((spans, *runs))
    every = every[np.argsort(every[:, 0], kind="stable")]
    # Pauses that are too short to be noted count for what is usual, too.
    usual = usual_us(np.maximum(every[1:, 0] - every[:-1, 1], 0))
    longest_us = _NEVER_US if usual is None else max(10 * usual, LONG_PAUSE_US)
    joined = [span for run in runs for span in _joined(run.tolist(), longest_us)]
    return np.concatenate((spans, np.array(joined, dtype=np.int64).reshape(-1, 2)))


def _joined(run: Sequence[Sequence[int]], longest_us: int) -> list[Span]:
    joined: list[Span] = []
    for begin_us, end_us in run:
        pause_us = begin_us - joined[-1][1] if joined else 0
        if joined and -DISORDER_US <= pause_us <= longest_us:
            begin_us = joined.pop()[0]
        joined.append((begin_us, end_us))
    return joined


def _guessed(begins_us: Integers, modified_us: Integers) -> tuple[Integers, Mask]:
    """Until when a file was written that begins then and was last written to then, and whether that is in doubt."""
    next_us = np.append(begins_us[1:], _NEVER_US)
    if np.any(begins_us >= next_us):
        ordered = np.append(np.sort(begins_us), _NEVER_US)
        next_us = ordered[np.searchsorted(ordered, begins_us, side="right")]
    until_us = np.minimum(modified_us, next_us)
    usual = usual_us(until_us - begins_us) or 0
    in_doubt = (next_us == _NEVER_US) | (modified_us - LATE_WRITE_US > next_us)
    return until_us, in_doubt | (until_us - begins_us > SEVERAL * usual)


def _sensible(spans: Integers) -> Integers:
    found: Integers = spans[spans[:, 0] >= OLDEST_SENSIBLE_US]
    return found
