"""Sending a stream of bytes at the client's pace, and breaking off so that no client takes a part for the whole.

For the handlers that send packets. The next piece is read only when the client has taken the last one, so the size
of a result and the pace of a client cost no memory.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tornado.iostream import StreamClosedError

from docket.errors import DocketError
from docket.web.handlers.base import Handler
from docket.web.http.api_errors import ApiError
from docket.web.jobs.result_follower import Broken

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks whether the client of a request that waits for its first packet is still there."""
STALL_S = 300.0
"""A client that takes not one piece in this time is gone, whatever its connection says."""


class DeliveringHandler(Handler):
    """A handler whose answer is a stream."""

    _sending: asyncio.Task[None] | asyncio.Task[bytes] | None = None
    _left = False

    async def first_of(self, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
        """The first piece, from which a status follows; None if the client leaves before."""
        if self._left:
            return None
        waiting: asyncio.Task[bytes] = asyncio.ensure_future(anext(chunks))
        self._sending = waiting
        watching = asyncio.create_task(self._watch_client())
        try:
            return await waiting
        except asyncio.CancelledError:
            await chunks.aclose()
            self._client_left()
            return None
        finally:
            watching.cancel()

    async def _watch_client(self) -> None:
        """Notice a client that left although it had sent another request first: Tornado does not look behind that."""
        stream = self.request.connection.stream  # type: ignore[union-attr]
        if stream.closed():
            return
        ended = select.poll()
        ended.register(stream.fileno(), select.POLLRDHUP)
        while not stream.closed():
            await asyncio.sleep(LOOK_S)
            if not self._left and ended.poll(0):
                self.on_connection_close()

    async def deliver(self, chunks: AsyncGenerator[bytes, None]) -> bool:
        """Send the pieces at the client's pace, until it has all or leaves; whether it has all."""
        metrics = self.services.metrics
        metrics.downloads += 1
        sending = asyncio.create_task(self._send(chunks))
        self._sending = sending
        try:
            await sending
        except asyncio.CancelledError:
            self._client_left()
        finally:
            metrics.downloads -= 1
        return not self._left

    def on_connection_close(self) -> None:
        """The client left, perhaps while nothing is there to be sent."""
        super().on_connection_close()
        self._left = True
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """A failure breaks the connection: the client must not take what it has for the whole."""
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    self.write(chunk)
                    # Not wait_for: before Python 3.12 it forgets a cancellation that comes as the last byte goes.
                    async with asyncio.timeout(STALL_S):
                        await self.flush()
                    self.services.metrics.downloaded_bytes += len(chunk)
        except StreamClosedError:
            self._client_left()
        except TimeoutError:
            self._break("the client takes nothing")
        except (Broken, DocketError, ApiError) as error:
            self._break(str(error))

    def _client_left(self) -> None:
        self._left = True
        logger.debug("request %s: the client left", self.request_id)

    def _break(self, reason: str) -> None:
        self._left = True
        logger.warning("download broken off: %s, %s, request %s", self.request.path, reason, self.request_id)
        stream = self.detach()
        if stream.socket.family != socket.AF_UNIX:
            # A reset, which no client can take for the end of an answer that has no length.
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.close()
