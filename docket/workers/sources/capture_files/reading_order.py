"""In what order the files of a directory are read, and what may be guessed of files that are gone. For `files_pass`.

First packets and modification times are hints: they put the likely files first, so that a deadline ends a reading
where least is to be expected. They leave no file out.
"""

from __future__ import annotations

from bisect import bisect_right

from docket.domain.timewindow import US_PER_S, Window
from docket.workers.sources.capture_files.catalog import CaptureFile, Listing

DISORDER_US = 5 * US_PER_S
"""Packets of one file may be this much older than its first one (several queues, several interfaces)."""
LATE_MTIME_US = 60 * US_PER_S
"""How long after a file was last written its last packet may have been captured, clocks being what they are."""
_WRITING_US = 60 * US_PER_S
"""A file that was written to within this time is taken to be still growing."""


class ReadingOrder:
    """The files of one listing, for one window."""

    def __init__(self, listing: Listing, window: Window, now_us: int | None = None) -> None:
        self._window = window
        self._now_us = now_us
        self._all = listing.files
        self._begins_us = [file.first_us for file in listing.files if file.first_us is not None]
        self._later_us = _latest_behind(listing.files)
        self.files = sorted(listing.files, key=lambda file: not self.is_likely(file))

    def is_likely(self, file: CaptureFile) -> bool:
        """Whether the hints say that the file holds something of the window."""
        if file.first_us is None:
            return file.modified_us + LATE_MTIME_US >= self._window.after_us
        begins = file.first_us - DISORDER_US < self._window.before_us
        return begins and not self._ended_before(file)

    def may_matter(self, file: CaptureFile) -> bool:
        """Whether a file that is gone may have held something of the window: here hints are all there is. If the
        next file began before the window, it ended before it."""
        if file.first_us is None:
            return False
        following_us = self._following_us(file.first_us)
        ended = following_us is not None and following_us + DISORDER_US <= self._window.after_us
        return file.first_us - DISORDER_US < self._window.before_us and not ended

    def may_grow(self, file: CaptureFile) -> bool:
        """Whether its recorder may still have it open: it was written to lately, or no later file was written since."""
        if self._now_us is not None and self._now_us - file.modified_us < _WRITING_US:
            return True
        return self._later_us[file.path] < file.modified_us

    def _ended_before(self, file: CaptureFile) -> bool:
        """Two witnesses must agree: another file began before the window, and this one was last written before."""
        assert file.first_us is not None
        following_us = self._following_us(file.first_us)
        if following_us is None or following_us + DISORDER_US > self._window.after_us:
            return False
        return file.modified_us + LATE_MTIME_US < self._window.after_us

    def _following_us(self, first_us: int) -> int | None:
        """When the next file began."""
        place = bisect_right(self._begins_us, first_us)
        return self._begins_us[place] if place < len(self._begins_us) else None


def _latest_behind(files: tuple[CaptureFile, ...]) -> dict[str, int]:
    """For each file, when one of the files behind it was last written to."""
    latest: dict[str, int] = {}
    behind_us = 0
    for file in reversed(files):
        latest[file.path] = behind_us
        behind_us = max(behind_us, file.modified_us)
    return latest
