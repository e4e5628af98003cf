"""Wakes a thread that sleeps in `poll`, from any other thread. For the receivers."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from threading import Lock


class Wakeup:
    """A pipe to oneself."""

    def __init__(self) -> None:
        self.fd, self._far_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self.fd, select.POLLIN)
        # Without it, a late `wake` could write into a file that got the closed pipe's number.
        self._lock = Lock()
        self._open = True

    def wake(self) -> None:
        """End the sleep, or the next one. Does nothing after `close`."""
        with self._lock:
            if self._open:
                # A full pipe wakes just as well.
                with suppress(BlockingIOError):
                    os.write(self._far_end, b"!")

    def sleep(self, timeout_s: float) -> None:
        """Sleep until woken, for `timeout_s` at most."""
        self._poll.poll(max(timeout_s, 0.0) * 1000)
        self.rewind()

    def rewind(self) -> None:
        """Forget the wakes so far."""
        with suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self.fd)
                os.close(self._far_end)
