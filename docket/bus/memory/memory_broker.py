"""The bus inside one process, for `docket run`: the faces of `docket.bus.interface` without a broker.

Nothing is kept on disk: what is in the queues ends with the process. Any thread may use any part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from docket.bus.interface import Publication
from docket.bus.memory.memory_consumer import MemoryConsumer
from docket.bus.memory.memory_exchanges import MemoryExchanges
from docket.bus.memory.memory_queue import Message


class MemoryBroker(MemoryExchanges):
    """A `Broker` in memory."""

    def declare_stream(self) -> None:
        """No tool can reach this bus, and it is gone with the process."""

    def identity(self) -> str:
        return ""

    def publisher(self, name: str) -> MemoryPublisher:
        return MemoryPublisher(self, name)

    def receiver(
        self,
        name: str,
        queues: Sequence[str],
        *,
        prefetch: int,
        prefetch_of: Mapping[str, int] | None = None,
        listen: Sequence[str] = (),
    ) -> MemoryConsumer:
        receiver = MemoryConsumer(self, name, {queue: (prefetch_of or {}).get(queue, prefetch) for queue in queues})
        if listen:
            self.add_listener(receiver.on_event, listen)
        return receiver


class MemoryPublisher:
    """A `Publisher` into memory. `persistent` means nothing here: the bus lives as long as the process."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self.name = name
        self._broker = broker

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes | memoryview,
        *,
        headers: Mapping[str, Any] | None = None,
        persistent: bool = True,  # noqa: ARG002
        mandatory: bool = False,
        wait_s: float = 30.0,
        give_up: Event | None = None,
        reply_to: str = "",
        correlation_id: str = "",
    ) -> None:
        # A memoryview shows a buffer that its owner will use again, so it must be copied; bytes cannot change.
        kept = body if isinstance(body, bytes) else bytes(body)
        message = Message(exchange, routing_key, kept, dict(headers or {}), reply_to, correlation_id)
        self._broker.offer_until(message, mandatory=mandatory, wait_s=wait_s, give_up=give_up)

    def publish_all(
        self, messages: Sequence[Publication], *, wait_s: float = 30.0, give_up: Event | None = None
    ) -> None:
        for one in messages:
            self.publish(one.exchange, one.routing_key, one.body, headers=one.headers, wait_s=wait_s, give_up=give_up)

    def close(self) -> None:
        """Nothing to close."""
