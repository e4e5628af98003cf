"""How much of a directory's captures matches a question, counted without a job. For `directory` only.

The index says where something may be. If that is little it is read and counted packet by packet; otherwise what the
index says of these stretches is an upper bound.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event

from msgspec.structs import replace

from docket.domain import survey as words
from docket.domain.survey import Bucket, Survey
from docket.domain.timewindow import Window
from docket.packet.records import RECORD_HEADER_BYTES
from docket.workers.sources.capture_files.block_selector import BlockSelector, Tally
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.files_pass import Wanted, readers_of
from docket.workers.sources.capture_files.listing import CaptureFile
from docket.workers.sources.capture_files.opened_file import open_capture
from docket.workers.sources.capture_files.packet_filter import PacketFilter

READ_BYTES = 32 * 1024 * 1024
"""Of captures that are read to count exactly: a few hundredths of a second."""
READ_S = 0.5
MOST_BUCKETS = 240
"""Of a timeline: as many bars as a page can show."""
_MINUTE_S = 60
_STEPS_S = (60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 7 * 86_400)


class _Enough(Exception):
    """It takes too long, or a file is not what the index says."""


class DirectorySurvey:
    """One question. Use once."""

    def __init__(self, wanted: Wanted, facts: FactsCache, selector: BlockSelector, stop: Event) -> None:
        self._wanted = wanted
        self._facts = facts
        self._selector = selector
        self._stop = stop
        self._filter = PacketFilter(wanted.query, wanted.window, look_inside=wanted.look_inside)
        self._until_s = time.monotonic() + READ_S

    def of(self, source: str, files: Sequence[CaptureFile]) -> Survey:
        """What can be said of the files with packets."""
        waiting = self._waiting(files)
        tallies = self._selector.tallies([file.identity for file in waiting], self._wanted.query.root, self._window)
        known = [(file, tally) for file, tally in zip(waiting, tallies, strict=True) if tally is not None]
        unknown = [file for file, tally in zip(waiting, tallies, strict=True) if tally is None]
        unread = sum(_unread_bytes(file, tally) for file, tally in known)
        size = sum(file.identity.size_bytes for file in unknown)
        counts = None if unread + size > READ_BYTES else self._counted(known, unknown)
        exact, unindexed = counts is not None, unknown if counts is None else []
        if counts is None:
            counts = [_bound(tally) for _, tally in known]
        found = Survey(
            source=source,
            files=sum(packets > 0 for packets, _ in counts),
            of_files=len(files),
            packets=sum(packets for packets, _ in counts),
            bytes=sum(size_bytes for _, size_bytes in counts),
            exact=exact,
            read_bytes=unread + size,
            unindexed_files=len(unindexed) + (0 if exact else sum(_has_rest(tally) for _, tally in known)),
            unindexed_bytes=sum(file.identity.size_bytes for file in unindexed),
        )
        return _told(found)

    @property
    def _window(self) -> Window:
        return self._wanted.window

    def _waiting(self, files: Sequence[CaptureFile]) -> list[CaptureFile]:
        """The files of which it is not known that they hold nothing."""
        identities = [file.identity for file in files]
        left_out = self._selector.left_out(identities, self._wanted.query.root, self._window)
        waiting = [file for file, out in zip(files, left_out, strict=True) if not out] if left_out else list(files)
        return [file for file in waiting if not self._is_outside(file)]

    def _is_outside(self, file: CaptureFile) -> bool:
        known = self._facts.get(file.identity)
        return known is not None and not known.touches(self._window.after_us, self._window.before_us)

    def _counted(
        self, known: Sequence[tuple[CaptureFile, Tally]], unknown: Sequence[CaptureFile]
    ) -> list[tuple[int, int]] | None:
        """Packets and bytes of each file; None where that cannot be said exactly."""
        try:
            return [self._count(file, tally) for file, tally in known] + [self._count(file, None) for file in unknown]
        except (_Enough, OSError):
            return None

    def _count(self, file: CaptureFile, tally: Tally | None) -> tuple[int, int]:
        """Read what the index leaves open of a file. Raises _Enough and OSError."""
        packets, size_bytes = (0, 0) if tally is None else (tally.sure_packets, tally.sure_bytes)
        selection = None if tally is None else tally.selection
        if selection is not None and selection.is_final:
            return packets, size_bytes
        with open_capture(file.path) as opened:
            if not opened.follows(file.identity):
                raise _Enough
            if selection is not None and not opened.goes_on_from(selection.grown_behind):
                raise _Enough
            for reader in readers_of(opened, selection):
                for block in reader.blocks():
                    if self._stop.is_set() or time.monotonic() > self._until_s or not opened.still_the_same():
                        raise _Enough
                    chosen = self._filter.chosen(block)
                    if chosen.undecided or chosen.unfiltered:
                        raise _Enough
                    packets += int(chosen.rows.size)
                    captured = int(block.records.captured[chosen.rows].sum())
                    size_bytes += captured + RECORD_HEADER_BYTES * int(chosen.rows.size)
        return packets, size_bytes


def timeline(selector: BlockSelector, files: Sequence[CaptureFile], window: Window) -> tuple[int, tuple[Bucket, ...]]:
    """Seconds of a bucket, and the buckets with packets: all that the index knows of the window, in whole minutes."""
    first, behind = window.after_us // 60_000_000, -(-window.before_us // 60_000_000)
    rows = selector.minutes([file.identity for file in files])
    rows = rows[(rows[:, 0] >= first) & (rows[:, 0] < behind)]
    if not len(rows):
        return _MINUTE_S, ()
    # As long as what is there, not as the window, which may begin in 1970.
    length_s = _MINUTE_S * (int(rows[-1, 0]) - int(rows[0, 0]) + 1)
    step_s = next((step for step in _STEPS_S if length_s <= step * MOST_BUCKETS), _STEPS_S[-1])
    buckets: dict[int, list[int]] = {}
    for minute, packets, size_bytes in rows.tolist():
        bucket = buckets.setdefault(minute * _MINUTE_S // step_s * step_s, [0, 0])
        bucket[0] += packets
        bucket[1] += size_bytes
    found = [Bucket(begins_s, *counts) for begins_s, counts in buckets.items()]
    return step_s, tuple(found[-MOST_BUCKETS * 2 :])


def _bound(tally: Tally) -> tuple[int, int]:
    return tally.sure_packets + tally.most_packets, tally.sure_bytes + tally.most_bytes


def _unread_bytes(file: CaptureFile, tally: Tally) -> int:
    rest = tally.selection.rest
    left = 0 if rest is None else max(0, file.identity.size_bytes - rest.file_offset)
    return tally.read_bytes + left


def _has_rest(tally: Tally) -> bool:
    return tally.selection.rest is not None


def _told(found: Survey) -> Survey:
    return replace(found, sentence=words.sentence([found]))
