"""One connection to RabbitMQ in Tornado's loop. The only file that imports pika; for `bus.rabbitmq.async_client`.

pika calls back; this turns its callbacks into futures. A channel that dies alone is treated as a lost connection,
and a session that was lost is never used again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import pika
from pika.adapters.tornado_connection import TornadoConnection
from pika.exceptions import (
    AMQPError,
    ChannelClosed,
    ConnectionClosed,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from pika.spec import Basic
from tornado.ioloop import IOLoop

from docket.bus import topology
from docket.bus.interface import QueueDepth
from docket.bus.rabbitmq.address import CONNECT_TIMEOUT_S, HEARTBEAT_S, UNANSWERED_MS, Address
from docket.bus.senders import objection_to_event
from docket.errors import BusLost, BusRefused, QueueHidden, Unroutable

logger = logging.getLogger(__name__)

_OPEN_TIMEOUT_S = 15.0
"""For everything from the TCP connection to the last subscription."""

_CLOSE_TIMEOUT_S = 2.0
"""A broker that blocks its publishers does not answer to a farewell."""

_PERSISTENT = 2

_NOT_FOUND, _ACCESS_REFUSED, _NOT_ALLOWED = 404, 403, 530


class Answer(Enum):
    """What the broker said to a message."""

    TAKEN = "taken"
    FULL = "full"
    UNROUTABLE = "unroutable"


class Session:
    """An open connection, with a channel to publish and one to listen. Made by `open_session`."""

    def __init__(self, on_event: Callable[[str, bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        """Done when the connection is gone, with the reason."""
        self.unblocked = asyncio.Event()
        """Clear while the broker is short of memory or disk space and does not read what is published."""
        self.unblocked.set()
        self.patterns: set[str] = set()
        """What it listens to."""
        self._on_event = on_event
        self._account = ""
        self._ended = asyncio.Event()
        self._connection: Any = None
        self._publishing: Any = None
        self._listening: Any = None
        self._queue = topology.listener_queue("")
        self._sent = 0
        self._confirms: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        self._returned: set[int] = set()
        self._pending: set[asyncio.Future[Any]] = set()

    async def connect(self, address: Address, name: str, patterns: Sequence[str]) -> None:
        """Connect, subscribe and get ready to publish. Raises BusLost."""
        try:
            self._account = address.account
        except ValueError as error:
            raise BusLost(f"cannot tell the user from the certificate: {error}") from error
        except OSError as error:
            raise BusLost(_reason(error)) from error
        with _translated():
            await self._connect(address, name)
        if patterns:
            await self.listen(patterns)

    async def _connect(self, address: Address, name: str) -> None:
        self._queue = topology.listener_queue(name)
        opened = self._future()
        self._connection = TornadoConnection(
            _parameters(address, name),
            on_open_callback=lambda _connection: _resolve(opened, None),
            on_open_error_callback=lambda _connection, error: self._not_opened(address, error),
            on_close_callback=lambda _connection, reason: self._end(_reason(reason)),
            custom_ioloop=IOLoop.current(),
        )
        await opened
        self._connection.add_on_connection_blocked_callback(lambda *_: self.unblocked.clear())
        self._connection.add_on_connection_unblocked_callback(lambda *_: self.unblocked.set())
        self._publishing = await self._channel(self._on_channel_closed)
        self._publishing.add_on_return_callback(self._on_return)
        await self._ask(lambda done: self._publishing.confirm_delivery(self._on_confirm, callback=done))

    async def listen(self, patterns: Sequence[str]) -> None:
        """Hear the events that match, through one exclusive queue. Raises BusLost."""
        with _translated():
            if self._listening is None:
                await self._begin_to_listen()
            for pattern in patterns:
                await self._ask(
                    lambda done, key=pattern: self._listening.queue_bind(
                        self._queue.name, topology.EVENTS, routing_key=key, callback=done
                    )
                )
                self.patterns.add(pattern)

    def send(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, str] | None, *, mandatory: bool
    ) -> asyncio.Future[Answer]:
        """Publish; the future gets the broker's answer, or raises BusLost or Unroutable. Raises BusLost."""
        tag = self._sent + 1
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=_PERSISTENT,
            message_id=str(tag),
            headers=None if headers is None else dict(headers),
            user_id=self._account,
        )
        with _translated():
            self._publishing.basic_publish(exchange, routing_key, body, properties, mandatory)
        self._sent = tag
        answered = self._future()
        self._confirms[tag] = exchange, answered
        return answered

    async def depth(self, queue: str) -> QueueDepth:
        """Ask on a channel of its own, since the broker closes it if there is no such queue. Raises BusLost."""
        answered = self._future()

        def on_closed(_channel: Any, reason: BaseException) -> None:
            if isinstance(reason, ChannelClosed) and reason.reply_code == _NOT_FOUND:
                _resolve(answered, QueueDepth(0, 0))
            if isinstance(reason, ChannelClosed) and reason.reply_code == _ACCESS_REFUSED:
                _fail(answered, QueueHidden(f"may not look at the queue {queue}: {_reason(reason)}"))
            _fail(answered, BusLost(_reason(reason)))

        def on_declared(frame: Any) -> None:
            _resolve(answered, QueueDepth(frame.method.message_count, frame.method.consumer_count))

        with _translated():
            channel = await self._channel(on_closed)
            channel.queue_declare(queue, passive=True, callback=on_declared)
            depth: QueueDepth = await answered
            if channel.is_open:
                channel.close()
        return depth

    def abort(self, reason: str) -> None:
        """Give the connection up."""
        self._lose(reason)
        if self._connection is not None:
            with suppress(AMQPError):
                self._connection.close()

    async def close(self) -> None:
        """Say farewell and wait for the answer, for a moment."""
        self.abort("closed")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._ended.wait()

    async def _begin_to_listen(self) -> None:
        self._listening = await self._channel(self._on_channel_closed)
        self._listening.add_on_cancel_callback(lambda _frame: self.abort("the queue of events was deleted"))
        name, arguments = self._queue.name, self._queue.arguments
        await self._ask(
            lambda done: self._listening.queue_declare(
                name, exclusive=True, auto_delete=True, arguments=arguments, callback=done
            )
        )
        await self._ask(
            lambda done: self._listening.basic_consume(name, self._on_delivery, auto_ack=True, callback=done)
        )

    async def _channel(self, on_closed: Callable[[Any, BaseException], None]) -> Any:
        def on_open(channel: Any) -> None:
            channel.add_on_close_callback(on_closed)
            _resolve(opened, channel)

        opened = self._future()
        self._connection.channel(on_open_callback=on_open)
        return await opened

    async def _ask(self, method: Callable[..., Any]) -> None:
        answered = self._future()
        method(lambda frame: _resolve(answered, frame))
        await answered

    def _future(self) -> asyncio.Future[Any]:
        """A future that fails with BusLost if the connection is lost before it is done."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.lost.done():
            _fail(future, BusLost(self.lost.result()))
        else:
            self._pending.add(future)
            future.add_done_callback(self._pending.discard)
        return future

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        # A thread that waits for this must see that there is nothing to wait for.
        self.unblocked.set()
        for future in tuple(self._pending):
            _fail(future, BusLost(reason))
        self._confirms.clear()

    def _end(self, reason: str) -> None:
        """The connection is closed, by either side."""
        self._ended.set()
        self._lose(reason)

    def _not_opened(self, address: Address, error: BaseException) -> None:
        reason = f"{address}: {_reason(error)}"
        if _refuses(error):
            for future in tuple(self._pending):
                _fail(future, BusRefused(reason))
        self._end(reason)

    def _on_channel_closed(self, channel: Any, reason: BaseException) -> None:
        if self._connection.is_closing or self._connection.is_closed:
            # The channels go first when a connection is closed.
            return
        refused = isinstance(reason, ChannelClosed) and reason.reply_code in (_NOT_FOUND, _ACCESS_REFUSED)
        if channel is self._publishing and refused:
            # The broker names the exchange but not the message; others that were under way are published again.
            for exchange, answered in tuple(self._confirms.values()):
                if f"'{exchange}'" in str(reason):
                    _fail(answered, Unroutable(f"the broker refuses the message: {_reason(reason)}"))
        self.abort(_reason(reason))

    def _on_confirm(self, frame: Any) -> None:
        tag, answer = frame.method.delivery_tag, Answer.TAKEN
        if isinstance(frame.method, Basic.Nack):
            answer = Answer.FULL
        tags = [tag] if not frame.method.multiple else [known for known in self._confirms if known <= tag]
        for known in tags:
            if known in self._returned:
                self._returned.discard(known)
                answer = Answer.UNROUTABLE
            _exchange, answered = self._confirms.pop(known, ("", None))
            if answered is not None:
                _resolve(answered, answer)

    def _on_return(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        # The broker returns a message before it confirms it.
        self._returned.add(int(properties.message_id))

    def _on_delivery(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        reason = objection_to_event(method.routing_key, properties.user_id, body, self._account)
        if reason:
            logger.warning("an event %s is not believed: %s", method.routing_key[:40], reason)
            return
        self._on_event(method.routing_key, body)


async def open_session(
    address: Address, name: str, patterns: Sequence[str], on_event: Callable[[str, bytes], None]
) -> Session:
    """Connect to the first node that answers, and subscribe. Raises BusLost, for the last node."""
    *before, last = address.nodes
    for node in before:
        with suppress(BusLost):
            return await _opened(node, name, patterns, on_event)
    return await _opened(last, name, patterns, on_event)


async def _opened(
    address: Address, name: str, patterns: Sequence[str], on_event: Callable[[str, bytes], None]
) -> Session:
    session = Session(on_event)
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            await session.connect(address, name, patterns)
    except TimeoutError as error:
        session.abort("opening took too long")
        raise BusLost(f"{address} did not answer within {_OPEN_TIMEOUT_S:g} s") from error
    except (asyncio.CancelledError, BusLost):
        session.abort("opening failed")
        raise
    return session


@contextmanager
def _translated() -> Iterator[None]:
    """pika's own errors, and those of TLS files, as BusLost."""
    try:
        yield
    except (AMQPError, OSError) as error:
        raise BusLost(_reason(error)) from error


