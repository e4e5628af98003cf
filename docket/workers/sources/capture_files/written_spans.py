"""From when to when each file of a directory was written, as far as that is known. For `directory`."""

from __future__ import annotations

import numpy as np

from docket.packet.octets import Integers
from docket.workers.sources.base import Gap
from docket.workers.sources.capture_files.known_times import UNKNOWN, Times
from docket.workers.sources.capture_files.oldest_packet import OLDEST_SENSIBLE_US
from docket.workers.sources.gaps import CoveredTime


class WrittenSpans:
    """Kept as long as the files and what is known of them do not change."""

    def __init__(self) -> None:
        self._latest: tuple[Times, CoveredTime] | None = None

    def gaps(self, times: Times, until_us: int) -> list[Gap]:
        """Stretches that no file covers; packets up to `until_us` should be on disk.

        A file that was read whole has its packets' times. Of another one the last write counts, unless a later file
        began before it: then it may be the time of a copy, and the file is taken to last until the next one.
        """
        if self._latest is None or self._latest[0] is not times:
            self._latest = times, CoveredTime(_spans(times))
        return self._latest[1].gaps(until_us)


def _spans(times: Times) -> Integers:
    """Rows of begin and end."""
    sensible = int(np.searchsorted(times.begins_us, OLDEST_SENSIBLE_US))
    begins, last, modified = (part[sensible:] for part in (times.begins_us, times.last_us, times.modified_us))
    if not begins.size:
        return np.zeros((0, 2), dtype=np.int64)
    until_next = np.minimum(modified, np.append(begins[1:], modified[-1]))
    ends = np.where(last == UNKNOWN, until_next, last)
    return np.stack((begins, np.maximum(begins, ends)), axis=1)
