"""The face of the bus for threads: what workers, collector and inspector see of it. Imports no library.

Two brokers stand behind it: `bus.rabbitmq.broker` (RabbitMQ through kombu) and `bus.memory.memory_broker` (in memory,
for `docket run`). Delivery is at least once in both: a message that was not acknowledged comes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from docket.bus.topology import Binding, Queue


class QueueDepth(NamedTuple):
    messages: int
    consumers: int


class Publication(NamedTuple):
    """A message that is to be published."""

    exchange: str
    routing_key: str
    body: bytes | memoryview
    headers: Mapping[str, Any] = {}
    persistent: bool = True


class Delivery(Protocol):
    """One message in hand. Settle it exactly once, from any thread; it takes effect at the next `receive`.

    Settling a delivery of an earlier `generation` does nothing: the broker has taken that message back.
    """

    body: bytes
    headers: Mapping[str, Any]
    queue: str
    """Empty for messages that came through `listen`."""
    routing_key: str
    user_id: str | None
    """Set only where the publisher set it; RabbitMQ has then checked it."""
    reply_to: str
    """The queue that the publisher wants to be answered at, as it says; empty without one."""
    correlation_id: str
    account: str | None
    """The user as whom it was received; None on a bus without users."""
    count: int
    """1 for the first delivery of this message, 2 when it came back once, …"""
    generation: int

    def ack(self) -> None: ...

    def requeue(self) -> None: ...

    def dead(self, reason: str) -> None:
        """Move the message to `docket.dead` with the reason in its headers, then acknowledge it here."""


class Publisher(Protocol):
    """Publishes with confirms. One thread at a time; connects by itself when needed."""

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes | memoryview,
        *,
        headers: Mapping[str, Any] | None = None,
        persistent: bool = True,
        mandatory: bool = False,
        wait_s: float = 30.0,
        give_up: Event | None = None,
        reply_to: str = "",
        correlation_id: str = "",
    ) -> None:
        """Return once the broker has taken the message.

        Waits and tries again while the queue is full or the broker is away, for `wait_s` at most or until
        `give_up` is set. Raises BusFull or BusLost then, Unroutable at once (with `mandatory`).
        """

    def publish_all(
        self, messages: Sequence[Publication], *, wait_s: float = 30.0, give_up: Event | None = None
    ) -> None:
        """Return once the broker has taken all of them: in order, and without a wait after each.

        Waits and raises as `publish` does. How many it has taken by then is not known.
        """

    def close(self) -> None: ...


class Consumer(Protocol):
    """Takes messages from queues, in one thread. Reconnects by itself with back-off."""

    @property
    def generation(self) -> int:
        """Counts the connections; when it grows, everything that was in hand will be delivered again."""

    @property
    def connected(self) -> bool: ...

    def receive(self, timeout_s: float) -> Delivery | None:
        """The next message, or None after the time-out, or after `wake`, or while the broker is away."""

    def wake(self) -> None:
        """Make a waiting `receive` return at once. From any thread."""

    def close(self) -> None:
        """Give back what is in hand and leave."""


class Broker(Protocol):
    """A bus that can be spoken to from threads."""

    def declare(self, sources: Sequence[str], role: str | None = None) -> None:
        """Declare the topology, with one queue per source. Raises TopologyMismatch, BusRefused or BusLost.

        Where the user may not declare, a service (`role` is the name of its user in `permissions`) looks whether
        what it uses is there; without a role everything must be there.
        """

    def declare_queue(self, queue: Queue, bindings: Sequence[Binding], role: str) -> None:
        """Declare the queue of a service that not every installation has. Raises as `declare` does."""

    def declare_stream(self) -> None:
        """Declare the stream of events for tools that were away; nothing on a bus that ends with the process."""

    def publisher(self, name: str) -> Publisher: ...

    def receiver(
        self,
        name: str,
        queues: Sequence[str],
        *,
        prefetch: int,
        prefetch_of: Mapping[str, int] | None = None,
        listen: Sequence[str] = (),
    ) -> Consumer:
        """Consume from the queues, at most `prefetch` messages per queue in hand, or as `prefetch_of` says for a
        queue. `listen` are routing-key patterns of `docket.events`, heard through an exclusive queue besides (always
        acknowledged)."""

    def depth(self, queue: str) -> QueueDepth:
        """A queue that does not exist has depth (0, 0). Raises BusLost; QueueHidden where this user may not look."""

    def identity(self) -> str:
        """The same for all who are connected to this bus, and for no others; empty for a bus within one process.
        Raises BusLost."""

    def close(self) -> None: ...
