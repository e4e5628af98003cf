"""The face of the bus for Tornado's loop: what the web app sees of it. Imports no library.

Two clients stand behind it: `bus.rabbitmq.async_client` (RabbitMQ through pika) and `bus.memory.memory_async_client`
(in memory). Everything here is called, and calls back, in the loop that ran `start`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from docket.bus.interface import QueueDepth

EventCallback = Callable[[str, bytes], None]
"""Takes the routing key and the body of one event. What it raises is logged by the loop."""

ChangeCallback = Callable[[bool], None]
"""Takes True when the bus is there and everything is subscribed, False when it went away."""


class AsyncBusClient(Protocol):
    """Publishes with confirms and receives events, without ever blocking the loop."""

    @property
    def connected(self) -> bool: ...

    async def start(self) -> None:
        """Begin, and return after the first attempt to connect, whether it worked or not; then keep trying."""

    async def stop(self) -> None:
        """Close the connection. A publish that still waits raises BusLost."""

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
        """Return once the broker has taken the (persistent) message.

        Waits and tries again while the queue is full or the broker is away, for `timeout_s` at most. Raises
        BusFull or BusLost then, Unroutable at once (with `mandatory`).
        """

    def listen(self, patterns: Sequence[str], callback: EventCallback) -> None:
        """Hear the events on `docket.events` whose routing keys match, in order, from now on and after each
        reconnect. Events of the time between are missed: `on_change(True)` is the moment to catch up."""

    def on_change(self, callback: ChangeCallback) -> None:
        """Called when the bus comes and goes."""

    async def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """The depth of each queue; (0, 0) for one that does not exist. Those that this user may not look at are left
        out. Raises BusLost, and BusFull while the broker takes no messages."""
