"""Exchanges and queues of the embedded bus. Only the modules of `docket.bus.memory` use them.

Exchanges, queues and bindings come from `topology`, so messages go the same ways as on RabbitMQ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Condition, Event, Lock
from typing import Any

from docket.bus import topology
from docket.bus.dead_letters import DEAD_LETTERS, dead_headers
from docket.bus.interface import QueueDepth
from docket.bus.memory.memory_queue import Entry, MemoryQueue, Message
from docket.bus.memory.routing import headers_match, key_matches
from docket.bus.replies import DEFAULT_EXCHANGE, REPLY_PREFIX
from docket.errors import BusFull, BusLost, Unroutable

_GIVE_UP_LOOK_S = 0.05
"""How often a waiting publisher looks whether it was asked to give up."""

Listener = Callable[[Message], None]
"""Called under the broker's lock with every event it listens to; must only put it aside."""


class MemoryExchanges:
    """Exchanges, queues, bindings and listeners, under one lock."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.closed = False
        self._space = Condition(self.lock)
        self._exchanges = {exchange.name: exchange for exchange in topology.EXCHANGES}
        self._queues: dict[str, MemoryQueue] = {}
        self._bindings: dict[str, list[topology.Binding]] = {name: [] for name in self._exchanges}
        self._listeners: dict[Listener, tuple[str, ...]] = {}
        self._consumers: set[Condition] = set()

    def declare(self, sources: Sequence[str], role: str | None = None) -> None:  # noqa: ARG002 # no user, no rights
        """Declare the topology. What is there already stays as it is, with its messages."""
        with self.lock:
            self._add(topology.queues(sources), topology.bindings(sources))

    def declare_queue(self, queue: topology.Queue, bindings: Sequence[topology.Binding], role: str) -> None:  # noqa: ARG002
        with self.lock:
            self._add([queue], bindings)

    def _add(self, queues: Iterable[topology.Queue], bindings: Iterable[topology.Binding]) -> None:
        for queue in queues:
            self._queues.setdefault(queue.name, MemoryQueue(queue))
        for binding in bindings:
            if binding not in self._bindings[binding.exchange]:
                self._bindings[binding.exchange].append(binding)

    def depth(self, queue: str) -> QueueDepth:
        with self.lock:
            found = self._queues.get(queue)
            return QueueDepth(0, 0) if found is None else QueueDepth(len(found), len(found.waiting))

    def close(self) -> None:
        """End the bus: receivers return None from now on, publishers raise BusLost."""
        with self.lock:
            self.closed = True
            for condition in (self._space, *self._consumers):
                condition.notify_all()

    def offer(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any], *, mandatory: bool
    ) -> bool:
        """Publish without waiting. False: a queue is full and no queue got it. Raises Unroutable, BusLost."""
        with self.lock:
            return self._offer(Message(exchange, routing_key, body, headers), mandatory)

    def offer_until(self, message: Message, *, mandatory: bool, wait_s: float, give_up: Event | None) -> None:
        """Publish, waiting for room. Raises BusFull, Unroutable, BusLost."""
        deadline_s = time.monotonic() + wait_s
        with self.lock:
            while not self._offer(message, mandatory):
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0 or (give_up is not None and give_up.is_set()):
                    raise BusFull(f"the queue behind {message.exchange} {message.routing_key!r} is full")
                self._space.wait(remaining_s if give_up is None else min(remaining_s, _GIVE_UP_LOOK_S))

    def add_listener(self, listener: Listener, patterns: Sequence[str]) -> None:
        """Let the listener hear the events that match, from now on."""
        with self.lock:
            self._listeners[listener] = tuple(patterns)

    def remove_listener(self, listener: Listener) -> None:
        with self.lock:
            self._listeners.pop(listener, None)

    # What follows is for receivers, which hold the lock already.

    def consume(self, queue: str, condition: Condition) -> MemoryQueue | None:
        """Become a consumer of the queue; None if it is not declared (yet)."""
        if queue.startswith(REPLY_PREFIX):
            self._queues.setdefault(queue, MemoryQueue(topology.reply_queue(queue)))
        found = self._queues.get(queue)
        if found is not None and condition not in found.waiting:
            found.waiting.append(condition)
        return found

    def take(self, queue: MemoryQueue) -> Entry | None:
        """The next message of the queue that has not outlived its time."""
        for expired in queue.take_expired(time.monotonic()):
            self._bury(queue, expired.message, "expired")
        entry = queue.take()
        if entry is not None:
            self._space.notify_all()
        return entry

    def put_back(self, queue: MemoryQueue, entry: Entry) -> None:
        if not queue.put_back(entry):
            self._bury(queue, entry.message, "delivery_limit")

    def dead(self, queue: MemoryQueue | None, message: Message, reason: str) -> None:
        """Put the message into `docket.dead` with the reason."""
        headers = dead_headers(
            message.headers,
            reason=reason,
            exchange=message.exchange,
            routing_key=message.routing_key,
            queue="" if queue is None else queue.name,
        )
        DEAD_LETTERS.labels("" if queue is None else queue.name).inc()
        self._lay_out(Message(topology.DEAD, message.routing_key, message.body, headers))

    def attach(self, condition: Condition) -> None:
        """Let the bus's end wake the receiver."""
        self._consumers.add(condition)

    def forget(self, condition: Condition, listener: Listener) -> None:
        """Take a receiver that closes out of every queue."""
        self._consumers.discard(condition)
        self._listeners.pop(listener, None)
        for queue in self._queues.values():
            with suppress(ValueError):
                queue.waiting.remove(condition)

    def _bury(self, queue: MemoryQueue, message: Message, reason: str) -> None:
        """What RabbitMQ does by itself with expired and too often returned messages, with its own headers."""
        headers = dict(message.headers) | {
            "x-first-death-reason": reason,
            "x-first-death-queue": queue.name,
            "x-first-death-exchange": message.exchange,
        }
        self._lay_out(Message(topology.DEAD, message.routing_key, message.body, headers))

    def _lay_out(self, message: Message) -> None:
        if not self.closed:
            self._offer(message, mandatory=False)

    def _offer(self, message: Message, mandatory: bool) -> bool:
        if self.closed:
            raise BusLost("the embedded bus is closed")
        queues = self._queues_for(message)
        listeners = self._listening(message)
        if mandatory and not queues and not listeners:
            raise Unroutable(f"no queue takes {message.routing_key!r} on {message.exchange}")
        if not all(queue.has_room(len(message.body)) for queue in queues):
            return False
        now_s = time.monotonic()
        for queue in queues:
            queue.put(message, now_s)
        for listener in listeners:
            listener(message)
        return True

    def _queues_for(self, message: Message) -> list[MemoryQueue]:
        if message.exchange == DEFAULT_EXCHANGE:
            found = self._queues.get(message.routing_key)
            return [] if found is None else [found]
        if message.exchange not in self._exchanges:
            raise Unroutable(f"there is no exchange {message.exchange!r}")
        return [self._queues[name] for name in self._routed(message.exchange, message)]

    def _routed(self, name: str, message: Message) -> set[str]:
        """The queues that an exchange sends the message to, through other exchanges too."""
        exchange = self._exchanges[name]
        names = {bound.queue for bound in self._bindings[name] if _takes(exchange.kind, bound, message)}
        onward = [
            passage.target
            for passage in topology.PASSAGES
            if passage.exchange == name and key_matches(exchange.kind, passage.key, message.routing_key)
        ]
        if exchange.alternate and not names and not onward:
            onward = [exchange.alternate]
        return names.union(*(self._routed(target, message) for target in onward))

    def _listening(self, message: Message) -> list[Listener]:
        if message.exchange != topology.EVENTS:
            return []
        return [
            listener
            for listener, patterns in self._listeners.items()
            if any(key_matches("topic", pattern, message.routing_key) for pattern in patterns)
        ]


def _takes(kind: str, bound: topology.Binding, message: Message) -> bool:
    if kind == "headers":
        return headers_match(bound.arguments, message.headers)
    return key_matches(kind, bound.key, message.routing_key)
