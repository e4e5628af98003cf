"""Following one job over the server's WebSocket until it is final. Lost connections are made again.

The whole job comes with every message, so a message that was missed is healed by the next; after a reconnect the
job is fetched once, in case its last message was the one that was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from docket.client.http_client import CONNECT_S, Client
from docket.domain.decoding import prepare
from docket.domain.job import Job
from docket.errors import ServerUnreachable

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
PATIENCE_S = 60.0
"""How long a server may be away while a job is followed; a restart takes seconds."""

PING_S = 20.0
CLOSE_S = 2.0
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""The first message holds a page of jobs."""


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    """What the WebSocket says, as far as it is needed here."""

    type: str
    job: Any = None


async def follow(client: Client, job: Job, show: Callable[[Job], None] | None = None) -> Job:
    """Call `show` with every new state of the job; gives the final one. Raises ServerUnreachable."""
    latest = job
    async for state in states(client, job):
        latest = state
        if show is not None:
            show(state)
    return latest


async def states(client: Client, job: Job) -> AsyncIterator[Job]:
    """The job as it is, and every new state of it up to the final one. Raises ServerUnreachable."""
    yield job
    patience = _Patience(client.url)
    while not job.is_final:
        try:
            connection = await _connect(client)
        except (OSError, HTTPError, StreamClosedError) as error:
            await patience.wait(error)
            continue
        patience = _Patience(client.url)
        try:
            async for state in _heard(connection, client, job):
                job = state
                yield state
        finally:
            await _close(connection)


class _Patience:
    """Waits a little longer each time while a server is away, and gives up after PATIENCE_S."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._away_since: float | None = None
        self._wait_s = FIRST_WAIT_S

    async def wait(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since > PATIENCE_S:
            raise ServerUnreachable(f"{self._url} is gone: {error}") from error
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)


async def _connect(client: Client) -> WebSocketClientConnection:
    connecting = asyncio.ensure_future(
        websocket_connect(
            HTTPRequest(client.events_url, headers=client.headers, connect_timeout=CONNECT_S, ssl_options=client.tls),
            ping_interval=PING_S,
            max_message_size=LARGEST_MESSAGE_BYTES,
            resolver=client.resolver,
        )
    )
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        # Tornado connects all the same, and the server would go on sending to a connection that no one reads.
        connecting.add_done_callback(_hang_up)
        await asyncio.wait([connecting], timeout=CLOSE_S)
        if connecting.done() and connecting.exception() is None:
            await _close(connecting.result())
        raise


def _hang_up(connecting: asyncio.Future[WebSocketClientConnection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def _close(connection: WebSocketClientConnection) -> None:
    """Close, and wait for the server's side of it: else the connection would outlive the loop."""
    connection.close()
    with contextlib.suppress(WebSocketClosedError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            while await connection.read_message() is not None:
                pass


async def _heard(connection: WebSocketClientConnection, client: Client, job: Job) -> AsyncIterator[Job]:
    """What comes until the job is final or the connection is lost."""
    # Whatever happened between the asking and the first message of this connection is in this answer.
    job = await asyncio.get_running_loop().run_in_executor(None, client.job, job.id)
    yield job
    while not job.is_final:
        try:
            message = await connection.read_message()
        except WebSocketClosedError:
            return
        if message is None:
            return
        news = _job_in(message, job.id)
        if news is not None:
            job = news
            yield job


def _job_in(message: str | bytes, job_id: str) -> Job | None:
    """The job, if the message is about it."""
    try:
        live = msgspec.json.decode(message, type=_Live)
        if live.type != "event" or not isinstance(live.job, dict) or live.job.get("id") != job_id:
            return None
        return msgspec.convert(live.job, Job)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        log.warning("a message on the WebSocket cannot be read: %s", error)
        return None


prepare(_Live, Job)
