"""From when to when each file of a directory was written, as far as that is known. For `directory`."""

from __future__ import annotations

from docket.workers.sources.base import Gap
from docket.workers.sources.capture_files.catalog import CaptureFile, Listing
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.oldest_packet import OLDEST_SENSIBLE_US
from docket.workers.sources.gaps import CoveredTime


class WrittenSpans:
    """Kept as long as neither the listing nor what is known of its files changes."""

    def __init__(self, facts: FactsCache) -> None:
        self._facts = facts
        self._latest: tuple[tuple[CaptureFile, ...], int, CoveredTime] | None = None

    def gaps(self, listing: Listing, until_us: int) -> list[Gap]:
        """Stretches that no file covers; packets up to `until_us` should be on disk.

        A file that was read whole has its packets' times. Of another one the last write counts, unless a later file
        began before it: then it may be the time of a copy, and the file is taken to last until the next one.
        """
        version = self._facts.version
        if self._latest is None or self._latest[0] is not listing.files or self._latest[1] != version:
            self._latest = listing.files, version, CoveredTime(self._spans(listing))
        return self._latest[2].gaps(until_us)

    def _spans(self, listing: Listing) -> list[tuple[int, int]]:
        begun = sorted((one for one in map(self._times, listing.files) if one[0] >= OLDEST_SENSIBLE_US), key=_first)
        following_us = [*(first_us for first_us, _, _ in begun), None][1:]
        spans = []
        for (first_us, last_us, modified_us), next_us in zip(begun, following_us, strict=True):
            if last_us is None:
                last_us = modified_us if next_us is None else min(modified_us, next_us)
            spans.append((first_us, max(first_us, last_us)))
        return spans

    def _times(self, file: CaptureFile) -> tuple[int, int | None, int]:
        """First packet, last packet if it is known, last write."""
        facts = self._facts.get(file.identity)
        modified_us = file.modified_us
        first_us = file.first_us or modified_us
        if facts is None or facts.first_ns is None or facts.last_ns is None:
            return first_us, None, modified_us
        return facts.first_ns // 1000, facts.last_ns // 1000, modified_us


def _first(times: tuple[int, int | None, int]) -> int:
    return times[0]
