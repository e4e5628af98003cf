"""Replacing a queue whose arguments another version of Docket chose. Only the declaration imports it.

RabbitMQ cannot change a queue's arguments. So its messages move to a spare queue, which takes what is published in the
meantime, then into a new queue of the old name. A message may come twice, as everywhere on this bus, and none is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import amqp

from docket.bus.rabbitmq.connection import BrokerConnection
from docket.bus.topology import Binding, Queue
from docket.errors import TopologyMismatch

log = logging.getLogger(__name__)

_CONFIRM_TIMEOUT_S = 30.0


def spare_name(queue: str) -> str:
    return f"{queue}.moving"


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
    moved = _move(channel, queue.name, spare_name(queue.name))
    channel.queue_delete(queue.name)
    _fill(channel, queue, bindings)
    channel.close()
    log.warning("the queue %s is replaced; %d messages were moved", queue.name, moved)


def finish_replacement(wire: BrokerConnection, queue: Queue, bindings: Sequence[Binding]) -> None:
    """Bring back what an interrupted replacement left in the spare queue. Raises LOST."""
    channel = _confirming(wire)
    if _spare(channel, queue).message_count:
        _fill(channel, queue, bindings)
    else:
        channel.queue_delete(spare_name(queue.name))
    channel.close()


def _fill(channel: Any, queue: Queue, bindings: Sequence[Binding]) -> None:
    """Make the new queue, move everything from the spare one into it, and delete that."""
    channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
    for binding in bindings:
        channel.queue_bind(queue.name, binding.exchange, binding.key, arguments=binding.arguments)
        channel.queue_unbind(spare_name(queue.name), binding.exchange, binding.key, arguments=binding.arguments)
    try:
        _move(channel, spare_name(queue.name), queue.name)
    except amqp.exceptions.MessageNacked:
        left = channel.queue_declare(spare_name(queue.name), passive=True).message_count
        log.error(  # a full queue needs no traceback
            "%s is full; %d messages stay in %s until `docket topology`", queue.name, left, spare_name(queue.name)
        )
        return
    channel.queue_delete(spare_name(queue.name))


def _spare(channel: Any, queue: Queue) -> Any:
    # Without bounds, whatever those of the queue are.
    arguments = {"x-queue-type": "classic"}
    return channel.queue_declare(spare_name(queue.name), durable=True, auto_delete=False, arguments=arguments)


def _confirming(wire: BrokerConnection) -> Any:
    channel = wire.channel()
    channel.confirm_select()
    return channel


def _move(channel: Any, origin: str, target: str) -> int:
    """Move the messages with their headers, each acknowledged only when the broker has confirmed its copy.

    Raises LOST, and MessageNacked where the target is full.
    """
    moved = 0
    while (message := channel.basic_get(origin)) is not None:
        # Only its publisher may give a message this property.
        properties = {name: value for name, value in message.properties.items() if name != "user_id"}
        copy = amqp.Message(message.body, channel=channel, **properties)
        channel.basic_publish_confirm(copy, "", target, mandatory=True, confirm_timeout=_CONFIRM_TIMEOUT_S)
        channel.basic_ack(message.delivery_tag)
        moved += 1
    return moved
