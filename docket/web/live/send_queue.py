"""What waits to be sent to one WebSocket: bounded, in order, with progress replaced by newer progress."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable

from docket.bus.messages import EventMessage

MOST_MESSAGES = 2_000
MOST_BYTES = 8 * 1024 * 1024
"""A socket that lets this much pile up is closed; its client comes back and resumes from its last number."""

# Close codes of the registry that RFC 6455 begins: going away, service restart, try again later.
AWAY_CODE = 1001
RESTART_CODE = 1012
SLOW_CODE = 1013


class Ended(Exception):
    """There will be no more messages."""


class SendQueue:
    """Filled by the event feed, emptied by one socket. For the event loop only.

    Nothing is handed out until `begin` has said what the socket is told first, so that live events that arrive
    while the ledger is read are neither lost nor sent twice.
    """

    def __init__(self, on_end: Callable[[int], object], hears: Callable[[EventMessage], bool] | None = None) -> None:
        """`on_end` is called once, with the code to close the socket with. It must not wait for the socket: one
        that is ended for being slow is stuck in the middle of a message. `hears` says which events are for this
        socket; without it all are."""
        self.hears = hears
        self._on_end = on_end
        self._ended = False
        self._first: deque[bytes] = deque()
        self._waiting: dict[Hashable, bytes] = {}
        self._waiting_bytes = 0
        self._seq: int | None = None
        self._news = asyncio.Event()

    def begin(self, messages: Iterable[bytes], seq: int) -> None:
        """Put these first, which tell of everything up to `seq`; later events that wait already follow."""
        self._first.extend(messages)
        for key in [key for key in self._waiting if isinstance(key, int) and key <= seq]:
            self._drop(key)
        self._seq = max([seq, *(key for key in self._waiting if isinstance(key, int))])
        self._news.set()

    def put_event(self, seq: int, subject: str | None, message: bytes) -> None:
        """Add an event of the ledger. It supersedes progress of the same subject that still waits."""
        if self._seq is not None:
            if seq <= self._seq:
                return
            self._seq = seq
        if subject is not None:
            self._drop(subject)
        self._add(seq, message)

    def put_latest(self, subject: str, message: bytes) -> None:
        """Add something of which only the latest matters: it takes the place of what waits for the subject."""
        self._waiting_bytes -= len(self._waiting.get(subject, b""))
        self._add(subject, message)

    def end(self, code: int) -> None:
        """Drop what waits and have the socket closed."""
        if self._ended:
            return
        self._ended = True
        self._first.clear()
        self._waiting.clear()
        self._news.set()
        self._on_end(code)

    async def take(self) -> bytes:
        """The next message to send. Raises Ended."""
        while True:
            if self._ended:
                raise Ended
            if self._first:
                return self._first.popleft()
            if self._seq is not None and self._waiting:
                message = self._waiting.pop(next(iter(self._waiting)))
                self._waiting_bytes -= len(message)
                return message
            self._news.clear()
            await self._news.wait()

    def __len__(self) -> int:
        return len(self._first) + len(self._waiting)

    def _add(self, key: Hashable, message: bytes) -> None:
        if self._ended:
            return
        self._waiting[key] = message
        self._waiting_bytes += len(message)
        if len(self._waiting) > MOST_MESSAGES or self._waiting_bytes > MOST_BYTES:
            self.end(SLOW_CODE)
        self._news.set()

    def _drop(self, key: Hashable) -> None:
        self._waiting_bytes -= len(self._waiting.pop(key, b""))
