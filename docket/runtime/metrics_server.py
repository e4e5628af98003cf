"""The figures of one service for Prometheus, and what every process tells of itself."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Info, ProcessCollector, start_http_server

from docket import __version__
from docket.errors import ConfigError, Fault

log = logging.getLogger(__name__)


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
        server, thread = start_http_server(port, host)
    except OSError as error:
        message = f"--metrics: cannot listen on {host}:{port}: {error.strerror or error}"
        raise ConfigError([Fault("cannot-listen", message, "metrics")]) from error
    log.info("figures for Prometheus: http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
