"""The lengths of a part's packets, as its worker reports them beside the packets that it left in the spool.

With them the records of a block are found by a few calls of numpy. They are believed in nothing: `positions` holds each
against the header that it leads to. What is not known, or was reported falsely, is found as in any other part.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from docket.packet.octets import Integers
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.packet.records import unpack_lengths

MOST_KEPT_BYTES = 4 << 20
"""For one file of a part that the merge lags behind with. What is reported beyond that is forgotten."""


class _Run:
    """Records that one fragment reports."""

    def __init__(self, start: int, packed: bytes) -> None:
        self._start = start
        self._packed = packed
        self._lengths: Integers | None = None
        self._starts: Integers | None = None

    @property
    def size_bytes(self) -> int:
        return len(self._packed)

    def between(self, begin: int, end: int) -> Integers | None:
        """The lengths of the packets from the record at `begin` on, up to that at `end`; None: no record begins there.

        Unpacked when they are first asked for, and then kept: a merge comes for a run piece by piece.
        """
        if self._lengths is None or self._starts is None:
            self._lengths = unpack_lengths(self._packed)
            self._starts = self._start + np.append(0, np.cumsum(self._lengths + RECORD_HEADER_BYTES))
        first, last = self._starts.searchsorted((begin, end)).tolist()
        known = first < self._starts.size and int(self._starts[first]) == begin
        return self._lengths[first:last] if known else None


class RecordLengths:
    """Of one file of a part."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, int, _Run]] = deque()
        """Each with where it begins in the file and where it ends."""
        self._kept_bytes = 0

    def add(self, start: int, end: int, packed: bytes) -> None:
        """The packets of the records that lie there, one behind the other, have these lengths."""
        if packed and self._kept_bytes + len(packed) <= MOST_KEPT_BYTES:
            self._runs.append((start, end, _Run(start, packed)))
            self._kept_bytes += len(packed)

    def between(self, begin: int, end: int) -> Integers | None:
        """The lengths of the packets from the record at `begin` on, as far as they are known; at most up to `end`.

        What lies before is forgotten: a merge does not come back.
        """
        while self._runs and self._runs[0][1] <= begin:
            self._kept_bytes -= self._runs.popleft()[2].size_bytes
        found = []
        for run_begin, run_end, run in self._runs:
            known = run.between(begin, end) if run_begin <= begin < end else None
            if known is None:
                break
            found.append(known)
            begin = run_end
        return np.concatenate(found) if found else None
