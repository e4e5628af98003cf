"""One queue of the embedded broker. Only `docket.bus.memory.memory_exchanges` uses it, and always under its lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from threading import Condition
from typing import Any, NamedTuple

from docket.bus import topology

MOST_FRAGMENT_BYTES = 16 * 1024 * 1024
"""Per shard. Less than on RabbitMQ, since reader and writer share one process and its memory."""

MOST_BYTES = 64 * 1024 * 1024
"""Every other queue is bounded too: nothing in this process may grow without end."""


@dataclass(frozen=True, slots=True)
class Message:
    """What was published. Queues share it."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    reply_to: str = ""
    correlation_id: str = ""


class Entry(NamedTuple):
    """A message's place in one queue."""

    place: int
    message: Message
    returns: int
    arrived_s: float


class MemoryQueue:
    """Ready messages in order, within a bound in bytes. What is in a receiver's hand is not counted."""

    def __init__(self, declared: topology.Queue) -> None:
        arguments = declared.arguments
        bounded = arguments.get("x-max-length-bytes")
        ttl_ms = arguments.get("x-message-ttl")
        self.name = declared.name
        self.delivery_limit: int | None = arguments.get("x-delivery-limit")
        self.waiting: list[Condition] = []
        """One per consumer, notified when there is something to take."""
        self._most_messages: int | None = arguments.get("x-max-length")
        self._refuses = arguments.get("x-overflow") == "reject-publish" or self._most_messages is None
        most_bytes = MOST_FRAGMENT_BYTES if self._refuses else MOST_BYTES
        self._most_bytes = MOST_BYTES if bounded is None else min(bounded, most_bytes)
        self._ttl_s = None if ttl_ms is None else ttl_ms / 1000
        self._ready: deque[Entry] = deque()
        self._ready_bytes = 0
        self._places = count()

    def __len__(self) -> int:
        return len(self._ready)

    def has_room(self, size_bytes: int) -> bool:
        """Whether a message of this size is taken now; a queue that drops its oldest always has room."""
        if not self._refuses:
            return True
        fits = self._most_messages is None or len(self._ready) < self._most_messages
        return fits and self._ready_bytes + size_bytes <= self._most_bytes

    def put(self, message: Message, now_s: float) -> None:
        self._ready.append(Entry(next(self._places), message, 0, now_s))
        self._ready_bytes += len(message.body)
        if not self._refuses and self._most_messages is not None:
            while len(self._ready) > self._most_messages or self._ready_bytes > self._most_bytes:
                self._pop()
        self._notify()

    def put_back(self, entry: Entry) -> bool:
        """Return an entry to where it was taken from. False: it came back too often and is out of the queue."""
        returned = entry._replace(returns=entry.returns + 1)
        if self.delivery_limit is not None and returned.returns > self.delivery_limit:
            return False
        index = next((i for i, other in enumerate(self._ready) if other.place > entry.place), len(self._ready))
        self._ready.insert(index, returned)
        self._ready_bytes += len(entry.message.body)
        self._notify()
        return True

    def take(self) -> Entry | None:
        return self._pop() if self._ready else None

    def take_expired(self, now_s: float) -> list[Entry]:
        """Take out what has waited for longer than the queue's time to live."""
        expired: list[Entry] = []
        if self._ttl_s is not None:
            while self._ready and now_s - self._ready[0].arrived_s > self._ttl_s:
                expired.append(self._pop())
        return expired

    def _pop(self) -> Entry:
        entry = self._ready.popleft()
        self._ready_bytes -= len(entry.message.body)
        return entry

    def _notify(self) -> None:
        for condition in self.waiting:
            condition.notify()
