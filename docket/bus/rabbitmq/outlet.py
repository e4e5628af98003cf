"""A channel in confirm mode, and how long one publish on it may take. Only `bus.rabbitmq.publisher` uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from threading import Event
from typing import Any

import kombu

from docket.bus.rabbitmq.address import CONFIRM_TIMEOUT_S, Address
from docket.bus.rabbitmq.buffered_transport import WRITE_TIMEOUT_S
from docket.bus.rabbitmq.connection import LOST, BrokerConnection, account_of
from docket.errors import BusFull, BusLost

_LOOK_S = 0.2
"""How often a waiting publisher looks whether it was asked to give up."""

_GIVE_UP_AFTER_S = 1.0
"""A confirm that is on its way is still waited for when asked to give up: a message left half published would
come twice."""


class Limit:
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


class Outlet:
    """A connection of its own with one channel. A call returns when the broker has answered for all that it sent.

    Confirms are counted here and not by py-amqp's `confirm_publish`, which takes the next confirm that arrives for
    the one it waits for, and so believes in a late one of the message before.
    """

    def __init__(self, address: Address, name: str) -> None:
        """Raises LOST."""
        self._sent = 0
        self._unanswered: dict[int, None] = {}
        """Delivery tags in the order in which they were sent."""
        self._refused: set[int] = set()
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

    @property
    def returned(self) -> bool:
        """Whether no queue took a message of the last `send`."""
        return self._returned

    def send(self, messages: Sequence[tuple[bytes, Mapping[str, Any]]], limit: Limit) -> list[int]:
        """Publish them one after the other, and wait for the broker's word on all; the places of those that a full
        queue refused.

        A broker answers for many in about the time that it takes for one. Raises LOST, or BusFull when the broker
        blocks publishers.
        """
        # After a BusFull the messages before may still be under way.
        self._await(lambda: not self._blocked and not self._unanswered, limit)
        self._returned = False
        self._refused.clear()
        first = self._sent + 1
        # A single one may be large, and would be copied.
        with self._wire.together() if len(messages) > 1 else nullcontext():
            for body, message in messages:
                self._producer.publish(body, timeout=WRITE_TIMEOUT_S, user_id=self._account, **message)
                self._sent += 1
                self._unanswered[self._sent] = None
        self._await(lambda: not self._unanswered, limit)
        return [tag - first for tag in sorted(self._refused)]

    def close(self) -> None:
        self._wire.close()

    def abandon(self) -> None:
        self._wire.abandon()

    def _await(self, condition: Callable[[], bool], limit: Limit) -> None:
        began_s = time.monotonic()
        while not condition():
            waited_s = time.monotonic() - began_s
            late = waited_s > CONFIRM_TIMEOUT_S and not self._blocked
            if late or limit.remaining_s <= 0 or (limit.passed and waited_s > _GIVE_UP_AFTER_S):
                if self._blocked:
                    raise BusFull("the broker blocks publishers: it is short of memory or of disk space")
                raise BusLost("the broker did not confirm the message in time")
            self._wire.drain(limit.step_s)

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._answered(delivery_tag, multiple)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refused.update(self._answered(delivery_tag, multiple))

    def _answered(self, delivery_tag: int, multiple: bool) -> list[int]:
        """Strike out what the broker has answered for."""
        tags = [tag for tag in self._unanswered if tag <= delivery_tag] if multiple else [delivery_tag]
        for tag in tags:
            self._unanswered.pop(tag, None)
        return tags

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, _message: Any) -> None:
        self._returned = True

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False
