"""Publishing on RabbitMQ with confirms, through kombu. For `bus.rabbitmq.broker` and its consumer."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from typing import Any

import amqp

from docket.bus.interface import Publication
from docket.bus.rabbitmq.address import Address
from docket.bus.rabbitmq.connection import LOST, reason_of
from docket.bus.rabbitmq.outlet import Limit, Outlet
from docket.bus.retry import BrokerBackoff
from docket.bus.topology import FRAGMENTS
from docket.errors import BusFull, BusLost, Unroutable

log = logging.getLogger(__name__)

_FULL_PAUSE_S = (0.01, 0.05)
"""Between two attempts to put a message into a full queue."""

_TRANSIENT, _PERSISTENT = 1, 2

_MOST_AT_ONCE = 64
_MOST_BYTES_AT_ONCE = 1024 * 1024
"""What is under way without a confirm, so that neither side waits for the other with full buffers."""

_Prepared = tuple[bytes, dict[str, Any]]
"""A body, and what py-amqp is to send with it."""


class AmqpPublisher:
    """A `Publisher` with a connection of its own.

    It has no thread that could send heartbeats while it idles: they are off, and the kernel's keepalive and
    TCP_USER_TIMEOUT find a dead peer instead.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._outlet: Outlet | None = None
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
        message = Publication(exchange, routing_key, body, headers or {}, persistent)
        properties: dict[str, Any] = {"mandatory": mandatory}
        properties |= {"reply_to": reply_to} if reply_to else {}
        properties |= {"correlation_id": correlation_id} if correlation_id else {}
        self._publish([_prepared(message, **properties)], Limit(wait_s, give_up))

    def publish_all(
        self, messages: Sequence[Publication], *, wait_s: float = 30.0, give_up: Event | None = None
    ) -> None:
        limit = Limit(wait_s, give_up)
        for portion in _portions([_prepared(message) for message in messages]):
            self._publish(portion, limit)

    def close(self) -> None:
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    def _publish(self, messages: Sequence[_Prepared], limit: Limit) -> None:
        """Until the broker has all of them. Raises BusFull, BusLost, Unroutable."""
        backoff = BrokerBackoff()
        full: BusFull | None = None
        while True:
            failure: BusFull | BusLost
            try:
                messages = self._attempt(messages, limit)
                if not messages:
                    return
            except BusLost as error:
                if full is not None and limit.passed:
                    # Nothing was lost: the time was up before the broker could refuse the message once more.
                    raise full from error
                failure, pause_s, full = error, backoff.next_s(error), None
                self._tell_outage(error)
            else:
                what = messages[0][1]
                failure = full = BusFull(f"the queue behind {what['exchange']} {what['routing_key']!r} is full")
                pause_s = random.uniform(*_FULL_PAUSE_S)
            if not limit.pause(pause_s):
                raise failure

    def _attempt(self, messages: Sequence[_Prepared], limit: Limit) -> list[_Prepared]:
        """Publish once; gives those for which a queue is full. Raises BusLost, BusFull (publishers are blocked),
        Unroutable."""
        what = f"{messages[0][1]['routing_key']!r} on {messages[0][1]['exchange']}"
        try:
            outlet = self._open()
            refused = outlet.send(messages, limit)
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
        if outlet.returned:
            raise Unroutable(f"no queue takes {what}")
        return [messages[place] for place in refused]

    def _open(self) -> Outlet:
        if self._outlet is None:
            self._outlet = Outlet(self._address, self._name)
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


def _prepared(message: Publication, **properties: Any) -> _Prepared:
    # py-amqp packs bytes only.
    body = message.body if isinstance(message.body, bytes) else bytes(message.body)
    return body, {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "headers": dict(message.headers),
        "delivery_mode": _PERSISTENT if message.persistent else _TRANSIENT,
        "content_type": "application/octet-stream" if message.exchange == FRAGMENTS else "application/json",
        **properties,
    }


def _portions(messages: Sequence[_Prepared]) -> Iterator[list[_Prepared]]:
    """In order, as many as may be under way at once."""
    portion: list[_Prepared] = []
    size_bytes = 0
    for message in messages:
        size_bytes += len(message[0])
        if portion and (len(portion) >= _MOST_AT_ONCE or size_bytes > _MOST_BYTES_AT_ONCE):
            yield portion
            portion, size_bytes = [], len(message[0])
        portion.append(message)
    if portion:
        yield portion
