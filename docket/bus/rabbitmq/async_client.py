"""RabbitMQ for Tornado's loop: keeps a session, subscribes again after each loss, publishes with patience."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from docket.bus.async_interface import ChangeCallback, EventCallback
from docket.bus.interface import QueueDepth
from docket.bus.memory.routing import topic_matches
from docket.bus.rabbitmq.address import CONFIRM_TIMEOUT_S, Address
from docket.bus.rabbitmq.pika_session import Answer, Session, open_session
from docket.bus.retry import BrokerBackoff, Unseen
from docket.errors import BusFull, BusLost, QueueHidden, Unroutable

log = logging.getLogger(__name__)

_FULL_PAUSE_S = 0.03
"""Between two attempts to put a message into a full queue."""

_DEPTHS_TIMEOUT_S = 5.0
"""A broker that has just raised an alarm may leave the question unanswered until the alarm ends."""

_BLOCKED = "the broker blocks publishers: it is short of memory or of disk space"


class AmqpAsyncClient:
    """A `AsyncBusClient` to RabbitMQ."""

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._listeners: list[tuple[tuple[str, ...], EventCallback]] = []
        self._changes: list[ChangeCallback] = []
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._side_tasks: set[asyncio.Task[None]] = set()
        self._unseen = Unseen()

    @property
    def connected(self) -> bool:
        return self._session is not None

    async def start(self) -> None:
        # pika writes several lines and a traceback per failed attempt; this link writes one per outage.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._keeper = asyncio.create_task(self._keep())
        await self._tried.wait()

    async def stop(self) -> None:
        if self._keeper is None:
            return
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        self._keeper = None
        session = self._session
        self._set(None)
        # Those who wait for a session shall see that none will come.
        self._up.set()
        if session is not None:
            await session.close()

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        failure: BusFull | BusLost | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    session = await self._ready()
                    try:
                        answer = await _confirmed(
                            session, session.send(exchange, routing_key, body, headers, mandatory=mandatory)
                        )
                    except BusLost as error:
                        failure = error
                    else:
                        if answer is Answer.TAKEN:
                            return
                        if answer is Answer.UNROUTABLE:
                            raise Unroutable(f"no queue takes {routing_key!r} on {exchange}")
                        failure = BusFull(f"the queue behind {exchange} {routing_key!r} is full")
                    await asyncio.sleep(_FULL_PAUSE_S)
        except TimeoutError as error:
            raise self._why_not(failure) from error

    def listen(self, patterns: Sequence[str], callback: EventCallback) -> None:
        self._listeners.append((tuple(patterns), callback))
        if self._session is not None:
            task = asyncio.create_task(self._subscribe(self._session))
            self._side_tasks.add(task)
            task.add_done_callback(self._side_tasks.discard)

    def on_change(self, callback: ChangeCallback) -> None:
        self._changes.append(callback)

    async def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        session = self._session
        if session is None:
            raise BusLost(f"not connected to {self._address}")
        if not session.unblocked.is_set():
            # It does not read this connection any more, so it would not answer.
            raise BusFull(_BLOCKED)
        depths = {}
        try:
            async with asyncio.timeout(_DEPTHS_TIMEOUT_S):
                for queue in queues:
                    with suppress(QueueHidden):
                        depths[queue] = await self._depth(session, queue)
        except TimeoutError as error:
            raise BusLost("the broker did not say in time how full its queues are") from error
        return depths

    async def _depth(self, session: Session, queue: str) -> QueueDepth:
        """Raises BusLost, and QueueHidden where this user may not look."""
        self._unseen.check(queue)
        try:
            return await session.depth(queue)
        except QueueHidden as error:
            self._unseen.add(queue, error)
            raise

    async def _ready(self) -> Session:
        """The session, as soon as there is one that takes messages. Raises BusLost after `stop`."""
        while True:
            await self._up.wait()
            if self._keeper is None:
                raise BusLost("the link is stopped")
            session = self._session
            if session is not None:
                await session.unblocked.wait()
                if session is self._session:
                    return session

    def _why_not(self, failure: BusFull | BusLost | None) -> BusFull | BusLost:
        """Why a message could not be published in time; `failure` is the last answer."""
        if self._session is None:
            return BusLost(f"not connected to {self._address}")
        if not self._session.unblocked.is_set():
            return BusFull(_BLOCKED)
        return failure or BusLost("the broker did not confirm the message in time")

    async def _keep(self) -> None:
        """Keep a session until cancelled."""
        backoff = BrokerBackoff()
        in_outage = False
        while True:
            failure: BusLost | None = None
            try:
                session = await open_session(self._address, self._name, self._patterns(), self._on_event)
            except BusLost as error:
                failure, reason = error, str(error)
            else:
                if in_outage:
                    log.info("%s is connected to the broker again", self._name)
                in_outage = False
                backoff.reset()
                # What was added while the session opened.
                await self._subscribe(session)
                self._set(session)
                self._tried.set()
                reason = await session.lost
                self._set(None)
            self._tried.set()
            if not in_outage:
                log.warning("%s lost the broker and keeps trying: %s", self._name, reason)
            in_outage = True
            await asyncio.sleep(backoff.next_s(failure))

    def _set(self, session: Session | None) -> None:
        if session is self._session:
            return
        self._session = session
        if session is None:
            self._up.clear()
        else:
            self._up.set()
        loop = asyncio.get_running_loop()
        for callback in self._changes:
            # Not called from here: what it raises must not end the keeper.
            loop.call_soon(callback, session is not None)

    def _patterns(self) -> list[str]:
        return sorted({pattern for patterns, _ in self._listeners for pattern in patterns})

    async def _subscribe(self, session: Session) -> None:
        """Let the session hear what it does not hear yet. If it is lost, the next one will."""
        with suppress(BusLost):
            missing = [pattern for pattern in self._patterns() if pattern not in session.patterns]
            if missing:
                await session.listen(missing)

    def _on_event(self, routing_key: str, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        for patterns, callback in self._listeners:
            if any(topic_matches(pattern, routing_key) for pattern in patterns):
                # Not called from here: what it raises must not end up in pika.
                loop.call_soon(callback, routing_key, body)


async def _confirmed(session: Session, answer: asyncio.Future[Answer]) -> Answer:
    """The broker's answer, awaited for CONFIRM_TIMEOUT_S; then the session is of no use. Raises BusLost, Unroutable."""
    try:
        async with asyncio.timeout(CONFIRM_TIMEOUT_S):
            return await answer
    except TimeoutError as error:
        if session.unblocked.is_set():
            session.abort("the broker did not confirm a message in time")
        raise BusLost("the broker did not confirm the message in time") from error
