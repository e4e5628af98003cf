"""Goes on recording the demo: every few minutes each interface gets a file with the traffic of the time since the last.

Without it the demo would be a recorder that stood still, and every later question would rightly end with a gap.
"""

import threading
from pathlib import Path

from docket.demo.place import INTERFACES, place_between
from docket.domain.clock import now_us

EVERY_S = 240
_MARGIN_US = 5_000_000
"""Conversations last some seconds; none may end after its file is written."""
KEPT_FILES = 60
"""Per interface, as the ring of a recorder."""


class DemoRecorder:
    """A service: writes until it is asked to stop."""

    def __init__(self, directory: Path, started_us: int, placed: int) -> None:
        """`started_us` is when the first hour was placed, `placed` how many files an interface got then."""
        self._directory = directory
        self._from_us = started_us
        self._number = placed

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            # The watchdog wants to see the loop turn.
            stop.wait(1.0)
            at_us = now_us()
            if at_us - self._from_us >= EVERY_S * 1_000_000:
                self.record(at_us)

    def record(self, now_us: int) -> None:
        """Write what was recorded up to now. A full disk ends nothing: the file is missing then, and that is seen."""
        try:
            written = place_between(self._directory, self._from_us, now_us - _MARGIN_US, first_number=self._number + 1)
        except OSError:
            return
        self._from_us = now_us
        self._number += max(1, len(written) // len(INTERFACES))
        for name in INTERFACES:
            for old in sorted((self._directory / name).iterdir())[:-KEPT_FILES]:
                old.unlink(missing_ok=True)
