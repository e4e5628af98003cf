"""Calls things a moment later, all from one thread. For `fragment_publisher`.

A reading that is over sooner needs no thread of its own for what it publishes. What is called too late must see that
by itself: there is nothing to take back, so a call costs an entry in a list.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)


class DelayedCalls:
    """One per process. Any thread may add; the thread that calls begins with the first and never ends."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, call: Callable[[], None]) -> None:
        """Have this called after the delay. It must not wait for anything."""
        with self._condition:
            self._waiting.append((time.monotonic() + self._delay_s, call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="delayed calls", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._condition.notify()

    def _run(self) -> None:
        while True:
            call = self._next()
            try:
                call()
            except Exception:
                # The one broad net: all readings that come later count on this thread.
                log.exception("a delayed call failed")

    def _next(self) -> Callable[[], None]:
        with self._condition:
            while True:
                rest_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if rest_s is not None and rest_s <= 0:
                    return self._waiting.popleft()[1]
                self._condition.wait(rest_s)
