"""The kind of source `capture-files`: a directory with the captures of any recorder. For `kinds` only.

Docket reads the files itself: `catalog` finds them, `files_pass` reads them and filters each packet, and an index,
where there is one, spares the reading of what cannot hold anything. A file that is damaged, foreign or gone does not
keep the others from being read; the verdict names it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Event

from msgspec.structs import replace

from docket.config.model import CaptureFilesConfig
from docket.domain.clock import Clock
from docket.domain.query.canonical import Query
from docket.domain.survey import Survey
from docket.domain.timewindow import US_PER_S, Window
from docket.errors import SourceError
from docket.workers.sources.base import Coverage, ReadAgain, Reading, Wording
from docket.workers.sources.capture_files.block_selector import BlockSelector, NoIndex
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.directory_survey import DirectorySurvey, timeline
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.files_pass import FilesPass, Wanted
from docket.workers.sources.capture_files.known_times import KnownTimes
from docket.workers.sources.capture_files.listing import Listing
from docket.workers.sources.capture_files.oldest_packet import OldestPacket
from docket.workers.sources.capture_files.reading_order import FileTimes, ReadingOrder
from docket.workers.sources.capture_files.shortfall_texts import Shortfalls
from docket.workers.sources.capture_files.watched_call import Hung, WatchedCalls
from docket.workers.sources.capture_files.written_spans import WrittenSpans
from docket.workers.sources.gaps import merged

CLOCK_STEPS_US = 24 * 3600 * US_PER_S
"""A question for so much before the oldest packet or after the present is asked of the files all the same: a clock
that is set while a file grows, or a recorder ahead of this clock, leaves packets there."""


class CaptureFilesSource:
    """One directory."""

    kind = "capture-files"

    def __init__(
        self, config: CaptureFilesConfig, clock: Clock | None = None, selector: BlockSelector | None = None
    ) -> None:
        self.name = config.name
        self.look_inside = config.look_inside
        self._config = config
        self._clock = clock or Clock()
        self._selector = selector or NoIndex()
        self._selector_used = selector is not None
        self._catalog = Catalog(str(config.path))
        self._calls = WatchedCalls(lambda: self._catalog.examined)
        self._facts = FactsCache()
        self._known_times = KnownTimes(self._facts)
        self._oldest = OldestPacket(self._clock)
        self._spans = WrittenSpans(self._facts, self._selector)
        self._held_captures = False
        self._times: FileTimes | None = None
        """Of the latest listing."""
        self._indexed_files = 0
        """When gaps were last looked for."""
        self._nanoseconds = False
        """A clock finer than what the heads of the files tell was met."""

    def close(self) -> None:
        """Nothing is held open between readings."""

    def coverage(self, *, age_s: float = 0.0) -> Coverage:  # noqa: ARG002
        """From the earliest packet that is known to the usual lag of the flush. Raises SourceError."""
        listing = self._list(fresh=False)
        lag_us = self._config.flush_lag_s * US_PER_S
        counters = {
            "files": listing.with_packets,
            "unusable_files": len(listing.unusable),
            "other_files": listing.others,
            "disk_bytes": listing.disk_bytes,
        }
        if listing.last_written_us is not None:
            # Seconds since 1970: whether a recorder still writes here is for the health to judge.
            counters["last_written"] = listing.last_written_us // US_PER_S
        counters |= self._selector.stats()
        self._follow_index(counters.get("indexed_files", 0), counters.get("behind_files", 0))
        # Files that are read whole have no index as a rule; where both know some, the larger number is nearer.
        counters["dropped"] = max(counters.get("dropped", 0), self._facts.dropped)
        readable_until_us = self._clock.now_us() - lag_us
        times = self._known_times.of(listing)
        gaps = merged(self._spans.gaps(times, readable_until_us))
        pauses = tuple(self._spans.pauses(times, readable_until_us))
        return Coverage(self._oldest.time_us(times), readable_until_us, counters, lag_us, gaps, pauses, CLOCK_STEPS_US)

    def _follow_index(self, indexed_files: int, behind_files: int) -> None:
        """Look for gaps again when the index knows many more files or has caught up, as it tells where files of which
        that is in doubt end. While it is built of 60,000 files that is not done each time."""
        caught_up = not behind_files and indexed_files != self._indexed_files
        if caught_up or indexed_files > self._indexed_files * 5 // 4:
            self._indexed_files = indexed_files
            self._spans.index_used()

    def slices(self, window: Window) -> list[Window]:
        """One: nothing stops a reading but the end of the files."""
        return [window]

    def wording(self, query: Query, window: Window) -> Wording:  # noqa: ARG002 - the window is no part of the words
        """The query as it is; it is filtered here."""
        return Wording(query.canonical)

    def survey(self, query: Query, window: Window, stop: Event) -> Survey | None:
        """See `Source.survey`. Raises SourceError."""
        listing = self._list(fresh=True)
        files = self._times_of(listing).dated_files()
        wanted = Wanted(query, window, nanoseconds=False, look_inside=self.look_inside)
        found = DirectorySurvey(wanted, self._facts, self._selector, stop).of(self.name, files)
        bucket_s, buckets = timeline(self._selector, files, window)
        return replace(found, bucket_s=bucket_s, timeline=buckets)

    @contextmanager
    def read(
        self,
        query: Query,
        window: Window,
        *,
        most_bytes: int | None,  # noqa: ARG002 - a reading ends when it is left
        most_packets: int | None,  # noqa: ARG002
        stop: Event,
    ) -> Iterator[Reading]:
        """Read and filter the files; see `Source.read`."""
        listing = self._list(fresh=True)
        order = ReadingOrder(self._times_of(listing), window, self._clock.now_us())
        shortfalls = Shortfalls(self.name, str(self._config.path))
        for unusable in listing.unusable:
            shortfalls.unusable(unusable, window)
        fine = self._nanoseconds or any(file.nanoseconds for file in order.likely)
        files_pass = FilesPass(
            order, Wanted(query, window, fine, self.look_inside), self._facts, self._selector, shortfalls, stop
        )
        chunks = self._chunks(files_pass)
        try:
            yield Reading(chunks, files_pass.through_us, shortfalls=shortfalls.found)
        finally:
            chunks.close()
            if self._selector_used:
                self._spans.index_used()

    def _chunks(self, files_pass: FilesPass) -> Generator[bytes, None, None]:
        try:
            yield from files_pass.chunks()
        except ReadAgain:
            self._nanoseconds = True
            raise

    def _times_of(self, listing: Listing) -> FileTimes:
        times = self._times
        if times is None or times.listing.files is not listing.files:
            self._times = times = FileTimes(listing)
        return times

    def _list(self, *, fresh: bool) -> Listing:
        listing = self._listing(fresh=fresh)
        if self._is_emptied(listing) and not fresh:
            # A glance may know the names of before: a recorder that writes quickly has replaced all files since.
            listing = self._listing(fresh=True)
        if listing.files:
            self._held_captures = True
        elif self._is_emptied(listing):
            text = f"The directory {self._config.path} held captures and is empty now: is its file system mounted?"
            raise SourceError("unreachable", text)
        return listing

    def _is_emptied(self, listing: Listing) -> bool:
        return self._held_captures and not listing.files and not listing.unusable and not listing.others

    def _listing(self, *, fresh: bool) -> Listing:
        try:
            return self._calls.run(self._catalog.look if fresh else self._catalog.glance)
        except Hung as error:
            raise SourceError(
                "unreachable", f"The directory {self._config.path} cannot be listed: {error.strerror}."
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise SourceError("refused", f"The directory {self._config.path} cannot be read: {reason}") from error
