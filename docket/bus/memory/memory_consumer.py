"""Receiver and delivery of the embedded broker. Only `docket.bus.memory.memory_broker` makes them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from threading import Condition
from typing import Any

from docket.bus.memory.memory_exchanges import MemoryExchanges
from docket.bus.memory.memory_queue import Entry, MemoryQueue, Message
from docket.bus.topology import LISTENER_MESSAGES

log = logging.getLogger(__name__)


class MemoryDelivery:
    """A `Delivery` out of memory. Settling takes effect at once."""

    __slots__ = (
        "_entry",
        "_message",
        "_queue",
        "_receiver",
        "account",
        "body",
        "correlation_id",
        "count",
        "generation",
        "headers",
        "queue",
        "reply_to",
        "routing_key",
        "user_id",
    )

    def __init__(
        self, receiver: MemoryConsumer, message: Message, queue: MemoryQueue | None, entry: Entry | None
    ) -> None:
        self.body = message.body
        self.headers: Mapping[str, Any] = message.headers
        self.queue = "" if queue is None else queue.name
        self.routing_key = message.routing_key
        self.reply_to, self.correlation_id = message.reply_to, message.correlation_id
        self.user_id: str | None = None
        self.account: str | None = None
        self.count = 1 if entry is None else entry.returns + 1
        self.generation = receiver.generation
        self._receiver = receiver
        self._message = message
        self._queue = queue
        self._entry = entry

    def ack(self) -> None:
        self._receiver.settle(self._queue, self._entry)

    def requeue(self) -> None:
        self._receiver.settle(self._queue, self._entry, requeue=True)

    def dead(self, reason: str) -> None:
        self._receiver.settle(self._queue, self._entry, dead=reason, message=self._message)


class MemoryConsumer:
    """A `Consumer` out of memory: takes from its queues in turn."""

    generation = 1
    """There is no connection that could be lost."""

    def __init__(self, broker: MemoryExchanges, name: str, prefetch: Mapping[str, int]) -> None:
        self._broker = broker
        self._name = name
        self._condition = Condition(broker.lock)
        self._prefetch = dict(prefetch)
        self._turns = deque(prefetch)
        self._in_hand: dict[str, dict[int, tuple[MemoryQueue, Entry]]] = {queue: {} for queue in prefetch}
        self._events: deque[Message] = deque()
        self._behind = False
        self._woken = False
        self._closed = False
        with broker.lock:
            broker.attach(self._condition)
            for queue in prefetch:
                broker.consume(queue, self._condition)

    @property
    def connected(self) -> bool:
        return not (self._closed or self._broker.closed)

    def receive(self, timeout_s: float) -> MemoryDelivery | None:
        deadline_s = time.monotonic() + timeout_s
        with self._condition:
            while self.connected:
                delivery = self._next()
                if delivery is not None:
                    return delivery
                remaining_s = deadline_s - time.monotonic()
                if self._woken or remaining_s <= 0:
                    break
                self._condition.wait(remaining_s)
            self._woken = False
            return None

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def close(self) -> None:
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._broker.forget(self._condition, self.on_event)
            for held in self._in_hand.values():
                for queue, entry in held.values():
                    self._broker.put_back(queue, entry)
                held.clear()
            self._condition.notify()

    def on_event(self, message: Message) -> None:
        """Take an event; called by the broker under its lock."""
        if len(self._events) >= LISTENER_MESSAGES:
            self._events.popleft()
            if not self._behind:
                log.warning("%s is %d events behind and loses the oldest", self._name, LISTENER_MESSAGES)
            self._behind = True
        self._events.append(message)
        self._condition.notify()

    def settle(
        self,
        queue: MemoryQueue | None,
        entry: Entry | None,
        *,
        requeue: bool = False,
        dead: str | None = None,
        message: Message | None = None,
    ) -> None:
        """Let go of a message in hand; the second time, or after `close`, nothing happens."""
        with self._condition:
            if queue is None or entry is None:
                if dead is not None and message is not None:
                    self._broker.dead(None, message, dead)
                return
            if self._in_hand[queue.name].pop(entry.place, None) is None:
                return
            if requeue:
                self._broker.put_back(queue, entry)
            elif dead is not None:
                self._broker.dead(queue, entry.message, dead)
            # There may be room in hand again for what waits in the queue.
            self._condition.notify()

    def _next(self) -> MemoryDelivery | None:
        if self._events:
            return MemoryDelivery(self, self._events.popleft(), None, None)
        self._behind = False
        for _ in range(len(self._turns)):
            name = self._turns[0]
            self._turns.rotate(-1)
            if len(self._in_hand[name]) >= self._prefetch[name]:
                continue
            queue = self._broker.consume(name, self._condition)
            entry = None if queue is None else self._broker.take(queue)
            if queue is not None and entry is not None:
                self._in_hand[name][entry.place] = (queue, entry)
                return MemoryDelivery(self, entry.message, queue, entry)
        return None