def _parameters(address: Address, name: str) -> Any:
    tls = pika.SSLOptions(address.tls_context(), address.host) if address.tls else None
    by_password = pika.PlainCredentials(address.user, address.password)
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.vhost,
        credentials=pika.credentials.ExternalCredentials() if address.by_certificate else by_password,
        heartbeat=HEARTBEAT_S,
        connection_attempts=1,
        socket_timeout=CONNECT_TIMEOUT_S,
        stack_timeout=2 * CONNECT_TIMEOUT_S,
        ssl_options=tls,
        client_properties={"connection_name": name, "product": "Docket"},
        tcp_options={"TCP_USER_TIMEOUT": UNANSWERED_MS, "TCP_KEEPIDLE": 60},
    )


def _reason(error: BaseException) -> str:
    """pika wraps errors in errors, and some have only a representation."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return " ".join((str(error) or repr(error)).split())


def _refuses(error: BaseException) -> bool:
    """Whether the broker answered, and refused the login or the vhost."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    refusals = (ProbableAuthenticationError, ProbableAccessDeniedError)
    closed = isinstance(error, ConnectionClosed) and error.reply_code in (_ACCESS_REFUSED, _NOT_ALLOWED)
    return closed or isinstance(error, refusals)


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        # Nothing may be waiting any more; then asyncio would complain about an exception that was never retrieved.
        future.exception()
