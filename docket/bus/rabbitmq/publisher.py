"""Publishing on RabbitMQ with confirms, through kombu. For `bus.rabbitmq.broker` and its consumer."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from enum import Enum
from threading import Event
from typing import Any

import amqp
import kombu

from docket.bus.rabbitmq.address import CONFIRM_TIMEOUT_S, Address
from docket.bus.rabbitmq.connection import LOST, BrokerConnection, account_of, reason_of
from docket.bus.retry import Backoff
from docket.bus.topology import FRAGMENTS
from docket.errors import BusFull, BusLost, Unroutable

log = logging.getLogger(__name__)

_WRITE_TIMEOUT_S = 10.0
"""For one frame (128 KiB). A broker that takes nothing for so long is treated as lost, and `give_up` is heard."""

_LOOK_S = 0.2
"""How often a waiting publisher looks whether it was asked to give up."""

_GIVE_UP_AFTER_S = 1.0
"""A confirm that is on its way is still waited for when asked to give up: a message left half published would
come twice."""

_FULL_PAUSE_S = (0.01, 0.05)
"""Between two attempts to put a message into a full queue."""

_TRANSIENT, _PERSISTENT = 1, 2


class _Answer(Enum):
    TAKEN = "taken"
    FULL = "full"
    UNROUTABLE = "unroutable"


class AmqpPublisher:
    """A `Publisher` with a connection of its own.

    It has no thread that could send heartbeats while it idles: they are off, and the kernel's keepalive and
    TCP_USER_TIMEOUT find a dead peer instead.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._outlet: _Outlet | None = None
        self._in_outage = False

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
        limit = _Limit(wait_s, give_up)
        # py-amqp packs bytes only.
        kept = body if isinstance(body, bytes) else bytes(body)
        message = {
            "exchange": exchange,
            "routing_key": routing_key,
            "headers": dict(headers or {}),
            "mandatory": mandatory,
            "delivery_mode": _PERSISTENT if persistent else _TRANSIENT,
            "content_type": "application/octet-stream" if exchange == FRAGMENTS else "application/json",
        }
        message |= {"reply_to": reply_to} if reply_to else {}
        message |= {"correlation_id": correlation_id} if correlation_id else {}
        backoff = Backoff()
        full: BusFull | None = None
        while True:
            failure: BusFull | BusLost
            try:
                if self._attempt(kept, message, limit):
                    return
            except BusLost as error:
                if full is not None and limit.passed:
                    # Nothing was lost: the time was up before the broker could refuse the message once more.
                    raise full from error
                failure, pause_s, full = error, backoff.next_s(error), None
                self._tell_outage(error)
            else:
                failure = full = BusFull(f"the queue behind {exchange} {routing_key!r} is full")
                pause_s = random.uniform(*_FULL_PAUSE_S)
            if not limit.pause(pause_s):
                raise failure

    def close(self) -> None:
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    def _attempt(self, body: bytes, message: Mapping[str, Any], limit: _Limit) -> bool:
        """Publish once. False: a queue is full. Raises BusLost, BusFull (publishers are blocked), Unroutable."""
        what = f"{message['routing_key']!r} on {message['exchange']}"
        try:
            answer = self._open().send(body, message, limit)
        except amqp.exceptions.ChannelError as error:
            # Not a lost connection but a refusal: no such exchange, no right to write to it.
            self._drop()
            raise Unroutable(f"the broker refuses {what}: {reason_of(error)}") from error
        except BusLost:
            self._drop()
            raise
        except LOST as error:
            self._drop()
            raise BusLost(reason_of(error)) from error
        if answer is _Answer.UNROUTABLE:
            raise Unroutable(f"no queue takes {what}")
        return answer is _Answer.TAKEN

    def _open(self) -> _Outlet:
        if self._outlet is None:
            self._outlet = _Outlet(self._address, self._name)
            if self._in_outage:
                self._in_outage = False
                log.info("%s reached the broker again", self._name)
        return self._outlet

    def _drop(self) -> None:
        if self._outlet is not None:
            self._outlet.abandon()
            self._outlet = None

    def _tell_outage(self, failure: BusLost) -> None:
        if not self._in_outage:
            self._in_outage = True
            log.warning("%s lost the broker and keeps trying: %s", self._name, failure)


