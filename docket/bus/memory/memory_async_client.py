"""The embedded bus for Tornado's loop: a bridge from the threads of the same process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from threading import Lock

from tornado.ioloop import IOLoop

from docket.bus.async_interface import ChangeCallback, EventCallback
from docket.bus.interface import QueueDepth
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.memory.memory_queue import Message
from docket.bus.memory.routing import topic_matches
from docket.bus.topology import LISTENER_MESSAGES
from docket.errors import BusFull, BusLost

log = logging.getLogger(__name__)

_FULL_PAUSE_S = 0.02
"""Between two attempts to put a message into a full queue."""


class MemoryAsyncClient:
    """A `AsyncBusClient` to the broker of the same process."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._loop: IOLoop | None = None
        self._listeners: list[tuple[tuple[str, ...], EventCallback]] = []
        self._changes: list[ChangeCallback] = []
        self._lock = Lock()
        self._heard: deque[Message] = deque()
        self._scheduled = False
        self._behind = False

    @property
    def connected(self) -> bool:
        return self._loop is not None

    async def start(self) -> None:
        self._loop = IOLoop.current()
        self._subscribe()
        self._tell(True)

    async def stop(self) -> None:
        if self._loop is not None:
            self._broker.remove_listener(self._on_event)
            self._loop = None
            self._tell(False)

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            if self._loop is None:
                raise BusLost("the link is stopped")
            if self._broker.offer(exchange, routing_key, body, dict(headers or {}), mandatory=mandatory):
                return
            if asyncio.get_running_loop().time() >= deadline_s:
                raise BusFull(f"the queue behind {exchange} {routing_key!r} is full")
            await asyncio.sleep(_FULL_PAUSE_S)

    def listen(self, patterns: Sequence[str], callback: EventCallback) -> None:
        self._listeners.append((tuple(patterns), callback))
        if self._loop is not None:
            self._subscribe()

    def on_change(self, callback: ChangeCallback) -> None:
        self._changes.append(callback)

    async def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        return {queue: self._broker.depth(queue) for queue in queues}

    def _subscribe(self) -> None:
        patterns = [pattern for some, _ in self._listeners for pattern in some]
        self._broker.add_listener(self._on_event, patterns)

    def _tell(self, connected: bool) -> None:
        for callback in self._changes:
            IOLoop.current().add_callback(callback, connected)

    def _on_event(self, message: Message) -> None:
        """Put an event aside for the loop. Called by publishers, in their threads."""
        loop = self._loop
        if loop is None:
            return
        with self._lock:
            if len(self._heard) >= LISTENER_MESSAGES:
                self._heard.popleft()
                if not self._behind:
                    log.warning("the web loop is %d events behind and loses the oldest", LISTENER_MESSAGES)
                self._behind = True
            self._heard.append(message)
            if self._scheduled:
                return
            self._scheduled = True
        loop.add_callback(self._dispatch)

    def _dispatch(self) -> None:
        """Hand one event to its listeners. One per turn of the loop, so that a flood does not starve requests."""
        with self._lock:
            message = self._heard.popleft()
            self._scheduled = bool(self._heard)
            self._behind = self._behind and self._scheduled
        if self._scheduled and self._loop is not None:
            # Before the callbacks, which may raise.
            self._loop.add_callback(self._dispatch)
        for patterns, callback in self._listeners:
            if any(topic_matches(pattern, message.routing_key) for pattern in patterns):
                callback(message.routing_key, message.body)
