"""What a service declares on RabbitMQ, and how it goes on where it may not declare. Only the broker's face imports it.

With the shipped rights a service may declare the queues of its own sources and nothing else. The broker writes every
refusal into its log as an error, so what was refused once is not tried again in this process, and a service looks
only at what its role uses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

import amqp
import kombu

from docket.bus import topology
from docket.bus.permissions import COLLECTOR, Role, role
from docket.bus.rabbitmq.connection import BrokerConnection, reason_of
from docket.bus.rabbitmq.replacement import finish_replacement, replace_queue
from docket.errors import BusRefused, NotDeclared, TopologyMismatch

log = logging.getLogger(__name__)

_PASSIVE = True

_OF_REQUESTS = (topology.REQUESTS, topology.UNROUTED)


class _Routing(Enum):
    """How far the broker sends a request to none but the sources that it is for."""

    MADE = auto()
    """This service has bound the exchanges itself, so the earlier bindings may go."""
    FOUND = auto()
    """The exchanges are there, and that they are bound is taken on trust: the earlier bindings stay."""
    ABSENT = auto()
    """Another version of Docket has declared the topology."""


_Declare = Callable[[Any, bool], object]


class Declaration:
    """Declares the topology, and remembers what the broker refused."""

    def __init__(self) -> None:
        self._limited = False
        """Whether the broker has refused a declaration, so that others need not be tried."""
        self._refused: set[str] = set()
        """What may be neither declared nor looked at, and exchanges to which nothing may be bound."""

    def declare(self, wire: BrokerConnection, sources: Sequence[str], role_name: str | None) -> None:
        """Declare what may be declared. Raises NotDeclared, TopologyMismatch, BusRefused, LOST."""
        as_role = None if role_name is None else role(role_name)
        for exchange in topology.EXCHANGES:
            if exchange.name not in _OF_REQUESTS:
                self._exchange(wire, as_role, exchange)
        routing = self._routing(wire, as_role)
        bound = _bindings_for(sources, routing)
        for queue in topology.queues(sources):
            self._queue(wire, as_role, queue, bound.get(queue.name, []))
        self._bind(wire, as_role, sources, routing)

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
                self._exchange(wire, as_role, exchange)
        entity = kombu.Queue(queue.name, durable=True, queue_arguments=queue.arguments)
        self._entity(wire, as_role, "queue", queue.name, partial(_declare_queue, entity))
        channel = wire.channel()
        for binding in bindings:
            kombu.Queue(queue.name)(channel).bind_to(exchange=binding.exchange, routing_key=binding.key)
        channel.close()

    def _exchange(self, wire: BrokerConnection, as_role: Role | None, exchange: topology.Exchange) -> None:
        entity = kombu.Exchange(exchange.name, exchange.kind, durable=True, arguments=exchange.arguments)
        self._entity(wire, as_role, "exchange", exchange.name, partial(_declare_exchange, entity))

    def _routing(self, wire: BrokerConnection, as_role: Role | None) -> _Routing:
        """Declare what sends a request only to the sources that it is for, or see how far the broker has it."""
        try:
            for exchange in topology.EXCHANGES:
                if exchange.name in _OF_REQUESTS:
                    self._exchange(wire, as_role, exchange)
        except NotDeclared:
            if as_role is None:
                raise
            return _Routing.ABSENT
        if self._limited:
            return _Routing.FOUND
        channel = wire.channel()
        try:
            for passage in topology.PASSAGES:
                channel.exchange_bind(passage.target, passage.exchange, passage.key)
        except amqp.exceptions.AccessRefused as error:
            log.debug("takes it on trust that exchanges are bound: %s", reason_of(error))
            return _Routing.FOUND
        finally:
            channel.close()
        return _Routing.MADE

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
            if as_role is None or _replaces(as_role, queue.name):
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

    def _bind(self, wire: BrokerConnection, as_role: Role | None, sources: Sequence[str], routing: _Routing) -> None:
        """Bind the queues that it may bind. Those that it reads lose their earlier bindings once they have today's."""
        channel = wire.channel()
        unbound: set[str] = set()
        for binding in topology.bindings(sources):
            is_absent = routing is _Routing.ABSENT and binding.exchange in _OF_REQUESTS
            if is_absent or not self._bound(channel, as_role, binding):
                unbound.add(binding.queue)
        for binding in topology.earlier_bindings(sources):
            if binding.queue in unbound:
                self._bound(channel, as_role, binding)
            elif routing is _Routing.MADE and (as_role is None or as_role.reads(binding.queue)):
                channel.queue_unbind(binding.queue, binding.exchange, binding.key)
        channel.close()

    def _bound(self, channel: Any, as_role: Role | None, binding: topology.Binding) -> bool:
        """Bind the queue, where it is this service's to bind. False: the broker refused it."""
        own = as_role is not None and as_role.may_configure(binding.queue)
        if self._limited and not own:
            return True
        if binding.exchange in self._refused:
            return False
        try:
            channel.queue_bind(binding.queue, binding.exchange, binding.key, arguments=binding.arguments)
        except amqp.exceptions.AccessRefused as error:
            log.debug("takes it on trust that it is bound: %s", reason_of(error))
            self._refused.add(binding.exchange)
            return False
        return True


def _bindings_for(sources: Sequence[str], routing: _Routing) -> dict[str, list[topology.Binding]]:
    """By queue, the bindings with which no message is lost while the queue is replaced."""
    by_queue: dict[str, list[topology.Binding]] = {}
    for binding in topology.bindings(sources):
        if routing is _Routing.MADE or binding.exchange not in _OF_REQUESTS:
            by_queue.setdefault(binding.queue, []).append(binding)
    if routing is not _Routing.MADE:
        for binding in topology.earlier_bindings(sources):
            by_queue.setdefault(binding.queue, []).append(binding)
    return by_queue


def _declare_exchange(exchange: Any, channel: Any, passive: bool) -> None:
    exchange(channel).declare(passive=passive)


def _replaces(as_role: Role, queue: str) -> bool:
    """Whether a queue of another version is this service's to replace. No service reads dead letters."""
    return as_role.reads(queue) or (queue == topology.DEAD_QUEUE and as_role.name == COLLECTOR)


def _declare_queue(queue: Any, channel: Any, passive: bool) -> None:
    queue(channel).queue_declare(passive=passive)
