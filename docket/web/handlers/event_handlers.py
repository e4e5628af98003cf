"""`WS api/v1/events`: the snapshot or the missed events first, then everything live, until either side leaves."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import ClassVar

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from docket.errors import DocketError
from docket.web.handlers.base import Handler
from docket.web.http.api_errors import ApiError, api_error
from docket.web.http.rare_line import RareLine
from docket.web.http.route_spec import Operation, Operations, Param
from docket.web.live.send_queue import SLOW_CODE, Ended, SendQueue

logger = logging.getLogger(__name__)

FAILED_CODE = 1011

_CLOSED = RareLine(logger, logging.INFO, "a socket of %r at %s is too slow, or one too many; %d closed so far")


class EventsHandler(Handler, WebSocketHandler):
    """One browser or tool that watches."""

    changes_state = True
    operations: ClassVar[Operations] = {
        "GET": Operation(
            "WebSocket: a snapshot or the missed events, then everything live",
            gives={101: None},
            params=(Param("since", "Number of the last event that the client knows", {"type": "integer"}),),
            refuses=(400, 403, 426),
        )
    }

    _sender: asyncio.Task[None] | None = None

    async def get(self, *args: str, **kwargs: str) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise api_error(426, "not-a-websocket", "this address speaks WebSocket", headers={"Upgrade": "websocket"})
        self._since = self._read_since()
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - Tornado's signature
        """Checked in `prepare`, where a refusal has the one shape."""
        return True

    def open(self, *_: str, **__: str) -> None:
        access, principal = self.services.access, self.principal
        self._wants = None if access.sees_all(principal) else partial(access.may_receive, principal)
        self._send_queue = SendQueue(self._ended, self._wants, self.services.event_feed.outstanding)
        # Listening comes before reading, so that no event falls between the two.
        self.services.event_feed.admit(principal.share, principal.user, self._send_queue)
        self._sender = asyncio.create_task(self._send())

    def on_connection_close(self) -> None:
        # Tornado's WebSocketHandler leaves out what ends the wait for a body that was cut.
        RequestHandler.on_connection_close(self)
        super().on_connection_close()

    def on_message(self, message: str | bytes) -> None:
        """Clients have nothing to say here; what they send is dropped."""

    def on_close(self) -> None:
        # Tornado calls this also for a request that was refused, and so never became a socket.
        if self._sender is not None:
            self.services.event_feed.dismiss(self._send_queue)
            self._send_queue.leave()
            self._sender.cancel()

    async def _send(self) -> None:
        send_queue = self._send_queue
        try:
            send_queue.begin(*await self.services.snapshots.beginning(self._since, self.principal.user, self._wants))
            while self.ws_connection is not None and self.ws_connection.stream is not None:
                # Tornado's `write_message` would make the same frame again, and two tasks, for each socket.
                await self.ws_connection.stream.write(await send_queue.take())
        except (Ended, StreamClosedError):
            pass
        except (DocketError, ApiError) as error:
            logger.warning("a socket cannot be served: %s", error)
            self.close(FAILED_CODE, "the ledger cannot be read")
        finally:
            self.services.event_feed.dismiss(send_queue)

    def _ended(self, code: int) -> None:
        if code == SLOW_CODE:
            self.services.metrics.sockets_dropped += 1
            _CLOSED.add(self.principal.user, self.principal.address)
        self.close(code, "reconnect with since=")

    def _read_since(self) -> int | None:
        text = self.get_query_argument("since", "")
        if text in ("", "null"):
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise api_error(400, "bad-number", "since must be the number of an event", "since")
        return int(text)
