"""What fell short while the files of a directory were read, as verdicts and sentences. For `capture_files` only.

Each sentence names the file, says what is wrong with it, and where; the next step never says "retry" where asking
again would bring the same.
"""

from __future__ import annotations

import os
from collections import Counter

from docket.domain.timewindow import Window, format_human
from docket.domain.units import packets_text
from docket.workers.sources.base import Shortfall
from docket.workers.sources.capture_files.file_facts import DISORDER_US, FileFacts
from docket.workers.sources.capture_files.identity import LATE_MTIME_US
from docket.workers.sources.capture_files.listing import CaptureFile, Unusable

_SHOWN = 3
_LOOK_AT_FILES = "Asking again would bring the same: look at the files that are named."
_ON_NO_DISK = "Asking again would bring the same: what a recorder drops is on no disk."
_LATER = "Retry later, when the recorder has written more, or let it write each packet at once (tcpdump -U)."


class Shortfalls:
    """Collects; one reading uses it, in one thread."""

    def __init__(self, source: str, root: str) -> None:
        self._source = source
        self._root = root
        self._cut: list[str] = []
        self._not_yet: list[str] = []
        self._dropped: list[str] = []
        self._advice: list[str] = []
        self._undecided: Counter[str] = Counter()
        self._out_of_range: Counter[str] = Counter()
        self._unfiltered: Counter[tuple[str, int]] = Counter()
        self.any_read = False
        """At least one file could be read."""

    def unusable(self, unusable: Unusable, window: Window) -> None:
        """A file or directory that is not read. One that was last written to before the window says nothing of it."""
        if unusable.written_us is None or unusable.written_us + LATE_MTIME_US >= window.after_us:
            self.unreadable(unusable.path, unusable.reason, unusable.advice)

    def unreadable(self, path: str, reason: str, advice: str = "") -> None:
        self._cut.append(f"{self._name(path)} {reason}")
        if advice:
            self._advice.append(advice)

    def removed(self, path: str) -> None:
        self._cut.append(f"{self._name(path)} was removed before it was read")

    def overwritten(self, path: str) -> None:
        self._cut.append(f"{self._name(path)} was overwritten by its recorder before it was read")

    def undecided(self, path: str, packets: int) -> None:
        """Packets of the window that were recorded too short to tell whether they match."""
        if packets:
            self._undecided[path] += packets

    def out_of_range(self, path: str, packets: int) -> None:
        """Packets of the window whose time the answer has no room for."""
        self._out_of_range[path] += packets

    def unfiltered(self, path: str, linktype: int, packets: int) -> None:
        """Packets of the window whose link type cannot be looked into."""
        self._unfiltered[path, linktype] += packets

    def file_ended(
        self, file: CaptureFile, facts: FileFacts, window: Window, *, growing: bool, quiet: bool = False
    ) -> None:
        """What was odd about a file that was read, as far as it may have cost packets of the window."""
        end = facts.end
        if end.dropped:
            self._recorder_dropped(file, facts, window)
        if not (end.fault or end.undated or end.unfinished):
            return
        last_us = None if facts.last_ns is None else facts.last_ns // 1000
        written_us = file.identity.written_us(file.first_us, last_us) + LATE_MTIME_US
        first_us = 0 if facts.first_ns is None else facts.first_ns // 1000 - DISORDER_US
        within = window.before_us > first_us and window.after_us <= written_us
        name = self._name(file.path)
        if end.fault and within:
            self._cut.append(f"{name}: {end.fault}")
        if end.undated and window.after_us <= written_us:
            self._cut.append(f"{name}: {packets_text(end.undated)} without a time, which no window can hold")
        if end.unfinished:
            quiet_since_us = file.modified_us if quiet else None
            self._unfinished(name, facts, window, quiet_since_us, growing=growing, within=within)

    def _recorder_dropped(self, file: CaptureFile, facts: FileFacts, window: Window) -> None:
        """Its statistics count packets that are on no disk, at times that are not known but by the file's."""
        since_us = None if facts.first_ns is None else facts.first_ns // 1000
        until_us = file.modified_us if facts.last_ns is None else facts.last_ns // 1000
        if window.before_us <= (since_us or 0) - DISORDER_US or window.after_us > until_us + DISORDER_US:
            return
        when = f"before {format_human(until_us)}"
        if since_us is not None:
            when = f"between {format_human(since_us)} and {format_human(until_us)}"
        count = packets_text(facts.end.dropped)
        self._dropped.append(f"the recorder dropped {count} {when}, as {self._name(file.path)} says")

    def _unfinished(
        self, name: str, facts: FileFacts, window: Window, quiet_since_us: int | None, *, growing: bool, within: bool
    ) -> None:
        """The file ends in the middle of something: what is missing there is no older than the last packet."""
        last_us = None if facts.last_ns is None else facts.last_ns // 1000
        missing_us = facts.end.unfinished_us or last_us
        if missing_us is not None and window.before_us <= missing_us:
            return
        if not growing:
            if within:
                self._cut.append(f"{name}: {facts.end.unfinished}")
            return
        since = "" if last_us is None else f"; its last whole packet is from {format_human(last_us)}"
        state = "is still being written"
        if quiet_since_us is not None:
            state = f"was last written to at {format_human(quiet_since_us)}: its recorder waits for more, or is gone"
        self._not_yet.append(f"{name} {state}, and {facts.end.unfinished}{since}")

    def nothing_written(self, file: CaptureFile, *, quiet: bool = False) -> None:
        """A growing file without a byte."""
        why = "its recorder has not written anything yet"
        if quiet:
            why += f" since {format_human(file.modified_us)}, or is gone"
        self._not_yet.append(f"{self._name(file.path)} is empty: {why}")

    def found(self) -> tuple[Shortfall, ...]:
        """All of it, the gravest first."""
        found: list[Shortfall] = []
        cut = self._cut + self._counted()
        if cut:
            step = self._advice[0] if self._advice else _LOOK_AT_FILES
            verdict = "cut" if self.any_read else "refused"
            text = f"Not every packet of {self._source} could be read: {_joined(cut)}"
            found.append(Shortfall(verdict, text, step, usable=self.any_read))
        if self._dropped:
            text = f"Packets of {self._source} may be missing: {_joined(self._dropped)}"
            found.append(Shortfall("gap", text, _ON_NO_DISK))
        if self._not_yet:
            found.append(Shortfall("not-yet", _joined(self._not_yet), _LATER))
        return tuple(found)

    def _counted(self) -> list[str]:
        texts = [
            f"{self._name(path)} has {packets_text(packets)} of link type {linktype}, which cannot be filtered; "
            "they can only be asked for with everything else"
            for (path, linktype), packets in self._unfiltered.items()
        ]
        texts += [
            f"{self._name(path)} has {packets_text(packets)} from before 1970 or after 2106, "
            "which an answer cannot hold"
            for path, packets in self._out_of_range.items()
        ]
        if self._undecided:
            files = _joined([self._name(path) for path in self._undecided])
            count = self._undecided.total()
            were = "was" if count == 1 else "were"
            texts.append(f"{packets_text(count)} {were} recorded too short to tell whether they match, in {files}")
        return texts

    def _name(self, path: str) -> str:
        return shown_name(os.path.relpath(path, self._root))


def shown_name(path: str) -> str:
    """A file's name as it can be shown, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in text)


def _joined(texts: list[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
