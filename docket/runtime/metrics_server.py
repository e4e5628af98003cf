"""The figures of one service for Prometheus, and what every process tells of itself."""

from __future__ import annotations

import contextlib
import logging
import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import REGISTRY, CollectorRegistry, Info, ProcessCollector
from prometheus_client.exposition import choose_encoder

from docket import __version__
from docket.errors import ConfigError, Fault
from docket.runtime.own_names import host_name, is_loopback, is_own_name

log = logging.getLogger(__name__)

LONGEST_S = 5.0
"""For one connection, from its first byte to the end of the answer."""
PATHS = ("/", "/metrics")


def add_process_figures(registry: CollectorRegistry) -> None:
    """Which Docket this is, and what the process uses."""
    _add_build(registry)
    ProcessCollector(registry=registry)


def _add_build(registry: CollectorRegistry) -> None:
    built = Info("docket_build", "Which Docket this is.", registry=registry)
    built.info({"version": __version__, "python": platform.python_version()})


@contextmanager
def metrics_served(address: tuple[str, int] | None) -> Iterator[None]:
    """Serve this process's figures within the block. Raises ConfigError where the address cannot be used."""
    if address is None:
        yield
        return
    _add_build(REGISTRY)
    host, port = address
    try:
        server = _Server(host, port)
    except OSError as error:
        message = f"--metrics: cannot listen on {host}:{port}: {error.strerror or error}"
        raise ConfigError([Fault("cannot-listen", message, "metrics")]) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("figures for Prometheus: http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(HTTPServer):
    """Answers one connection after the other: many of them cost the service neither threads nor memory."""

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Figures)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the signature of the library
        log.debug("a connection for figures from %s ended early", client_address, exc_info=True)


class _Figures(BaseHTTPRequestHandler):
    """`GET /metrics`."""

    timeout = LONGEST_S
    server_version, sys_version = "docket", ""

    def handle(self) -> None:
        # The time-out of a socket is that of one read; a client that sends a byte now and then has to go, too.
        timer = threading.Timer(LONGEST_S, self._end)
        timer.daemon = True
        timer.start()
        try:
            self.handle_one_request()
        finally:
            timer.cancel()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        rebound = is_loopback(str(self.client_address[0])) and not is_own_name(host_name(self.headers.get("Host", "")))
        if rebound:
            # A site's own name that was resolved to this address (DNS rebinding).
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path.partition("?")[0] not in PATHS:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            body = encode(REGISTRY)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prometheus asks every few seconds; that is no news."""
