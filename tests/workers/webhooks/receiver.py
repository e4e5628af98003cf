"""A real HTTP receiver of webhooks, with or without TLS, that answers as a test wants."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.services import needs


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """`answer` is a status, or what is done with the handler instead."""

    def __init__(self, certificate: Path | None) -> None:
        self.received: list[Received] = []
        self.answer: int | Callable[[BaseHTTPRequestHandler], object] = 204
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @staticmethod
    def ok(handler: BaseHTTPRequestHandler) -> None:
        """Take it."""
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """A header line now and then, for ever: no read of the sender's times out."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not self.released.wait(0.05):
                handler.wfile.write(b"X-More: a\r\n")
        except OSError:
            return


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
            receiver.received.append(received)
            if callable(receiver.answer):
                receiver.answer(self)
                return
            self.send_response(receiver.answer)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    receiver = Receiver(certificate)
    try:
        yield receiver
    finally:
        receiver.close()


def make_certificate(folder: Path, name: str) -> Path:
    """Key and certificate of its own authority for a name or an address, in one file."""
    kind = "IP" if name[0].isdigit() else "DNS"
    key, certificate, both = (folder / f"{name}.{end}" for end in ("key", "crt", "pem"))
    command = [needs.program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName={kind}:{name}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
