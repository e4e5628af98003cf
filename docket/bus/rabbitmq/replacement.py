"""Replacing a queue whose arguments another version of Docket chose. Only the declaration imports it.

RabbitMQ cannot change a queue's arguments. So its messages move to a spare queue, which takes what is published in the
meantime, then into a new queue of the old name. A message may come twice, as everywhere on this bus, and none is lost.

They keep what their readers judge them by. An exchange of the spare queue's name carries them, so that each keeps its
routing key; and whose they are stands in a header, since only the sender's own connection may give `user_id`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import amqp

from docket.bus.rabbitmq.connection import BrokerConnection
from docket.bus.topology import Binding, Queue
from docket.errors import TopologyMismatch

log = logging.getLogger(__name__)

_CONFIRM_TIMEOUT_S = 30.0
_SPARE = ".moving"

SENT_BY_HEADER = "x-docket-sent-by"
"""Whom a message was from before it was moved; empty: it did not say. Believed of the reader's own account alone."""


def spare_name(queue: str) -> str:
    return f"{queue}{_SPARE}"


def replace_queue(wire: BrokerConnection, queue: Queue, bindings: Sequence[Binding], why: str, *, must: bool) -> None:
    """Give the queue today's arguments, if it has no consumer; else go on with it as it is.

    Raises LOST, and TopologyMismatch where it `must` be replaced and is read by a service that runs.
    """
    channel = wire.channel()
    consumers = channel.queue_declare(queue.name, passive=True).consumer_count
    channel.close()
    if consumers and must:
        raise TopologyMismatch(f"{why}; stop the service that reads it, then it is replaced")
    if consumers:
        log.warning("%s; it is used as it is until the service that reads it is started again", why)
        return
    log.warning("%s; it is replaced, and its messages are kept", why)
    channel = _confirming(wire)
    _spare(channel, queue)
    for binding in bindings:
        channel.queue_bind(spare_name(queue.name), binding.exchange, binding.key, arguments=binding.arguments)
        channel.queue_unbind(queue.name, binding.exchange, binding.key, arguments=binding.arguments)
    moved = _move(wire, channel, queue.name, spare_name(queue.name))
    channel.queue_delete(queue.name)
    _fill(wire, channel, queue, bindings)
    channel.close()
    log.warning("the queue %s is replaced; %d messages were moved", queue.name, moved)


def finish_replacement(wire: BrokerConnection, queue: Queue, bindings: Sequence[Binding]) -> None:
    """Bring back what an interrupted replacement left in the spare queue. Raises LOST."""
    channel = _confirming(wire)
    if _spare(channel, queue).message_count:
        _fill(wire, channel, queue, bindings)
    else:
        channel.queue_delete(spare_name(queue.name))
        channel.exchange_delete(spare_name(queue.name))
    channel.close()


def _fill(wire: BrokerConnection, channel: Any, queue: Queue, bindings: Sequence[Binding]) -> None:
    """Make the new queue, move everything from the spare one into it, and delete that."""
    channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
    for binding in bindings:
        channel.queue_bind(queue.name, binding.exchange, binding.key, arguments=binding.arguments)
        channel.queue_unbind(spare_name(queue.name), binding.exchange, binding.key, arguments=binding.arguments)
    try:
        _move(wire, channel, spare_name(queue.name), queue.name)
    except amqp.exceptions.MessageNacked:
        left = channel.queue_declare(spare_name(queue.name), passive=True).message_count
        log.error(  # a full queue needs no traceback
            "%s is full; %d messages stay in %s until `docket topology`", queue.name, left, spare_name(queue.name)
        )
        return
    channel.queue_delete(spare_name(queue.name))
    channel.exchange_delete(spare_name(queue.name))


def _spare(channel: Any, queue: Queue) -> Any:
    # Without bounds, whatever those of the queue are.
    arguments = {"x-queue-type": "classic"}
    return channel.queue_declare(spare_name(queue.name), durable=True, auto_delete=False, arguments=arguments)


def _confirming(wire: BrokerConnection) -> Any:
    channel = wire.channel()
    channel.confirm_select()
    return channel


def _move(wire: BrokerConnection, channel: Any, origin: str, target: str) -> int:
    """Move the messages with their headers, each acknowledged only when the broker has confirmed its copy.

    Raises LOST, and MessageNacked where the target is full.
    """
    exchange = _carrier(channel, origin, target)
    moved = 0
    while (message := channel.basic_get(origin)) is not None:
        copy = amqp.Message(message.body, channel=channel, **_signed(message.properties, wire.account))
        key = message.delivery_info["routing_key"]
        channel.basic_publish_confirm(copy, exchange, key, mandatory=True, confirm_timeout=_CONFIRM_TIMEOUT_S)
        channel.basic_ack(message.delivery_tag)
        moved += 1
    return moved


def _carrier(channel: Any, origin: str, target: str) -> str:
    """The exchange that leads to the target alone."""
    exchange = origin if origin.endswith(_SPARE) else target
    channel.exchange_declare(exchange, "fanout", durable=True, auto_delete=False)
    channel.queue_bind(target, exchange)
    channel.queue_unbind(origin, exchange)
    return exchange


def _signed(properties: Mapping[str, Any], account: str) -> dict[str, Any]:
    """What the copy has in place of the message's: this user as its publisher, and before whom it was from."""
    before = properties.get("user_id") or ""
    headers = dict(properties.get("application_headers") or {})
    if before != account:
        headers[SENT_BY_HEADER] = before
    return {**properties, "application_headers": headers, "user_id": account}
