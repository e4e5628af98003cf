"""What is known of files whose packets were all looked at: the earliest and the latest one, and how the file ended.

Only this lets a reading leave a file out: names, modification times and first packets prove nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from docket.packet.octets import Integers
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.reading.record_block import FileEnd

DISORDER_NS = 5 * 10**9
"""Packets of one file may be this much older than the one before (several queues, several interfaces)."""
DISORDER_US = DISORDER_NS // 1000
PAUSE_NS = 600 * 10**9
"""A longer one is noted."""
MOST_STRETCHES = 100
"""Of one file; what follows counts as one."""
MOST_FILES = 200_000
"""Facts that are kept; about 60 MB. Beyond that the oldest go, which costs time."""


@dataclass(slots=True)
class FileFacts:
    """Of one file, from its first packet to its last. Times in nanoseconds since 1970 UTC."""

    first_ns: int | None = None
    last_ns: int | None = None
    packets: int = 0
    end: FileEnd = field(default_factory=FileEnd)
    stretches: list[tuple[int, int]] = field(default_factory=list)
    """First and last packet of each run without a pause and without a clock that was set back, in the file's order."""
    in_part: bool = False
    """Not all of the file is read: nothing is known of its pauses."""
    read_to: int = 0
    """Where the last packet ends in the decompressed capture."""
    damaged: bool = False
    """There are zeros before some of its packets."""
    _latest_ns: int | None = None

    def take(self, time_ns: Integers) -> None:
        """Note the times of some packets, which follow those of before in the file."""
        earliest, latest = int(time_ns.min()), int(time_ns.max())
        self.first_ns = earliest if self.first_ns is None else min(self.first_ns, earliest)
        self.last_ns = latest if self.last_ns is None else max(self.last_ns, latest)
        self.packets += int(time_ns.size)
        if not self.in_part:
            self._note_stretches(time_ns)

    def _note_stretches(self, time_ns: Integers) -> None:
        steps = np.diff(time_ns, prepend=time_ns[0] if self._latest_ns is None else self._latest_ns)
        breaks = np.flatnonzero((steps < -DISORDER_NS) | (steps > PAUSE_NS))
        if not self.stretches:
            self.stretches.append((int(time_ns[0]), int(time_ns[0])))
        room = MOST_STRETCHES - len(self.stretches)
        begins = np.unique(np.concatenate(([0], breaks[:room]))).astype(np.intp)
        first = np.minimum.reduceat(time_ns, begins).tolist()
        last = np.maximum.reduceat(time_ns, begins).tolist()
        if not breaks.size or breaks[0] > 0 or not room:
            begin_ns, end_ns = self.stretches.pop()
            first[0], last[0] = min(begin_ns, first[0]), max(end_ns, last[0])
        self.stretches += zip(first, last, strict=True)
        self._latest_ns = int(time_ns[-1])

    @property
    def is_whole(self) -> bool:
        """Whether the file ends where a packet does."""
        return not self.end.fault and not self.end.unfinished

    def touches(self, after_us: int, before_us: int) -> bool:
        """Whether some packet may lie in the window."""
        if self.first_ns is None or self.last_ns is None:
            return False
        return self.first_ns < before_us * 1000 and self.last_ns >= after_us * 1000


class FactsCache:
    """Facts by file. Several threads may use it."""

    def __init__(self) -> None:
        self._facts: dict[tuple[int, int], tuple[FileIdentity, FileFacts]] = {}
        self._lock = threading.Lock()
        self.version = 0
        """Counts what was put."""
        self.dropped = 0
        """Packets that recorders say they dropped, in the files that are known."""

    def get(self, identity: FileIdentity) -> FileFacts | None:
        """What is known of exactly this file, as it is now."""
        key = (identity.device, identity.inode)
        found = self._facts.get(key)
        if found is None or (found[0] is not identity and found[0] != identity):
            return None
        if found[0] is not identity and key in self._facts:
            self._facts[key] = identity, found[1]  # comparing costs more than all else, for 60,000 files
        return found[1]

    def put(self, identity: FileIdentity, facts: FileFacts) -> None:
        with self._lock:
            self.version += 1
            earlier = self._facts.get((identity.device, identity.inode))
            self.dropped += facts.end.dropped - (earlier[1].end.dropped if earlier else 0)
            self._facts[identity.device, identity.inode] = identity, facts
            self.version += 1
            if len(self._facts) > MOST_FILES:
                self._facts.pop(next(iter(self._facts)))
