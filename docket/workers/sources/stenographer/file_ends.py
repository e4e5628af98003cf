"""Until when the last file before a gap was written: its name says only when it was begun. For `stenographer` only.

The file is read once, as far as that is cheap, and what was seen is kept: a finished file does not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from threading import Event

from docket.domain.query.canonical import Query
from docket.domain.query.render import to_stenographer
from docket.domain.timewindow import US_PER_S, Window
from docket.errors import CaptureError
from docket.packet.record_cutter import RecordCutter
from docket.workers.sources.base import Gap
from docket.workers.sources.stenographer.session import StenoSession

MOST_BYTES = 64 * 1024 * 1024
"""Of a larger file the end is not looked for, and the gap is said to begin where the looking ended."""
MOST_LOOKS = 5
"""After one answer; the newest gaps count."""
_MOST_KNOWN = 1000


class FileEnds:
    """Of a store with one capture thread: where several share the traffic, one says nothing of the others."""

    def __init__(self) -> None:
        self.latest_us: dict[int, int] = {}
        """The latest packet that was seen in a file, by the start of the file."""

    def look(self, session: StenoSession, gaps: Iterable[Gap], window: Window, stop: Event) -> bool:
        """See until when the last files before the gaps of the window were written; False: no gap concerns it.

        `gaps` begin with the start of a file each, as its end was not known; another question may have seen it since.
        Raises SourceError.
        """
        concerned = [gap for gap in gaps if gap.after_us < window.before_us and window.after_us < gap.before_us]
        unseen = [gap for gap in concerned if gap.after_us not in self.latest_us][-MOST_LOOKS:]
        with contextlib.suppress(CaptureError):
            for gap in unseen:
                self._note(gap.after_us, _latest_us(session, gap, stop))
        return bool(concerned)

    def know_one_of(self, gaps: Iterable[Gap]) -> bool:
        """Whether the end of a file with which one of them begins is known by now."""
        return any(gap.after_us in self.latest_us for gap in gaps)

    def _note(self, begun_us: int, latest_us: int) -> None:
        self.latest_us[begun_us] = latest_us
        if len(self.latest_us) > _MOST_KNOWN:
            del self.latest_us[min(self.latest_us)]


def _latest_us(session: StenoSession, gap: Gap, stop: Event) -> int:
    """The latest packet of the file that was begun with the gap, as far as it was read."""
    begun = Window(gap.after_us, gap.before_us)
    cutter = RecordCutter(begun, None, None)
    text = to_stenographer(Query(None), gap.after_us, gap.after_us + US_PER_S)
    body = session.post("/query", text, {"Steno-Limit-Bytes": str(MOST_BYTES)}, stop)
    latest_us = gap.after_us
    try:
        for block in body.pieces():
            latest_us = max(latest_us, cutter.feed(block).last_us or 0)
    finally:
        body.leave()
    return latest_us
