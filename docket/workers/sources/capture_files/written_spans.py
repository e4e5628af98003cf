"""From when to when each file of a directory was written, as far as that is known. For `directory`."""

from __future__ import annotations

from docket.workers.sources.capture_files.catalog import CaptureFile, Listing
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.oldest_packet import OLDEST_SENSIBLE_US


class WrittenSpans:
    """Kept as long as neither the listing nor what is known of its files changes."""

    def __init__(self, facts: FactsCache) -> None:
        self._facts = facts
        self._latest: tuple[Listing, int, list[tuple[int, int]]] | None = None

    def of(self, listing: Listing) -> list[tuple[int, int]]:
        """First packet and last sign of being written of each file, in microseconds since 1970 UTC.

        A file that was read whole has its packets' times. Of another one the last write counts, unless a later file
        began before it: then it may be the time of a copy, and the file is taken to last until the next one.
        """
        version = self._facts.version
        if self._latest is None or self._latest[0] is not listing or self._latest[1] != version:
            self._latest = listing, version, self._spans(listing)
        return self._latest[2]

    def _spans(self, listing: Listing) -> list[tuple[int, int]]:
        begun = [(self._first_us(file) or file.modified_us, file) for file in listing.files]
        begun = sorted((one for one in begun if one[0] >= OLDEST_SENSIBLE_US), key=lambda one: one[0])
        spans = []
        for number, (first_us, file) in enumerate(begun):
            facts = self._facts.get(file.identity)
            last_us = file.modified_us
            if facts is not None and facts.last_ns is not None:
                last_us = facts.last_ns // 1000
            elif number + 1 < len(begun):
                last_us = min(last_us, begun[number + 1][0])
            spans.append((first_us, max(first_us, last_us)))
        return spans

    def _first_us(self, file: CaptureFile) -> int | None:
        facts = self._facts.get(file.identity)
        if facts is not None and facts.first_ns is not None:
            return facts.first_ns // 1000
        return file.first_us
