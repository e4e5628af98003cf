"""In what order the files of a directory are read, and what may be guessed of files that are gone. For `files_pass`.

First packets and modification times are hints: they put the likely files first, so that a deadline ends a reading
where least is to be expected. They leave no file out.
"""

from __future__ import annotations

import os

import numpy as np

from docket.domain.timewindow import US_PER_S, Window
from docket.packet.octets import Integers, Mask
from docket.workers.sources.capture_files.file_facts import DISORDER_US
from docket.workers.sources.capture_files.identity import LATE_MTIME_US
from docket.workers.sources.capture_files.listing import CaptureFile, Listing
from docket.workers.sources.capture_files.two_forms import further_forms

_WRITING_US = 60 * US_PER_S
"""A file that was written to within this time is taken to be still growing."""
_BUFFERED_US = 24 * 3600 * US_PER_S
"""For so long a recorder may keep its first packets to itself (tcpdump without -U on a quiet line)."""
_NEVER_US = np.iinfo(np.int64).max


class FileTimes:
    """The times of a listing's files as arrays; one serves all questions to the same listing."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        by_path = {file.path: file for file in listing.files}
        self.place = {path: number for number, path in enumerate(by_path)}
        self.forms = further_forms(by_path)
        """By the path of a file: the same capture in other forms. All together are one file to read."""
        forms = {file.path for further in self.forms.values() for file in further}
        self.alone: Mask = np.array([path not in forms for path in by_path], dtype=bool)
        """The files but those that are forms of another one."""
        modified = [file.modified_us for file in listing.files]
        first = [file.first_us for file in listing.files if file.first_us is not None]
        self.modified_us: Integers = np.array(modified, dtype=np.int64)
        self.begins_us: Integers = np.array(first, dtype=np.int64)
        """Of the files with packets, which come first in a listing."""
        following = np.searchsorted(self.begins_us, self.begins_us, side="right")
        self.following_us: Integers = np.append(self.begins_us, _NEVER_US)[following]
        """When the next file began."""
        # For each file, when one of the files behind it was last written to.
        behind = np.append(np.maximum.accumulate(self.modified_us[::-1])[::-1][1:], 0)
        self.later_us: Integers = behind[: self.modified_us.size]
        # Those without packets stand at the end, whenever they were begun.
        undated = self.modified_us[self.begins_us.size :]
        if undated.size:
            latest_us = self.modified_us.max()
            self.later_us[self.begins_us.size :] = np.where(undated == latest_us, 0, latest_us)

    def dated_files(self) -> list[CaptureFile]:
        """Those with packets, each capture once."""
        files = self.listing.files
        return [files[number] for number in self.alone[: self.begins_us.size].nonzero()[0]]

    def likely(self, window: Window) -> Mask:
        """The files that the hints say to hold something of the window."""
        found: Mask = self.modified_us + LATE_MTIME_US >= window.after_us
        dated = self.begins_us.size
        # Two witnesses must agree: another file began before the window, and this one was last written before.
        found[:dated] |= np.minimum(self.following_us, _NEVER_US - DISORDER_US) + DISORDER_US > window.after_us
        found[:dated] &= self.begins_us - DISORDER_US < window.before_us
        return found


class ReadingOrder:
    """The files of one listing, for one window."""

    def __init__(self, times: FileTimes, window: Window, now_us: int | None = None) -> None:
        self._window = window
        self._now_us = now_us
        self._times = times
        likely = times.likely(window)
        all_files = times.listing.files
        self.likely = [all_files[number] for number in (likely & times.alone).nonzero()[0]]
        self.files = [*self.likely, *(all_files[number] for number in (~likely & times.alone).nonzero()[0])]

    def further_forms(self, file: CaptureFile) -> list[CaptureFile]:
        """The same capture, compressed, where a file lies in the directory in several forms."""
        return self._times.forms.get(file.path, [])

    def directories(self) -> list[str]:
        """Where the files lie."""
        return sorted({os.path.dirname(path) for path in self._times.place})

    def may_matter(self, file: CaptureFile) -> bool:
        """Whether a file that is gone may have held something of the window: here hints are all there is. If the
        next file began before the window, it ended before it."""
        if file.first_us is None:
            return False
        following_us = int(self._times.following_us[self._times.place[file.path]])
        ended = following_us <= self._window.after_us - DISORDER_US
        return file.first_us - DISORDER_US < self._window.before_us and not ended

    def may_grow(self, file: CaptureFile) -> bool:
        """Whether its recorder may still have it open: it was written to lately, or no later file was written since.

        No recorder keeps a part of a packet for longer than a day: the newest file that is older was left so.

        One without packets may be that of another recorder that has not filled its buffer, and then holds what came
        after its last write.
        """
        age_us = None if self._now_us is None else self._now_us - file.modified_us
        if age_us is not None and age_us < _WRITING_US:
            return True
        if file.first_us is None and file.modified_us + LATE_MTIME_US < self._window.after_us:
            return age_us is None or age_us < _BUFFERED_US
        newest = int(self._times.later_us[self._times.place[file.path]]) < file.modified_us
        return newest and (file.first_us is None or age_us is None or age_us < _BUFFERED_US)

    def is_quiet(self, file: CaptureFile) -> bool:
        """Whether nothing was written to it lately: its recorder waits, or is gone."""
        return self._now_us is not None and self._now_us - file.modified_us >= _WRITING_US
