"""The order to stop, which also knows whether its service still looks at it. For `host`.

A service's loop looks at its order to stop each time round, so a loop that hangs is one that no longer looks. The
watchdog is fed only while every loop does: a thread that is stuck must not hide behind one that turns.
"""

from __future__ import annotations

import threading
import time


class WatchedStop(threading.Event):
    """An event; looking at it from its service's own thread is a sign of life."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: int | None = None
        self._looked_at_s = time.monotonic()
        self._waiting = False

    def begin(self) -> None:
        """Called by the service's thread when it begins."""
        self._owner = threading.get_ident()
        self._looked_at_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """How long the service's thread has not looked; none while it waits for nothing but the order itself."""
        return 0.0 if self._waiting else time.monotonic() - self._looked_at_s

    def is_set(self) -> bool:
        self._look()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        own = self._look()
        if not own:
            return super().wait(timeout)
        self._waiting = True
        try:
            return super().wait(timeout)
        finally:
            self._waiting = False
            self._look()

    def _look(self) -> bool:
        if threading.get_ident() != self._owner:
            return False
        self._looked_at_s = time.monotonic()
        return True
