"""Receiving from RabbitMQ through kombu, pull style. Only `docket.bus.rabbitmq.broker` makes receivers.

One thread reads and writes the connection. What other threads want (settle, wake) is put aside and carried out
by that thread, which sleeps on the connection's socket and on a pipe at the same time.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import amqp
import kombu

from docket.bus import topology
from docket.bus.dead_letters import DEAD_LETTERS, DELIVERY_COUNT_HEADER, dead_headers
from docket.bus.rabbitmq.address import HEARTBEAT_S, Address
from docket.bus.rabbitmq.connection import LOST, BrokerConnection, account_of, reason_of
from docket.bus.rabbitmq.publisher import AmqpPublisher
from docket.bus.rabbitmq.replacement import SENT_BY_HEADER
from docket.bus.retry import BrokerBackoff
from docket.bus.senders import objection_to_event
from docket.bus.wakeup import Wakeup
from docket.errors import BusError, BusLost, BusRefused

log = logging.getLogger(__name__)

_LOOK_S = 2.0
"""Longest sleep between two looks at the heartbeats."""

_BURIAL_WAIT_S = 5.0
"""How long a dead letter may take to be confirmed; then the message goes back and is tried again."""


class _Action(Enum):
    ACK = "ack"
    REQUEUE = "requeue"
    DEAD = "dead"


class _Settlement(NamedTuple):
    delivery: AmqpDelivery
    action: _Action
    reason: str


class AmqpDelivery:
    """A `Delivery` from RabbitMQ."""

    __slots__ = (
        "_exchange",
        "_receiver",
        "_settled",
        "_tag",
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

    def __init__(self, receiver: AmqpConsumer, queue: str, message: Any) -> None:
        properties = message.properties
        info = message.delivery_info
        # py-amqp leaves an empty text where there was no body.
        self.body: bytes = message.body or b""
        self.headers: Mapping[str, Any] = properties.get("application_headers") or {}
        self.queue = queue
        self.routing_key: str = info["routing_key"]
        self.user_id = _sender(properties.get("user_id"), self.headers, receiver.account)
        self.reply_to: str = properties.get("reply_to") or ""
        self.correlation_id: str = properties.get("correlation_id") or ""
        self.account: str | None = receiver.account
        self.count = _count(self.headers, info["redelivered"])
        self.generation = receiver.generation
        self._exchange: str = info["exchange"]
        self._receiver = receiver
        self._settled = False
        self._tag: int = info["delivery_tag"]

    def ack(self) -> None:
        self._settle(_Action.ACK)

    def requeue(self) -> None:
        self._settle(_Action.REQUEUE)

    def dead(self, reason: str) -> None:
        self._settle(_Action.DEAD, reason)

    def carry_out(self, channel: Any, action: _Action) -> None:
        """Tell the broker. Raises LOST."""
        # What came through `listen` was acknowledged when it was sent.
        if self.queue:
            if action is _Action.ACK:
                channel.basic_ack(self._tag)
            else:
                channel.basic_reject(self._tag, requeue=True)

    def dead_headers(self, reason: str) -> dict[str, Any]:
        return dead_headers(
            self.headers, reason=reason, exchange=self._exchange, routing_key=self.routing_key, queue=self.queue
        )

    def _settle(self, action: _Action, reason: str = "") -> None:
        # The broker closes the channel on which a message is settled twice.
        if not self._settled:
            self._settled = True
            self._receiver.settle(_Settlement(self, action, reason))


class AmqpConsumer:
    """A `Consumer` with a connection of its own, opened by the first `receive`.

    `receive` must be called at least every 2 * HEARTBEAT_S; else the broker takes everything back and gives it to
    another. While the broker is away, one attempt to connect may exceed the time-out by CONNECT_TIMEOUT_S.
    """

    def __init__(self, address: Address, name: str, prefetch: Mapping[str, int], *, listen: Sequence[str]) -> None:
        """`prefetch` says how many messages of each queue may be in hand."""
        self._address = address
        self._name = name
        self._prefetch = dict(prefetch)
        self.account = ""
        self._listen = tuple(listen)
        self._generation = 0
        self._wire: BrokerConnection | None = None
        self._channel: Any = None
        self._arrived: deque[AmqpDelivery] = deque()
        self._settlements: deque[_Settlement] = deque()
        self._waker = Wakeup()
        self._woken = False
        self._asleep = False
        self._closed = False
        self._backoff = BrokerBackoff()
        self._connect_at_s = 0.0
        self._in_outage = False
        self._undertaker: AmqpPublisher | None = None

    @property
    def generation(self) -> int:
        return self._generation

    @property
    def connected(self) -> bool:
        return self._wire is not None

    def receive(self, timeout_s: float) -> AmqpDelivery | None:
        deadline_s = time.monotonic() + timeout_s
        while not self._closed:
            remaining_s = deadline_s - time.monotonic()
            try:
                self._carry_out_settlements()
                if not self._arrived:
                    self._sleep(0.0 if self._woken else max(remaining_s, 0.0))
            except (BusLost, *LOST) as error:
                self._lose(error)
            if self._arrived:
                return self._arrived.popleft()
            if self._woken or remaining_s <= 0:
                break
        self._woken = False
        return None

    def wake(self) -> None:
        self._woken = True
        self._waker.wake()

    def close(self) -> None:
        """Carry out what was settled, give back the rest and leave. By the thread that received, or after its end."""
        if self._closed:
            return
        try:
            self._carry_out_settlements()
        except LOST as error:
            self._lose(error)
        self._closed = True
        self._arrived.clear()
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        if self._undertaker is not None:
            self._undertaker.close()
        self._waker.close()

    def settle(self, settlement: _Settlement) -> None:
        """Put a settlement aside for the receiving thread. From any thread."""
        self._settlements.append(settlement)
        # The sleeper says so before it looks at the settlements for the last time, so one of the two sees the other.
        if self._asleep:
            self._waker.wake()

    def _sleep(self, timeout_s: float) -> None:
        """Wait until something arrives or is asked of this thread. Raises LOST."""
        wire = self._wire
        if wire is None:
            wait_s = self._connect_at_s - time.monotonic()
            if wait_s > 0:
                self._waker.sleep(min(timeout_s, wait_s))
                return
            wire = self._connect()
        self._asleep = True
        idle = not (self._settlements or self._woken)
        readable = wire.wait(min(timeout_s, _LOOK_S) if idle else 0.0)
        self._asleep = False
        self._waker.rewind()
        while readable and not self._arrived and wire.drain():
            readable = wire.wait(0.0)
        # Only after reading: heartbeats that came while this thread was busy lie in the socket.
        wire.beat()

    def _connect(self) -> BrokerConnection:
        """Open the connection and begin to consume. Raises LOST, BusLost."""
        # An attempt that fails must not be repeated at once, whatever it fails at.
        self._connect_at_s = time.monotonic() + self._backoff.next_s()
        wire = BrokerConnection(self._address, self._name, heartbeat_s=HEARTBEAT_S)
        self._generation += 1
        try:
            self.account = account_of(self._address)
            channel = wire.channel()
            for queue, in_hand in self._prefetch.items():
                # It holds for the consumers that begin after it.
                channel.basic_qos(0, in_hand, False)
                kombu.Queue(queue)(channel).consume(queue, partial(self._arrive, queue), no_ack=False)
            if self._listen:
                self._begin_to_listen(channel)
        except amqp.exceptions.ChannelError as error:
            wire.abandon()
            self._arrived.clear()
            refused = BusRefused if isinstance(error, amqp.exceptions.AccessRefused) else BusLost
            raise refused(f"cannot consume from {', '.join(self._prefetch)}: {reason_of(error)}") from error
        except LOST:
            wire.abandon()
            self._arrived.clear()
            raise
        wire.also_wake_on(self._waker.fd)
        self._wire, self._channel = wire, channel
        self._backoff.reset()
        if self._in_outage:
            self._in_outage = False
            log.info("%s is connected to the broker again", self._name)
        return wire

    def _begin_to_listen(self, channel: Any) -> None:
        """Hear the events through a queue that lives as long as this connection."""
        declared = topology.listener_queue(self._name)
        queue = kombu.Queue(
            declared.name,
            durable=False,
            exclusive=True,
            auto_delete=True,
            queue_arguments=declared.arguments,
        )(channel)
        queue.queue_declare()
        for pattern in self._listen:
            queue.bind_to(exchange=topology.EVENTS, routing_key=pattern)
        queue.consume(declared.name, partial(self._arrive, ""), no_ack=True)

    def _arrive(self, queue: str, message: Any) -> None:
        delivery = AmqpDelivery(self, queue, message)
        if not queue:
            reason = objection_to_event(delivery.routing_key, delivery.user_id, bytes(delivery.body), self.account)
            if reason:
                log.warning("%s: an event %s is not believed: %s", self._name, delivery.routing_key[:40], reason)
                return
        self._arrived.append(delivery)

    def _carry_out_settlements(self) -> None:
        while self._settlements:
            settlement = self._settlements.popleft()
            delivery = settlement.delivery
            if self._wire is None or delivery.generation != self._generation:
                continue
            action = settlement.action
            if action is _Action.DEAD:
                action = self._bury(delivery, settlement.reason)
            delivery.carry_out(self._channel, action)

    def _bury(self, delivery: AmqpDelivery, reason: str) -> _Action:
        """Publish the dead letter; the message itself may go only when that was confirmed."""
        if self._undertaker is None:
            self._undertaker = AmqpPublisher(self._address, f"{self._name} dead letters")
        try:
            self._undertaker.publish(
                topology.DEAD,
                delivery.routing_key,
                delivery.body,
                headers=delivery.dead_headers(reason),
                mandatory=True,
                wait_s=_BURIAL_WAIT_S,
            )
        except BusError as error:
            log.error("%s cannot publish to %s, the message goes back: %s", self._name, topology.DEAD, error)
            return _Action.REQUEUE
        DEAD_LETTERS.labels(delivery.queue).inc()
        return _Action.ACK

    def _lose(self, error: BaseException) -> None:
        """Let go of a broken connection; everything in hand will be delivered again."""
        if self._wire is not None:
            self._wire.abandon()
        self._wire = self._channel = None
        if isinstance(error, BusRefused):
            self._connect_at_s = time.monotonic() + self._backoff.next_s(error)
        self._arrived.clear()
        if not self._in_outage:
            self._in_outage = True
            log.warning("%s lost the broker and keeps trying: %s", self._name, reason_of(error))


def _sender(user_id: str | None, headers: Mapping[str, Any], own: str | None) -> str | None:
    """Whom the broker vouches for; of a message that this account has moved, whom it vouched for before."""
    if own and user_id == own and SENT_BY_HEADER in headers:
        return str(headers[SENT_BY_HEADER]) or None
    return user_id


def _count(headers: Mapping[str, Any], redelivered: bool) -> int:
    """How many times the message was delivered, this time included; classic queues only know "again"."""
    if not redelivered:
        return 1  # the header, if there is one, is the publisher's
    returns = headers.get(DELIVERY_COUNT_HEADER)
    return 1 + (returns if isinstance(returns, int) else 1)
