"""How messages of assistants come: a line each on standard input, or one per POST of HTTP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import BinaryIO

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from docket.cli.mcp import rpc
from docket.cli.mcp.tools import AssistantTools
from docket.runtime.own_names import host_name, is_loopback, is_own_name, netloc

MakeTools = Callable[[str], AssistantTools]
"""The tools for one token; empty: those of the process's own login."""


def serve_stdio(tools: AssistantTools, lines: BinaryIO, out: BinaryIO) -> None:
    """Until standard input ends."""
    while line := lines.readline(rpc.LARGEST_MESSAGE_BYTES + 2):
        if line.strip() and (reply := rpc.answer(line, tools.listed, tools.call)) is not None:
            out.write(reply + b"\n")
            out.flush()


async def serve_http(make: MakeTools, host: str, port: int, on_ready: Callable[[str], object]) -> None:
    """Until SIGTERM or SIGINT. Raises OSError where the address cannot be used."""
    application = Application([(r"/mcp", McpHandler, {"make": make})])
    server = HTTPServer(application, max_body_size=rpc.LARGEST_MESSAGE_BYTES)
    server.listen(port, host)
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    (bound, *_) = server._sockets.values()
    on_ready(f"http://{host}:{bound.getsockname()[1]}/mcp")
    await stop.wait()
    server.stop()
    await server.close_all_connections()


class McpHandler(RequestHandler):
    """One message per POST. The token of the request is the token at Docket, so that its rights hold.

    Without one, the login of this process counts, for programs of this machine alone.
    """

    def initialize(self, make: MakeTools) -> None:
        self._make = make

    async def post(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin is not None and netloc(origin) != self.request.host:
            self.send_error(403)  # a page of another site, perhaps through a name of its own for this address
            return
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        if not token and not is_loopback(str(self.request.remote_ip)):
            self.set_header("WWW-Authenticate", "Bearer")
            self.send_error(401)
            return
        if not token and not is_own_name(host_name(self.request.host)):
            self.send_error(421)  # a site's own name that was resolved to this address (DNS rebinding)
            return
        tools = self._make(token)
        loop = asyncio.get_running_loop()
        reply = await loop.run_in_executor(None, rpc.answer, self.request.body, tools.listed, tools.call)
        if reply is None:
            self.set_status(202)
            return
        self.set_header("Content-Type", "application/json")
        self.write(reply)
