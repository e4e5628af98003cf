"""RabbitMQ through kombu, for threads: the faces of `docket.bus.interface` on a real broker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeVar

import amqp
import kombu

from docket.bus import topology
from docket.bus.interface import QueueDepth
from docket.bus.rabbitmq.address import Address
from docket.bus.rabbitmq.connection import LOST, BrokerConnection, reason_of
from docket.bus.rabbitmq.consumer import AmqpConsumer
from docket.bus.rabbitmq.publisher import AmqpPublisher
from docket.errors import BusLost, NotDeclared, TopologyMismatch

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class AmqpBroker:
    """A `Broker` on RabbitMQ. Every publisher and receiver has a connection of its own; nothing is shared."""

    def __init__(self, address: Address, name: str = "docket") -> None:
        """`name` goes before the names of publishers and receivers in the broker's list of connections."""
        self._address = address
        self._name = name
        self._control: BrokerConnection | None = None
        self._lock = Lock()

    def declare(self, sources: Sequence[str]) -> None:
        """Declare the topology. Where the user may not declare, what is needed must be there already."""
        with self._lock:
            self._ask(lambda wire: _declare_all(wire, sources))

    def publisher(self, name: str) -> AmqpPublisher:
        return AmqpPublisher(self._address, f"{self._name} {name}")

    def receiver(self, name: str, queues: Sequence[str], *, prefetch: int, listen: Sequence[str] = ()) -> AmqpConsumer:
        return AmqpConsumer(self._address, f"{self._name} {name}", queues, prefetch=prefetch, listen=listen)

    def depth(self, queue: str) -> QueueDepth:
        with self._lock:
            return self._ask(lambda wire: _depth(wire, queue))

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
            raise BusLost(f"lost {self._address}: {reason_of(error)}") from error


def _declare_all(wire: BrokerConnection, sources: Sequence[str]) -> None:
    for exchange in topology.EXCHANGES:
        entity = kombu.Exchange(exchange.name, exchange.kind, durable=True)
        _declare(wire, f"exchange {exchange.name}", entity, lambda bound, passive: bound.declare(passive=passive))
    for queue in topology.queues(sources):
        entity = kombu.Queue(queue.name, durable=True, queue_arguments=queue.arguments)
        _declare(wire, f"queue {queue.name}", entity, lambda bound, passive: bound.queue_declare(passive=passive))
    channel = wire.channel()
    for binding in topology.bindings(sources):
        queue_entity = kombu.Queue(binding.queue)(channel)
        try:
            queue_entity.bind_to(exchange=binding.exchange, routing_key=binding.key)
        except amqp.exceptions.AccessRefused:
            log.debug("may not bind %s to %s; trusting that it is bound", binding.queue, binding.exchange)
    channel.close()


def _declare(wire: BrokerConnection, what: str, entity: Any, declare: Callable[[Any, bool], Any]) -> None:
    """Declare one exchange or queue, or see that it is there. Raises NotDeclared, TopologyMismatch, LOST."""
    try:
        channel = wire.channel()
        try:
            declare(entity(channel), False)
        except amqp.exceptions.AccessRefused:
            # A service with the least rights: looking is allowed to everybody who may enter the vhost.
            declare(entity(channel), True)
        channel.close()
    except amqp.exceptions.NotFound as error:
        raise NotDeclared(
            f"the {what} is not there and this user may not declare it; run `docket topology` as one who may"
        ) from error
    except amqp.exceptions.PreconditionFailed as error:
        raise TopologyMismatch(
            f"the {what} is declared differently on the broker ({reason_of(error)}); delete it there and start again"
        ) from error


def _depth(wire: BrokerConnection, queue: str) -> QueueDepth:
    channel = wire.channel()
    try:
        answer = channel.queue_declare(queue, passive=True)
    except amqp.exceptions.NotFound:
        return QueueDepth(0, 0)
    finally:
        channel.close()
    return QueueDepth(answer.message_count, answer.consumer_count)
