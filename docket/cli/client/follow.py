"""Following one job over the server's WebSocket until it is final. Lost connections are made anew.

The whole job comes with every message, so a message that was missed is healed by the next; after a reconnect the
job is fetched once, in case its last message was the one that was missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from docket.cli.client.http_client import CONNECT_S, Client
from docket.domain.job import Job
from docket.errors import ServerUnreachable

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
PATIENCE_S = 60.0
"""How long a server may be away while a job is followed; a restart takes seconds."""

PING_S = 20.0
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""The first message holds a page of jobs."""


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    """What the WebSocket says, as far as it is needed here."""

    type: str
    job: Any = None


async def follow(client: Client, job: Job, show: Callable[[Job], None]) -> Job:
    """Call `show` with every new state of the job; gives the final one. Raises ServerUnreachable."""
    show(job)
    loop = asyncio.get_running_loop()
    away_since: float | None = None
    wait_s = FIRST_WAIT_S
    while not job.is_final:
        try:
            connection = await websocket_connect(
                HTTPRequest(
                    client.events_url, headers=client.headers, connect_timeout=CONNECT_S, ssl_options=client.tls
                ),
                ping_interval=PING_S,
                max_message_size=LARGEST_MESSAGE_BYTES,
                resolver=client.resolver,
            )
        except (OSError, HTTPError, StreamClosedError) as error:
            now = loop.time()
            away_since = now if away_since is None else away_since
            if now - away_since > PATIENCE_S:
                raise ServerUnreachable(f"{client.url} is gone: {error}") from error
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            continue
        away_since, wait_s = None, FIRST_WAIT_S
        try:
            job = await _listen(connection, client, job, show)
        finally:
            connection.close()
    return job


async def _listen(connection: WebSocketClientConnection, client: Client, job: Job, show: Callable[[Job], None]) -> Job:
    """Show what comes until the job is final or the connection is lost; gives the latest state."""
    # Whatever happened between the asking and the first message of this connection is in this answer.
    job = await asyncio.get_running_loop().run_in_executor(None, client.job, job.id)
    show(job)
    while not job.is_final:
        try:
            message = await connection.read_message()
        except WebSocketClosedError:
            return job
        if message is None:
            return job
        news = _job_in(message, job.id)
        if news is not None:
            job = news
            show(job)
    return job


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
