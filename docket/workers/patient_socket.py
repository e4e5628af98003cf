"""Reads from a TLS socket that wait for as long as they should, and can be stopped. For the stenographer kind only."""

from __future__ import annotations

import io
import select
import ssl
import time
from threading import Event
from typing import Any

LOOK_UP_S = 0.25
"""How often a waiting read looks whether it should still wait."""


class Patience:
    """How long the reads of one session wait: until `stop` is set, or until a point of the monotonic clock."""

    def __init__(self) -> None:
        self.stop: Event | None = None
        self.until_s: float | None = None

    def check(self) -> None:
        """Raises OSError when waiting on makes no sense."""
        if self.stop is not None and self.stop.is_set():
            raise ConnectionAbortedError("the reading was stopped")
        if self.until_s is not None and time.monotonic() > self.until_s:
            raise TimeoutError("no answer in time")


class PatientSocket(io.RawIOBase):
    """The reading side of a TLS socket: every read waits as long as the patience lasts.

    The socket must have a time-out of LOOK_UP_S. A read that times out loses nothing: what came of a TLS record
    stays in OpenSSL. Closing gives up `held`, the response's share of the socket.
    """

    def __init__(self, sock: ssl.SSLSocket, held: io.BufferedIOBase, patience: Patience) -> None:
        self._sock = sock
        self._held = held
        self._patience = patience
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at least one byte, or none at the end of the stream."""
        while True:
            self._patience.check()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue

    def fill(self, view: memoryview) -> int:
        """Read what has arrived, as far as it fits; waits only when nothing has. 0 at the end of the stream."""
        filled = self.readinto(view)
        size = len(view)
        try:
            while 0 < filled < size and (self._sock.pending() or self._poll.poll(0)):
                more = self._sock.recv_into(view[filled:])
                if not more:
                    break
                filled += more
        except OSError:
            pass  # a time-out, or an error that comes again at the next read, after these bytes were used
        return filled

    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()
