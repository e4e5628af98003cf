"""Puts the services together. The only module that knows both wings; loaded by the commands that run services."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Sequence

from prometheus_client import REGISTRY

from docket.bus.async_interface import AsyncBusClient
from docket.bus.declaring import until_broker
from docket.bus.factory import open_broker, open_link
from docket.bus.interface import Broker
from docket.bus.permissions import COLLECTOR
from docket.cli.ui.terminal import Terminal
from docket.config.model import CaptureFilesConfig, Config, SourceConfig
from docket.errors import SpoolError
from docket.index.index_files import of_source
from docket.index.indexer import SourceIndexer
from docket.index.selector import IndexSelector
from docket.index.service import Indexer
from docket.runtime.exit_codes import ExitCode
from docket.runtime.host import Host, Runnable, Serve, Service
from docket.runtime.job_figures import JobFigures
from docket.runtime.systemd import SystemdNotifier, inherited_sockets
from docket.spool.signing import Signer
from docket.web.app import serve
from docket.workers.alerts.alert_rules import AlertsConfig
from docket.workers.alerts.service import AlertService
from docket.workers.collector.service import Collector
from docket.workers.inspector.service import Inspector
from docket.workers.interface.service import InterfaceWorker
from docket.workers.recorder.ring import Ring
from docket.workers.recorder.service import Recorder
from docket.workers.sources.kinds import open_source
from docket.workers.webhooks.hooks import WebhooksConfig
from docket.workers.webhooks.service import WebhookService

log = logging.getLogger(__name__)

OnReady = Callable[[Sequence[str]], object]
"""Called with the addresses once the web app can be reached."""


class RetryUntilBroker:
    """A service that begins when it can: at boot the broker may come up later, or go away once more.

    With the least rights, workers declare their sources' queues, so a worker may have to come first, too.
    """

    def __init__(self, make: Callable[[], Runnable]) -> None:
        """What `make` gives raises BusLost only if it cannot even begin; then a new one is made."""
        self._make = make

    def run(self, stop: threading.Event) -> None:
        until_broker(lambda: self._make().run(stop), stop)


def collector_service(config: Config, broker: Broker, figures: JobFigures | None = None) -> Service:
    def make() -> Collector:
        broker.declare(source_names(config), COLLECTOR)
        return Collector(config, broker, figures=figures)

    return Service("collector", RetryUntilBroker(make))


def worker_service(config: Config, broker: Broker) -> Service:
    sources = [open_source(source, _selector(config, source)) for source in config.sources]
    return Service("worker", InterfaceWorker(config, broker, sources))


def inspector_service(config: Config, broker: Broker) -> Service:
    return Service("inspector", Inspector(config, broker))


def indexer_service(config: Config) -> Service:
    indexers = [
        SourceIndexer(
            str(source.path),
            of_source(config.index.directory, source.name),
            config.spool.min_free_bytes,
            source.name,
        )
        for source in config.sources
        if isinstance(source, CaptureFilesConfig) and source.index == "auto"
    ]
    return Service("indexer", Indexer(indexers))


def _selector(config: Config, source: SourceConfig) -> IndexSelector | None:
    if isinstance(source, CaptureFilesConfig) and source.index == "auto":
        return IndexSelector(of_source(config.index.directory, source.name).root)
    return None


def web_service(
    config: Config, link: AsyncBusClient, on_ready: OnReady, sockets: Sequence[socket.socket] = ()
) -> Serve:
    async def serving(stop: asyncio.Event) -> None:
        await serve(config, link, stop, on_ready, sockets=sockets)

    return serving


def source_names(config: Config) -> list[str]:
    return [source.name for source in config.sources]


def run_collector(config: Config, terminal: Terminal) -> int:
    _make_signing_key(config)
    figures = JobFigures(REGISTRY)
    return _run_one(config, lambda config, broker: collector_service(config, broker, figures), terminal)


def _make_signing_key(config: Config) -> None:
    """Make it before the collector is ready: the web app's unit, which starts then, hides a file that is there."""
    # The collector reports why, and works on without a key.
    with contextlib.suppress(SpoolError):
        Signer.of_file(config.spool.key_path)


def run_inspector(config: Config, terminal: Terminal) -> int:
    return _run_one(config, inspector_service, terminal)


def run_indexer(config: Config, terminal: Terminal) -> int:
    return asyncio.run(Host([indexer_service(config)], SystemdNotifier(terminal.environ)).run())


def run_recorder(config: Config, source: CaptureFilesConfig, terminal: Terminal) -> int:
    """Record into the directory of a source that has a ring. Raises ConfigError."""
    interface = source.name.partition(":")[2]
    recorder = Recorder(Ring(source.path, interface, source.ring_bytes or 0, config.spool.min_free_bytes))
    service = Service("recorder", recorder)
    return asyncio.run(Host([service], SystemdNotifier(terminal.environ)).run())


def run_alerts(config: Config, rules: AlertsConfig, terminal: Terminal) -> int:
    def make(_: Config, broker: Broker) -> Service:
        return Service("alerts", AlertService(rules, broker))

    return _run_one(config, make, terminal)


def run_webhooks(config: Config, hooks: WebhooksConfig, terminal: Terminal) -> int:
    def make(_: Config, broker: Broker) -> Service:
        return Service("webhooks", RetryUntilBroker(lambda: WebhookService(hooks, broker)))

    return _run_one(config, make, terminal)


def run_worker(config: Config, terminal: Terminal) -> int:
    return _run_one(config, worker_service, terminal)


def run_web(config: Config, terminal: Terminal) -> int:
    notifier = SystemdNotifier(terminal.environ)

    def ready(addresses: Sequence[str]) -> None:
        log.info("listening on %s below %s", ", ".join(addresses), config.web.base_path)
        notifier.ready(f"listening on {', '.join(addresses)}")

    link = open_link(config.bus, config.bus_tls)
    serving = web_service(config, link, ready, inherited_sockets(terminal.environ))
    return asyncio.run(Host([], notifier).run(serving))


def _run_one(config: Config, make: Callable[[Config, Broker], Service], terminal: Terminal) -> ExitCode:
    broker = open_broker(config.bus, config.bus_tls)
    try:
        return asyncio.run(Host([make(config, broker)], SystemdNotifier(terminal.environ)).run())
    finally:
        broker.close()
