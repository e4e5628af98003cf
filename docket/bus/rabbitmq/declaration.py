"""What a service declares on RabbitMQ, and how it goes on where it may not declare. Only the broker's face imports it.

With the shipped rights a service may declare the queues of its own sources and nothing else. The broker writes every
refusal into its log as an error, so what was refused once is not tried again in this process, and a service looks
only at what its role uses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import amqp
import kombu

from docket.bus import topology
from docket.bus.permissions import Role, role
from docket.bus.rabbitmq.connection import BrokerConnection, reason_of
from docket.bus.rabbitmq.replacement import finish_replacement, replace_queue
from docket.errors import BusRefused, NotDeclared, TopologyMismatch

log = logging.getLogger(__name__)

_PASSIVE = True

_Declare = Callable[[Any, bool], object]


class Declaration:
    """Declares the topology, and remembers what the broker refused."""

    def __init__(self) -> None:
        self._limited = False
        """Whether the broker has refused a declaration, so that others need not be tried."""
        self._refused: set[str] = set()
        """What may be neither declared nor looked at."""

    def declare(self, wire: BrokerConnection, sources: Sequence[str], role_name: str | None) -> None:
        """Declare what may be declared. Raises NotDeclared, TopologyMismatch, BusRefused, LOST."""
        as_role = None if role_name is None else role(role_name)
        for exchange in topology.EXCHANGES:
            entity = kombu.Exchange(exchange.name, exchange.kind, durable=True)
            self._entity(wire, as_role, "exchange", exchange.name, partial(_declare_exchange, entity))
        bound: dict[str, list[topology.Binding]] = {}
        for binding in topology.bindings(sources):
            bound.setdefault(binding.queue, []).append(binding)
        for queue in topology.queues(sources):
            self._queue(wire, as_role, queue, bound.get(queue.name, []))
        self._bind(wire, as_role, sources)

    def declare_stream(self, wire: BrokerConnection) -> None:
        """Declare the stream of events. Raises TopologyMismatch, BusRefused, LOST."""
        self.declare_queue(wire, topology.stream_queue(), tuple(topology.stream_bindings()), None)

    def declare_queue(
        self, wire: BrokerConnection, queue: topology.Queue, bindings: Sequence[topology.Binding], role_name: str | None
    ) -> None:
        """Declare one queue besides, with the exchanges that it is bound to. Raises as `declare` does."""
        as_role = None if role_name is None else role(role_name)
        for exchange in topology.EXCHANGES:
            if exchange.name in {binding.exchange for binding in bindings}:
                exchange_entity = kombu.Exchange(exchange.name, exchange.kind, durable=True)
                self._entity(wire, as_role, "exchange", exchange.name, partial(_declare_exchange, exchange_entity))
        entity = kombu.Queue(queue.name, durable=True, queue_arguments=queue.arguments)
        self._entity(wire, as_role, "queue", queue.name, partial(_declare_queue, entity))
        channel = wire.channel()
        for binding in bindings:
            kombu.Queue(queue.name)(channel).bind_to(exchange=binding.exchange, routing_key=binding.key)
        channel.close()

    def _queue(
        self, wire: BrokerConnection, as_role: Role | None, queue: topology.Queue, bindings: Sequence[topology.Binding]
    ) -> None:
        entity = kombu.Queue(queue.name, durable=True, queue_arguments=queue.arguments)
        if as_role is None and not self._limited:
            finish_replacement(wire, queue, bindings)
        try:
            self._entity(wire, as_role, "queue", queue.name, partial(_declare_queue, entity))
        except TopologyMismatch as mismatch:
            if isinstance(mismatch, NotDeclared):
                raise
            # Its reader replaces it, when it has stopped reading; everybody else can use it as it is.
            if as_role is None or as_role.reads(queue.name):
                replace_queue(wire, queue, bindings, str(mismatch), must=as_role is None)

    def _entity(self, wire: BrokerConnection, as_role: Role | None, kind: str, name: str, declare: _Declare) -> None:
        """Declare one exchange or queue, or see that it is there."""
        own = as_role is not None and as_role.may_configure(name)
        if name in self._refused:
            return
        if (own or not self._limited) and self._declared(wire, kind, name, declare):
            return
        if as_role is None or as_role.may_look_at(name):
            self._look(wire, as_role, kind, name, declare)

    def _declared(self, wire: BrokerConnection, kind: str, name: str, declare: _Declare) -> bool:
        """Declare it. False: this user may not. Raises TopologyMismatch."""
        channel = wire.channel()
        try:
            declare(channel, not _PASSIVE)
        except amqp.exceptions.AccessRefused as error:
            log.debug("declares nothing but its own from now on: %s", reason_of(error))
            self._limited = True
            return False
        except amqp.exceptions.PreconditionFailed as error:
            raise TopologyMismatch(
                f"the {kind} {name} is declared differently on the broker ({reason_of(error)})"
            ) from error
        finally:
            channel.close()
        return True

    def _look(self, wire: BrokerConnection, as_role: Role | None, kind: str, name: str, declare: _Declare) -> None:
        """See that it is there. Raises NotDeclared, and BusRefused where nothing can be taken on trust."""
        channel = wire.channel()
        try:
            declare(channel, _PASSIVE)
        except amqp.exceptions.NotFound as error:
            raise NotDeclared(
                f"the {kind} {name} is not there and this user may not declare it; run `docket topology` as one who may"
            ) from error
        except amqp.exceptions.AccessRefused as error:
            if as_role is None:
                words = f"this user may neither declare nor see the {kind} {name}: {reason_of(error)}"
                raise BusRefused(words) from error
            self._refused.add(name)
            log.info("may not look at the %s %s and takes it on trust: %s", kind, name, reason_of(error))
        finally:
            channel.close()

    def _bind(self, wire: BrokerConnection, as_role: Role | None, sources: Sequence[str]) -> None:
        channel = wire.channel()
        for binding in topology.bindings(sources):
            own = as_role is not None and as_role.may_configure(binding.queue)
            if own or not self._limited:
                try:
                    kombu.Queue(binding.queue)(channel).bind_to(exchange=binding.exchange, routing_key=binding.key)
                except amqp.exceptions.AccessRefused as error:
                    log.debug("takes it on trust that it is bound: %s", reason_of(error))
        channel.close()


def _declare_exchange(exchange: Any, channel: Any, passive: bool) -> None:
    exchange(channel).declare(passive=passive)


def _declare_queue(queue: Any, channel: Any, passive: bool) -> None:
    queue(channel).queue_declare(passive=passive)
