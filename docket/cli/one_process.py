"""`docket run`: every service in one process, on a bus inside it or on RabbitMQ; `--demo` brings sources along."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import errno
import logging
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from docket.bus.factory import open_broker, open_link
from docket.cli.client.discovery import announced
from docket.cli.overrides import listening_on
from docket.cli.service_factory import (
    collector_service,
    indexer_service,
    inspector_service,
    source_names,
    web_service,
    worker_service,
)
from docket.cli.ui.terminal import Terminal, reachable
from docket.config.loader import load_config
from docket.config.model import CaptureFilesConfig, Config, IndexConfig, SpoolConfig
from docket.config.values import MEMORY_BUS, UNIX, TcpAddress, listen_address
from docket.demo import place_demo
from docket.demo.recorder import DemoRecorder
from docket.domain.clock import now_us
from docket.runtime.host import Host, Service
from docket.runtime.systemd import SystemdNotifier
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Ledger

log = logging.getLogger(__name__)

DEMO_SOURCES = ("demo:em1", "demo:em2")
DEMO_LEAD_US = 60_000_000
"""The sample is placed a little earlier than the last hour, so that "the last hour" is covered whole from the start."""

DEMO_FLUSH_LAG_S = 1
"""Nothing is added to the sample any more, so a question about "now" need not wait long."""

DEMO_MIN_FREE_BYTES = 50_000_000
"""The demo's results are small; a laptop's disk may be nearly full."""


def run_all(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run until a signal comes; gives the exit code."""
    with ExitStack() as stack:
        if args.demo:
            config = demo_config(_demo_directory(args, stack), now_us())
        else:
            config = load_config(args.config, terminal.environ, default_bus=MEMORY_BUS)
        config = _with_options(config, args)
        if args.demo and not args.listen:
            config = on_a_free_port(config, terminal)
        broker = open_broker(config.bus, config.bus_tls)
        stack.callback(broker.close)
        # Here, and not in the services, so that a broker that is away is an error at once: a user is watching.
        broker.declare(source_names(config))
        link = open_link(config.bus, config.bus_tls, broker=broker)
        prepare_spool(config)

        notifier = SystemdNotifier(terminal.environ)

        def ready(addresses: Sequence[str]) -> None:
            url = server_url(addresses, config)
            is_default = stack.enter_context(announced(url, terminal.environ))
            terminal.say(f"Docket is ready: {url}")
            terminal.tell(hints(url, config, is_default=is_default))
            notifier.ready(url)

        services = [
            collector_service(config, broker),
            *((worker_service(config, broker),) if config.sources else ()),
            inspector_service(config, broker),
            indexer_service(config),
        ]
        if args.demo:
            services.append(Service("demo recorder", demo_recorder(config)))
        host = Host(services, notifier)
        return asyncio.run(host.run(web_service(config, link, ready)))


def _demo_directory(args: argparse.Namespace, stack: ExitStack) -> Path:
    """Where the demo lives: the directory that was named, else one that goes away with the process."""
    if args.spool:
        return Path(args.spool).absolute()
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docket-demo-", ignore_cleanup_errors=True)))


def demo_config(directory: Path, now_us: int) -> Config:
    """Place the sample traffic, shown as the last hour's, and give the configuration that reads it."""
    captures = directory / "captures"
    shutil.rmtree(captures, ignore_errors=True)
    captures.mkdir(parents=True)
    place_demo(captures, now_us - DEMO_LEAD_US)
    sources = tuple(
        CaptureFilesConfig(name, captures / name.partition(":")[2], flush_lag_s=DEMO_FLUSH_LAG_S)
        for name in DEMO_SOURCES
    )
    spool = SpoolConfig(path=directory / "spool", min_free_bytes=DEMO_MIN_FREE_BYTES)
    return Config(sources=sources, bus=MEMORY_BUS, spool=spool)


def demo_recorder(config: Config) -> DemoRecorder:
    """What goes on recording beside the services, from the traffic of the last hour on."""
    directories = [source.path for source in config.sources if isinstance(source, CaptureFilesConfig)]
    files = list(directories[0].iterdir())
    newest_us = max(file.stat().st_mtime_ns for file in files) // 1000
    return DemoRecorder(directories[0].parent, newest_us, len(files))


def _with_options(config: Config, args: argparse.Namespace) -> Config:
    """What the command line says goes before what the file says."""
    if args.bus:
        config = dataclasses.replace(config, bus=args.bus, bus_tls={})
    if args.spool and not args.demo:
        spool = dataclasses.replace(config.spool, path=Path(args.spool).absolute())
        config = dataclasses.replace(config, spool=spool)
    if config.index.path is None:
        # Not the index of the services, which another user writes.
        config = dataclasses.replace(config, index=IndexConfig(config.spool.path / "index"))
    return listening_on(config, args.listen)


def prepare_spool(config: Config) -> None:
    """Make spool and ledger, so that the web app, which starts beside the collector, finds both. Raises SpoolError."""
    spool = Spool(config.spool.path)
    spool.create()
    Ledger(spool.ledger).close()


def on_a_free_port(config: Config, terminal: Terminal) -> Config:
    """The configuration as it is, or with a port of the kernel's choice where another server has the usual one."""
    address = listen_address(config.web.listen[0])
    if not isinstance(address, TcpAddress) or is_free(address):
        return config
    terminal.tell(f"Port {address.port} is taken; taking a free one.")
    return listening_on(config, [str(TcpAddress(address.host, 0))])


def is_free(address: TcpAddress) -> bool:
    """Whether the address is free."""
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def server_url(addresses: Sequence[str], config: Config) -> str:
    """Where a browser finds the server: its first TCP address, else its socket's path."""
    for address in addresses:
        if not address.startswith(UNIX):
            with contextlib.suppress(ValueError):
                return f"http://{reachable(TcpAddress(*_parts(address)))}{config.web.base_path}"
    return addresses[0]


def _parts(address: str) -> tuple[str, int]:
    found = listen_address(address)
    assert isinstance(found, TcpAddress)
    return found


def hints(url: str, config: Config, *, is_default: bool) -> list[str]:
    """What to type next."""
    server = "" if is_default else f" --server {url}"
    return [
        f"  sources: {', '.join(source_names(config))}",
        "  open it in a browser, or in another terminal:",
        f"  {_own_name()} get 'port 53' --after 1h -w out.pcap{server}",
        "  Ctrl-C ends it.",
    ]


def _own_name() -> str:
    """How this command is typed here: with its path, unless it is on the PATH."""
    program = sys.argv[0]
    return program if program.endswith("/docket") and shutil.which("docket") is None else "docket"
