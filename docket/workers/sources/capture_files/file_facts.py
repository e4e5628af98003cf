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

MOST_FILES = 200_000
"""Facts that are kept; about 60 MB. Beyond that the oldest go, which costs time."""


@dataclass(slots=True)
class FileFacts:
    """Of one file, from its first packet to its last. Times in nanoseconds since 1970 UTC."""

    first_ns: int | None = None
    last_ns: int | None = None
    packets: int = 0
    end: FileEnd = field(default_factory=FileEnd)

    def take(self, time_ns: Integers) -> None:
        """Note the times of some packets."""
        earliest, latest = int(np.min(time_ns)), int(np.max(time_ns))
        self.first_ns = earliest if self.first_ns is None else min(self.first_ns, earliest)
        self.last_ns = latest if self.last_ns is None else max(self.last_ns, latest)
        self.packets += int(time_ns.size)

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
