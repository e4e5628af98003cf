"""A WebSocket client for tests, in a thread of its own, that remembers everything it was told."""

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

import msgspec
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.services.waiting import wait_until
from tests.web.docket_site import Site


class Socket:
    """One connection to `api/v1/events`; `messages` grows as it is told things."""

    def __init__(self, site: Site, since: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._url = site.url("api/v1/events").replace("http", "ws") + ("" if since is None else f"?since={since}")
        self._headers = headers or {}
        self._loop = asyncio.new_event_loop()
        self._connection: WebSocketClientConnection | None = None
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.messages or self._closed.is_set(), "the first message")
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._closed.is_set():
            self._loop.call_soon_threadsafe(self._close)
        self._thread.join(20)

    @property
    def first(self) -> dict[str, Any]:
        return self.messages[0]

    def events(self) -> list[dict[str, Any]]:
        """What was told with a number, in the order in which it came."""
        return [message for message in self.messages if message["type"] == "event" and "seq" in message]

    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.events()]

    def wait_for(self, event: str, job_id: str | None = None) -> dict[str, Any]:
        """The first message of this event, about this job if one is named."""

        def found() -> dict[str, Any] | None:
            for message in self.messages:
                if message.get("event") == event and job_id in (None, message.get("job", {}).get("id")):
                    return message
            return None

        message = wait_until(found, f"{event} on the socket")
        assert message is not None
        return message

    def wait_closed(self) -> int | None:
        """The code with which the server closed."""
        wait_until(self._closed.is_set, "the socket to be closed")
        return self.close_code

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
        except Exception as error:  # noqa: BLE001 - handed on by __enter__
            self._error = error
        finally:
            self._loop.close()
            self._closed.set()

    async def _listen(self) -> None:
        request = HTTPRequest(self._url, headers=self._headers)
        self._connection = await websocket_connect(request, max_message_size=64 * 1024 * 1024)
        try:
            while (message := await self._connection.read_message()) is not None:
                self.messages.append(msgspec.json.decode(message))
            self.close_code = self._connection.close_code
        finally:
            self._connection.close()
