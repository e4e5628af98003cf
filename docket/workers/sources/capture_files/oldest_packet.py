"""How far back the files of a directory go: the time of the earliest packet that is known. For `directory` only.

The first packet of a file need not be its earliest: several queues of a recorder are some microseconds apart. So the
beginning of the oldest file is looked at as a whole, unless all of its packets are known.
"""

from __future__ import annotations

from docket.domain.clock import Clock
from docket.domain.timewindow import US_PER_S
from docket.workers.sources.capture_files.catalog import CaptureFile, Listing
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.first_packet import earliest_packet
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.opened_file import open_capture

OLDEST_SENSIBLE_US = 315_532_800 * US_PER_S
"""1980: a packet of before is from a clock that was not set, and says nothing of how far back the files go."""


class OldestPacket:
    """Found again only when the files or what is known of them have changed: it is asked for every few seconds."""

    def __init__(self, facts: FactsCache, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._asked: tuple[tuple[CaptureFile, ...], int] | None = None
        self._answer: int | None = None
        self._looked_at: tuple[FileIdentity, int | None] | None = None

    def time_us(self, listing: Listing) -> int | None:
        """None: there is no packet."""
        version = self._facts.version
        if self._asked is None or self._asked[0] is not listing.files or self._asked[1] != version:
            self._answer = self._find(listing)
            self._asked = listing.files, version
        return self._answer

    def _find(self, listing: Listing) -> int | None:
        known = [(time_us, place) for place, file in enumerate(listing.files) if (time_us := self._begins_us(file))]
        now_us = self._clock.now_us()
        sensible = [one for one in known if OLDEST_SENSIBLE_US <= one[0] <= now_us]
        oldest = min(sensible or known, default=None)
        if oldest is None:
            return None
        time_us, place = oldest
        earlier_us = self._near_the_beginning(listing.files[place])
        return time_us if earlier_us is None or earlier_us < OLDEST_SENSIBLE_US else min(time_us, earlier_us)

    def _begins_us(self, file: CaptureFile) -> int | None:
        facts = self._facts.get(file.identity)
        return file.first_us if facts is None or facts.first_ns is None else facts.first_ns // 1000

    def _near_the_beginning(self, file: CaptureFile) -> int | None:
        if self._facts.get(file.identity) is not None:
            return None
        if self._looked_at is None or self._looked_at[0] != file.identity:
            self._looked_at = file.identity, _earliest_us(file)
        return self._looked_at[1]


def _earliest_us(file: CaptureFile) -> int | None:
    try:
        with open_capture(file.path) as opened:
            return earliest_packet(opened) if opened.identity.grown_from(file.identity) else None
    except OSError:
        return None  # removed, or not to be read any more: a reading will say so
