"""A stand-in for stenographer that behaves like the real one until it is told otherwise.

It speaks what the worker needs of stenographer 1.0.1: mutual TLS with version 1 certificates, `POST /query` and
what there is below /debug: `stats`, `t0/files`, `t0/positions`. It holds packets in "files" of a minute and,
like the real one, answers with every packet of every file that starts within the asked time, a minute of slack
on both sides; of the filter it understands one `port N` and leaves the rest to the tests. A script, of `scripts`, says
what it sends:

    with StandIn(packets, authority) as steno:
        steno.script = half_record(after=10)
        ...                                     # ask https://127.0.0.1:<steno.port>
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.faults.certificates import Authority, Pair
from tests.faults.packets import US_PER_S, Packet
from tests.faults.scripts import ApiError, Asked, Break, Script, serve

FILE_US = 60 * US_PER_S
SLACK_US = 60 * US_PER_S

_TIME = re.compile(r"\b(after|before) (\S+?)\)?(?:\s|$)")
_PORT = re.compile(r"\bport (\d+)")


@dataclass
class StandIn:
    """The server. Its attributes may be changed at any time; the next request sees them."""

    packets: Sequence[Packet]
    authority: Authority
    certificate: Pair | None = None
    """What it shows; by default a certificate of its authority for 127.0.0.1."""
    script: Script = serve
    empty_files: tuple[int, ...] = ()
    """Starts of files without packets: a stenographer on a quiet link begins one every five minutes."""
    oldest_us: int | None = None
    """What its statistics say; by default the start of the first file."""
    counters: dict[str, int | str] = field(default_factory=dict)
    """Further statistics, or others in place of its own."""
    status: int = 200
    """Of the answers to queries that a script gives piece by piece."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of every answer."""
    shows_index: bool = True
    """Whether /debug/t0/positions is there."""
    tls_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    port: int = 0
    queries: list[str] = field(default_factory=list)
    """The text of every query that came, in order."""
    open_queries: int = 0
    """Queries being answered right now."""

    def __enter__(self) -> StandIn:
        """Listen on 127.0.0.1, on `port` or on one that is then in `port`."""
        self._closing = threading.Event()
        self._lock = threading.Lock()
        pair = self.certificate or self.authority.issue("127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self.tls_version
        context.load_cert_chain(pair.cert, pair.key)
        context.load_verify_locations(self.authority.ca.cert)
        context.verify_mode = ssl.CERT_REQUIRED
        handler = type("Handler", (_Handler,), {"steno": self})
        self._server = _Server(("127.0.0.1", self.port), handler, context)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="stand-in")
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening and break every connection."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def statistics(self) -> dict[str, int | str]:
        """What /debug/stats shows."""
        files = self.files()
        oldest_us = self.oldest_us if self.oldest_us is not None else min(files, default=0)
        own: dict[str, int | str] = {"aged_files": 0, "current_files": len(files), "oldest_timestamp": oldest_us * 1000}
        return own | self.counters

    def files(self) -> list[int]:
        """The names of the files: their starts in microseconds."""
        starts = sorted({packet.time_us // FILE_US * FILE_US for packet in self.packets} | set(self.empty_files))
        return [start for start in starts if self.oldest_us is None or start >= self.oldest_us]

    def select(self, text: str) -> list[Packet]:
        """The packets that the real one would send to this query."""
        ends = {word: _parse_us(value) for word, value in _TIME.findall(text)}
        after_us, before_us = ends.get("after", 0) - SLACK_US, ends.get("before", 1 << 62) + SLACK_US
        port = _PORT.search(text)
        files = set(self.files())
        return [
            packet
            for packet in self.packets
            if (start := packet.time_us // FILE_US * FILE_US) in files
            and after_us <= start < before_us
            and (port is None or int(port[1]) in _ports(packet.data))
        ]

    def positions(self, text: str, file_us: int) -> str:
        """What /debug/t0/positions shows of a file: a line for each packet that the query matches."""
        if not _PORT.search(text):
            return "POSITIONS:\n\tALL"
        found = [packet for packet in self.select(text) if packet.time_us // FILE_US * FILE_US == file_us]
        return "POSITIONS:\n" + "".join(f"\t{number:08x}\n" for number in range(len(found)))


class _Server(ThreadingHTTPServer):
    """Shakes hands in the connection's own thread, and breaks what is open when it is closed."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Any, context: ssl.SSLContext) -> None:
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(30)
        self._open.add(request)
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                self._open.add(secured)
                try:
                    super().finish_request(secured, client_address)
                finally:
                    self._open.discard(secured)
        except OSError:
            pass  # the client did not like us, or we it, or it left: all in a test's day
        finally:
            self._open.discard(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    steno: StandIn

    def do_GET(self) -> None:
        if self.path == "/debug/stats":
            self._whole(200, "".join(f"{name}\t{value}\n" for name, value in sorted(self.steno.statistics().items())))
        elif self.path == "/debug/t0/files":
            self._whole(200, "Thread 0\n" + "".join(f"\t{name}\n" for name in self.steno.files()))
        else:
            self._whole(404, "404 page not found\n")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        steno = self.steno
        if self.path != "/query":
            self._positions(text)
            return
        with steno._lock:
            steno.queries.append(text)
            steno.open_queries += 1
        try:
            self._answer(text)
        finally:
            with steno._lock:
                steno.open_queries -= 1

    def _answer(self, text: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.steno.script(Asked(text, headers, self.steno.select(text), self._gone))
        if isinstance(answer, ApiError):
            self._whole(answer.status, answer.text, answer.content_type)
            return
        self._begin(self.steno.status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in filter(None, answer):  # an empty chunk would be the last one
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except Break as order:
            self.close_connection = True
            if order.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _positions(self, text: str) -> None:
        path, _, name = self.path.partition("?name=")
        if path != "/debug/t0/positions" or not self.steno.shows_index:
            self._whole(404, "404 page not found\n")
        elif not name.isdigit() or int(name) not in self.steno.files():
            self._whole(404, "file not found\n")
        else:
            self._whole(200, self.steno.positions(text, int(name)))

    def _gone(self) -> bool:
        if self.steno._closing.is_set():
            return True
        self.connection.settimeout(0.0)
        try:
            return not self.connection.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(30)

    def _whole(self, code: int, text: str, content_type: str = "text/plain") -> None:
        body = text.encode()
        self._begin(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, code: int) -> None:
        self.send_response(code)
        for name, value in self.steno.headers.items():
            self.send_header(name, value)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _parse_us(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * US_PER_S)


def _ports(frame: bytes) -> tuple[int, ...]:
    """The TCP or UDP ports of an untagged IPv4 frame without options."""
    if len(frame) < 38 or frame[12:14] != b"\x08\x00" or frame[23] not in (6, 17):
        return ()
    return struct.unpack_from(">HH", frame, 34)
