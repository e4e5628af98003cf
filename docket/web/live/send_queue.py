"""What waits to be sent to one WebSocket: bounded, in order, with progress replaced by newer progress."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator

from docket.domain.event import EventMessage

MOST_MESSAGES = 2_000
MOST_BYTES = 8 * 1024 * 1024
"""A socket that lets this much pile up is closed; its client comes back and resumes from its last number."""

MOST_BYTES_IN_ALL = 64 * 1024 * 1024
"""What all sockets of a process may have outstanding together; then the one with the most is closed."""

# Close codes of the registry that RFC 6455 begins: going away, service restart, try again later.
AWAY_CODE = 1001
RESTART_CODE = 1012
SLOW_CODE = 1013


class Ended(Exception):
    """There will be no more messages."""


class Outstanding:
    """What all sockets of a process have not taken yet. One per process, for the event loop only."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._queues: dict[SendQueue, int] = {}

    def note(self, queue: SendQueue, size_bytes: int) -> None:
        """The queue holds so much now; ends the queue that holds most where all hold too much."""
        self.size_bytes += size_bytes - self._queues.get(queue, 0)
        if size_bytes:
            self._queues[queue] = size_bytes
        else:
            self._queues.pop(queue, None)
        while self.size_bytes > MOST_BYTES_IN_ALL:
            max(self._queues, key=self._queues.__getitem__).end(SLOW_CODE)


class Run:
    """Messages that are sent together, in order: events by their number, and the latest about each subject."""

    def __init__(self) -> None:
        self._messages: dict[int | str, tuple[int | None, str | None, bytes]] = {}
        self._joined: bytes | None = None

    def put(self, seq: int | None, subject: str | None, message: bytes) -> None:
        """Add a message. An event supersedes what is here about its subject."""
        if seq is not None and subject is not None:
            self._messages.pop(subject, None)
        self._messages[seq if seq is not None else subject or ""] = seq, subject, message
        self._joined = None

    def __iter__(self) -> Iterator[tuple[int | None, str | None, bytes]]:
        return iter(self._messages.values())

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def subjects(self) -> set[str]:
        return {subject for _, subject, _ in self if subject is not None}

    @property
    def numbers(self) -> list[int]:
        return [seq for seq, _, _ in self if seq is not None]

    @property
    def joined(self) -> bytes:
        """All of them; made once for all sockets."""
        if self._joined is None:
            self._joined = b"".join(message for _, _, message in self)
        return self._joined


class SendQueue:
    """Filled by the event feed, emptied by one socket. For the event loop only.

    Nothing is handed out until `begin` has said what the socket gets first, so that live events that arrive
    while the ledger is read are neither lost nor sent twice.
    """

    def __init__(
        self,
        on_end: Callable[[int], object],
        wants: Callable[[EventMessage], bool] | None = None,
        outstanding: Outstanding | None = None,
    ) -> None:
        """`on_end` is called once, with the code to close the socket with. It must not wait for the socket: one
        that is ended for being slow is stuck in the middle of a message. `wants` says which events are for this
        socket; without it all are. `outstanding` bounds what all sockets hold together."""
        self._outstanding = outstanding or Outstanding()
        self._first_bytes = 0
        self._sending_bytes = 0
        self.wants = wants
        self._on_end = on_end
        self._ended = False
        self._first: deque[bytes] = deque()
        self._waiting: dict[Hashable, bytes] = {}
        self._waiting_bytes = 0
        self._seq: int | None = None
        self._news = asyncio.Event()

    def begin(self, messages: Iterable[bytes], seq: int) -> None:
        """Put these first, which tell of everything up to `seq`; later events that wait already follow."""
        if self._ended:
            return
        for message in messages:
            self._first.append(message)
            self._first_bytes += len(message)
        for key in [key for key in self._waiting if isinstance(key, int) and key <= seq]:
            self._drop(key)
        self._seq = max([seq, *(key for key in self._waiting if isinstance(key, int))])
        self._news.set()
        self._note()

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

    def put_run(self, run: Run) -> None:
        """Add several: as one message, where the socket has had none of them."""
        numbers = run.numbers
        if len(run) == 1 or not numbers or self._seq is None or numbers[0] <= self._seq:
            for seq, subject, message in run:
                if seq is not None:
                    self.put_event(seq, subject, message)
                else:
                    self.put_latest(subject or "", message)
            return
        self._seq = numbers[-1]
        for superseded in self._waiting.keys() & run.subjects:
            self._drop(superseded)
        self._add(numbers[-1], run.joined)

    def end(self, code: int) -> None:
        """Drop what waits and have the socket closed."""
        if self._ended:
            return
        self._ended = True
        self._first.clear()
        self._waiting.clear()
        self._first_bytes = self._waiting_bytes = self._sending_bytes = 0
        self._note()
        self._news.set()
        self._on_end(code)

    def leave(self) -> None:
        """The socket has gone: nothing is outstanding any more."""
        self._outstanding.note(self, 0)

    async def take(self) -> bytes:
        """The next message to send. Raises Ended."""
        while True:
            if self._ended:
                raise Ended
            if self._first:
                message = self._first.popleft()
                self._first_bytes -= len(message)
                return self._handed_out(message)
            if self._seq is not None and self._waiting:
                message = self._waiting.pop(next(iter(self._waiting)))
                self._waiting_bytes -= len(message)
                return self._handed_out(message)
            self._handed_out(b"")
            self._news.clear()
            await self._news.wait()

    def _handed_out(self, message: bytes) -> bytes:
        """Note what the socket is sending now; it stays in memory until the next one is asked for."""
        self._sending_bytes = len(message)
        self._note()
        return message

    def _note(self) -> None:
        self._outstanding.note(self, self._first_bytes + self._waiting_bytes + self._sending_bytes)

    def __len__(self) -> int:
        return len(self._first) + len(self._waiting)

    def _add(self, key: Hashable, message: bytes) -> None:
        if self._ended:
            return
        self._waiting[key] = message
        self._waiting_bytes += len(message)
        if len(self._waiting) > MOST_MESSAGES or self._waiting_bytes > MOST_BYTES:
            self.end(SLOW_CODE)
        self._note()
        self._news.set()

    def _drop(self, key: Hashable) -> None:
        self._waiting_bytes -= len(self._waiting.pop(key, b""))