class _Limit:
    """How long one publish may take, and who may end it earlier."""

    def __init__(self, wait_s: float, give_up: Event | None) -> None:
        self._deadline_s = time.monotonic() + wait_s
        self._give_up = give_up

    @property
    def passed(self) -> bool:
        return self.remaining_s <= 0 or (self._give_up is not None and self._give_up.is_set())

    @property
    def remaining_s(self) -> float:
        return self._deadline_s - time.monotonic()

    @property
    def step_s(self) -> float:
        """How long to wait before looking again."""
        return max(0.001, min(self.remaining_s, _LOOK_S))

    def pause(self, pause_s: float) -> bool:
        """Wait; False if there is no time left for another attempt."""
        if self.passed:
            return False
        pause_s = min(pause_s, max(self.remaining_s, 0.0))
        if self._give_up is None:
            time.sleep(pause_s)
        else:
            self._give_up.wait(pause_s)
        return not self.passed


class _Outlet:
    """A channel in confirm mode on a connection of its own, with one message under way at a time.

    Confirms are counted here and not by py-amqp's `confirm_publish`, which takes the next confirm that arrives for
    the one it waits for, and so believes in a late one of the message before.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._sent = 0
        self._answered = 0
        self._answer = _Answer.TAKEN
        self._returned = False
        self._blocked = False
        self._account = account_of(address)
        self._wire = BrokerConnection(
            address, name, heartbeat_s=0, on_blocked=self._on_blocked, on_unblocked=self._on_unblocked
        )
        try:
            channel = self._wire.channel()
            channel.confirm_select()
            # Without this handler py-amqp would raise for a returned message and leave its confirm unread.
            channel.events["basic_return"].add(self._on_return)
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            self._producer = kombu.Producer(channel, auto_declare=False)
        except LOST:
            self._wire.abandon()
            raise

    def send(self, body: bytes, message: Mapping[str, Any], limit: _Limit) -> _Answer:
        """Publish and wait for the broker's word. Raises LOST, or BusFull when the broker blocks publishers."""
        # After a BusFull the message before may still be under way.
        self._await(lambda: not self._blocked and self._answered >= self._sent, limit)
        self._returned = False
        self._producer.publish(body, timeout=_WRITE_TIMEOUT_S, user_id=self._account, **message)
        self._sent += 1
        self._await(lambda: self._answered >= self._sent, limit)
        return _Answer.UNROUTABLE if self._returned else self._answer

    def close(self) -> None:
        self._wire.close()

    def abandon(self) -> None:
        self._wire.abandon()

    def _await(self, condition: Callable[[], bool], limit: _Limit) -> None:
        began_s = time.monotonic()
        while not condition():
            waited_s = time.monotonic() - began_s
            late = waited_s > CONFIRM_TIMEOUT_S and not self._blocked
            if late or limit.remaining_s <= 0 or (limit.passed and waited_s > _GIVE_UP_AFTER_S):
                if self._blocked:
                    raise BusFull("the broker blocks publishers: it is short of memory or of disk space")
                raise BusLost("the broker did not confirm the message in time")
            self._wire.drain(limit.step_s)

    def _on_ack(self, delivery_tag: int, _multiple: bool) -> None:
        self._answered, self._answer = delivery_tag, _Answer.TAKEN

    def _on_nack(self, delivery_tag: int, _multiple: bool) -> None:
        self._answered, self._answer = delivery_tag, _Answer.FULL

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, _message: Any) -> None:
        self._returned = True

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False
