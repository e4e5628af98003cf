"""How far back the files of a directory go: the time of the earliest packet that is known. For `directory` only.

The first packet of a file need not be its earliest: several queues of a recorder are some microseconds apart. So the
beginning of the oldest file is looked at as a whole, unless all of its packets are known. A packet of a clock that was
not set says nothing of how far back the files go.
"""

from __future__ import annotations

from docket.domain.clock import Clock
from docket.workers.sources.capture_files.first_packet import earliest_packet
from docket.workers.sources.capture_files.identity import OLDEST_SENSIBLE_US, FileIdentity
from docket.workers.sources.capture_files.known_times import UNKNOWN, Times
from docket.workers.sources.capture_files.listing import CaptureFile
from docket.workers.sources.capture_files.opened_file import open_capture


class OldestPacket:
    """Found again only when the files or what is known of them have changed: it is asked for every few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: tuple[Times, int | None] | None = None
        self._looked_at: tuple[FileIdentity, int | None] | None = None

    def time_us(self, times: Times) -> int | None:
        """None: there is no packet."""
        if self._latest is None or self._latest[0] is not times:
            self._latest = times, self._find(times)
        return self._latest[1]

    def _find(self, times: Times) -> int | None:
        places = times.has_packets.nonzero()[0]
        begins_us = times.begins_us[places]
        sensible = (begins_us >= OLDEST_SENSIBLE_US) & (begins_us <= self._clock.now_us())
        chosen = places[sensible] if sensible.any() else places
        if not chosen.size:
            return None
        place = int(chosen[0])
        time_us = int(times.begins_us[place])
        if times.last_us[place] != UNKNOWN:
            return time_us
        earlier_us = self._near_the_beginning(times.files[place])
        return time_us if earlier_us is None or earlier_us < OLDEST_SENSIBLE_US else min(time_us, earlier_us)

    def _near_the_beginning(self, file: CaptureFile) -> int | None:
        if self._looked_at is None or self._looked_at[0] != file.identity:
            self._looked_at = file.identity, _earliest_us(file)
        return self._looked_at[1]


def _earliest_us(file: CaptureFile) -> int | None:
    try:
        with open_capture(file.path) as opened:
            return earliest_packet(opened) if opened.follows(file.identity) else None
    except OSError:
        return None  # removed, or not to be read any more: a reading will say so
