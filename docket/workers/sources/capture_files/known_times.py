"""The times of a directory's files as arrays, which follow as files come, grow and go. For `directory` only.

A heartbeat asks every few seconds, and there may be 60,000 files: what is derived from them again must not go through
them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docket.packet.octets import Integers, Mask
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.listing import CaptureFile, Listing

UNKNOWN = -1
_BEGIN, _LAST, _MODIFIED, _HAS_PACKETS, _IN_PIECES = range(5)

_Row = tuple[int, int, int, bool, bool]


@dataclass(frozen=True, slots=True)
class Times:
    """Of the files, by their beginning; microseconds since 1970 UTC."""

    files: NDArray[np.object_]
    table: Integers
    """A row for each file: beginning, last packet if it is known, last write, whether there are packets, whether they
    came in several stretches."""

    @property
    def begins_us(self) -> Integers:
        """First packets; the last write of files without one."""
        return self.table[:, _BEGIN]

    @property
    def has_packets(self) -> Mask:
        found: Mask = self.table[:, _HAS_PACKETS] != 0
        return found

    @property
    def in_pieces(self) -> Mask:
        """Long pauses, or steps of the clock, are known of."""
        found: Mask = self.table[:, _IN_PIECES] != 0
        return found

    @property
    def last_us(self) -> Integers:
        """UNKNOWN where not all packets were looked at."""
        return self.table[:, _LAST]

    @property
    def modified_us(self) -> Integers:
        return self.table[:, _MODIFIED]


class KnownTimes:
    """Of one directory; not for several threads."""

    def __init__(self, facts: FactsCache) -> None:
        self._facts = facts
        self._latest: tuple[tuple[CaptureFile, ...], int] | None = None
        self._times = self._of(())

    def of(self, listing: Listing) -> Times:
        """The same object as long as neither the files nor what is known of them changes."""
        version, change = self._facts.version, listing.change
        if self._latest is None or self._latest[1] != version:
            self._times = self._of(listing.files)
        elif self._latest[0] is not listing.files:
            if change is not None and change.since is self._latest[0]:
                self._times = self._changed(change.gone, change.came)
            else:
                self._times = self._of(listing.files)
        self._latest = listing.files, version
        return self._times

    def _changed(self, gone: Sequence[CaptureFile], came: Sequence[CaptureFile]) -> Times:
        files, table = self._times.files, self._times.table
        if gone:
            left = ~np.isin(np.fromiter(map(id, files), np.int64, files.size), [id(file) for file in gone])
            files, table = files[left], table[left]
        added = self._of(came)
        places = np.searchsorted(table[:, _BEGIN], added.begins_us)
        return Times(np.insert(files, places, added.files), np.insert(table, places, added.table, axis=0))

    def _of(self, files: Sequence[CaptureFile]) -> Times:
        rows = [self._row(file) for file in files]
        table = np.array(rows, dtype=np.int64).reshape(len(rows), 5)
        objects = np.empty(len(rows), dtype=np.object_)
        objects[:] = files
        order = np.argsort(table[:, _BEGIN], kind="stable")
        return Times(objects[order], table[order])

    def _row(self, file: CaptureFile) -> _Row:
        facts, modified_us = self._facts.get(file.identity), file.modified_us
        first_us = modified_us if file.first_us is None else file.first_us
        if facts is None or facts.first_ns is None or facts.last_ns is None:
            return first_us, UNKNOWN, modified_us, file.first_us is not None, False
        in_pieces = len(facts.stretches) > 1
        return facts.first_ns // 1000, facts.last_ns // 1000, modified_us, True, in_pieces
