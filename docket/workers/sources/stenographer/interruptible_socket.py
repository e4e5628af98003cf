"""Reads from a TLS socket that wait for as long as they should, and can be stopped. For the stenographer kind only."""

from __future__ import annotations

import io
import time
from threading import Event
from typing import Any

from docket.workers.sources.stenographer.tls_socket import TlsSocket

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


class InterruptibleSocket(io.RawIOBase):
    """The reading side of a TLS socket: every read waits as long as the patience lasts.

    The socket must have a time-out of LOOK_UP_S. A read that times out loses nothing: what came of a TLS record
    is kept. Closing gives up `held`, the response's share of the socket.
    """

    def __init__(self, sock: TlsSocket, held: io.BufferedIOBase, patience: Patience) -> None:
        self._sock = sock
        self._held = held
        self._patience = patience

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

    def fill(self, view: memoryview, received_before: int) -> int:
        """Read what has arrived, see `TlsSocket.fill`; waits as patiently as `readinto`."""
        while True:
            self._patience.check()
            try:
                return self._sock.fill(view, received_before)
            except TimeoutError:
                continue

    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()
