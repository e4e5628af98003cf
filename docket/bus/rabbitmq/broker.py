"""RabbitMQ through kombu, for threads: the faces of `docket.bus.interface` on a real broker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TypeVar

import amqp

from docket.bus.interface import QueueDepth
from docket.bus.rabbitmq.address import Address
from docket.bus.rabbitmq.connection import LOST, BrokerConnection, reason_of
from docket.bus.rabbitmq.consumer import AmqpConsumer
from docket.bus.rabbitmq.declaration import Declaration
from docket.bus.rabbitmq.publisher import AmqpPublisher
from docket.bus.retry import Unseen
from docket.bus.topology import Binding, Queue
from docket.errors import BusLost, BusRefused, QueueHidden

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class AmqpBroker:
    """A `Broker` on RabbitMQ. Every publisher and receiver has a connection of its own; nothing is shared."""

    def __init__(self, address: Address, name: str = "docket") -> None:
        """`name` goes before the names of publishers and receivers in the broker's list of connections."""
        self._address = address
        self._name = name
        self._control: BrokerConnection | None = None
        self._cluster = ""
        self._lock = Lock()
        self._declaration = Declaration()
        self._unseen = Unseen()

    def declare(self, sources: Sequence[str], role: str | None = None) -> None:
        with self._lock:
            self._ask(lambda wire: self._declaration.declare(wire, sources, role))

    def declare_queue(self, queue: Queue, bindings: Sequence[Binding], role: str) -> None:
        """Raises TopologyMismatch, BusRefused, BusLost."""
        with self._lock:
            self._ask(lambda wire: self._declaration.declare_queue(wire, queue, bindings, role))

    def declare_stream(self) -> None:
        """Declare the stream of events besides. Raises TopologyMismatch, BusRefused, BusLost."""
        with self._lock:
            self._ask(self._declaration.declare_stream)

    def publisher(self, name: str) -> AmqpPublisher:
        return AmqpPublisher(self._address, f"{self._name} {name}")

    def receiver(
        self,
        name: str,
        queues: Sequence[str],
        *,
        prefetch: int,
        prefetch_of: Mapping[str, int] | None = None,
        listen: Sequence[str] = (),
    ) -> AmqpConsumer:
        in_hand = {queue: (prefetch_of or {}).get(queue, prefetch) for queue in queues}
        return AmqpConsumer(self._address, f"{self._name} {name}", in_hand, listen=listen)

    def depth(self, queue: str) -> QueueDepth:
        with self._lock:
            self._unseen.check(queue)
            try:
                return self._ask(lambda wire: _depth(wire, queue))
            except QueueHidden as error:
                self._unseen.add(queue, error)
                raise

    def identity(self) -> str:
        with self._lock:
            if not self._cluster:
                self._cluster = self._ask(lambda wire: wire.cluster)
            return f"{self._cluster} {self._address.vhost}" if self._cluster else ""

    def close(self) -> None:
        """Close the connection for `declare` and `depth`. Publishers and receivers are closed by their owners."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def _ask(self, question: Callable[[BrokerConnection], _Result]) -> _Result:
        """Ask on the control connection. One that broke while it was idle is replaced once. Raises BusLost."""
        idle = self._control is not None
        try:
            if self._control is None:
                self._control = BrokerConnection(self._address, f"{self._name} control", heartbeat_s=0)
            return question(self._control)
        except LOST as error:
            if self._control is not None:
                self._control.abandon()
                self._control = None
            if idle:
                return self._ask(question)
            refused = BusRefused if isinstance(error, amqp.exceptions.AccessRefused) else BusLost
            raise refused(f"lost {self._address}: {reason_of(error)}") from error


def _depth(wire: BrokerConnection, queue: str) -> QueueDepth:
    channel = wire.channel()
    try:
        answer = channel.queue_declare(queue, passive=True)
    except amqp.exceptions.NotFound:
        return QueueDepth(0, 0)
    except amqp.exceptions.AccessRefused as error:
        raise QueueHidden(f"may not look at the queue {queue}: {reason_of(error)}") from error
    finally:
        channel.close()
    return QueueDepth(answer.message_count, answer.consumer_count)
