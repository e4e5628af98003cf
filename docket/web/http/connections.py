"""The HTTP server of the web app, with a bound on its connections. For `app` alone.

A client that only holds a connection open must keep no other out, and must not cost memory without end.
So there are at most so many of them, and where another one comes, that which has been silent for longest goes. A
connection is silent until its whole request has come, and again from the end of the answer; one whose request is
being answered never has to go.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from docket.web.http.metrics import Metrics
from docket.web.http.rare_line import RareLine

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 2_000
"""Four times the 500 browsers that Docket is made for; this many silent ones cost about 20 MB."""
FILES_ASIDE = 256
"""File descriptors for all but connections: the ledger, the bus, libraries, the services of `docket run`."""
FILES_PER_CONNECTION = 2
"""The connection, and the result that is sent through it."""


def make_room(wanted: int = MOST_CONNECTIONS) -> int:
    """Raise this process's soft limit of open files for `wanted` connections; give how many fit below the hard one."""
    needed = FILES_ASIDE + FILES_PER_CONNECTION * wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = soft
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except OSError:
            # A sandbox may forbid the call itself; docket.service sets the limit from outside.
            limit = soft
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return wanted
    fit = max(1, (limit - min(FILES_ASIDE, limit // 2)) // FILES_PER_CONNECTION)
    logger.warning("only %d connections at a time: the limit of open files (LimitNOFILE) is %d", fit, limit)
    return fit


class BoundedServer(HTTPServer):
    """Tornado's HTTP server with at most `most` connections, `others` of which are not its own any more."""

    # Tornado's servers are made by `initialize`, whose arguments are those of the class.
    def initialize(  # type: ignore[override]
        self, *args: Any, most: int, others: Callable[[], int], metrics: Metrics, **settings: Any
    ) -> None:
        super().initialize(*args, **settings)
        self._most = most
        self._others = others
        self._metrics = metrics
        self._silent: dict[IOStream, None] = {}
        """That which has been silent for longest comes first."""
        self._busy: set[IOStream] = set()
        self._out = RareLine(logger, logging.WARNING, "%d connections are too many: %s; %d so far")

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        if len(self._silent) + len(self._busy) + self._others() >= self._most and not self._put_one_out():
            self._count_out("a new one is refused, as all others are being answered")
            stream.close()
            return
        # Not left to `start_request`, which comes later: many connections are taken in one turn of the loop.
        self._silent[stream] = None
        super().handle_stream(stream, address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        stream = _stream(server_conn)
        if stream in self._busy:
            self._busy.remove(stream)
            self._silent[stream] = None
        return _UntilItIsWhole(super().start_request(server_conn, request_conn), lambda: self._speaks(stream))

    def on_close(self, server_conn: object) -> None:
        self._silent.pop(_stream(server_conn), None)
        self._busy.discard(_stream(server_conn))
        super().on_close(server_conn)

    def _speaks(self, stream: IOStream) -> None:
        # One that was put out while its last bytes were under way is in neither any more.
        if stream in self._silent:
            del self._silent[stream]
            self._busy.add(stream)

    def _put_one_out(self) -> bool:
        longest = next(iter(self._silent), None)
        if longest is None:
            return False
        del self._silent[longest]
        self._count_out("the one that was silent for longest is closed")
        longest.close()
        return True

    def _count_out(self, what: str) -> None:
        """Count one that has to go."""
        self._metrics.connections_put_out += 1
        self._out.add(self._most, what)


def _stream(server_conn: object) -> IOStream:
    assert isinstance(server_conn, HTTP1ServerConnection)
    return server_conn.stream


class _UntilItIsWhole(HTTPMessageDelegate):
    """Passes a request on, and says when it is whole."""

    def __init__(self, handler: HTTPMessageDelegate, whole: Callable[[], None]) -> None:
        self._handler = handler
        self._whole = whole

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        return self._handler.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._handler.data_received(chunk)

    def finish(self) -> None:
        self._whole()
        self._handler.finish()

    def on_connection_close(self) -> None:
        self._handler.on_connection_close()
