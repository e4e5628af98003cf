"""What measurements stand on: a real RabbitMQ, real stenographers with bulk traffic, Docket's processes, a socket.

Everything is made in one temporary directory, once, and used by all measurements of a run.
"""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from bench.fast import FastStenographer
from tests.services.bulk import NEEDLE_PORT, PACKETS, write_bulk
from tests.services.certificates import Certificates, make_certificates
from tests.services.rabbitmq import Broker
from tests.services.recording import record
from tests.services.sensor import Sensor, stenographer_source
from tests.services.stenographer import StoredStenographer
from tests.services.waiting import wait_until

NEEDLE = f"port {NEEDLE_PORT}"
"""The query that finds 50 packets at each of the two stenographers, and does not find them at once."""

WORKER_NICE = 10
"""As in deploy/systemd/docket-worker@.service."""

_RECORD_PACE = ("--mbps=800", "--preload-pcap")
_RECORD_BUFFER_MB = 512
_INTERFACES = ("em1", "em2")


class Stage:
    """Lends what a measurement needs; `close` ends all of it."""

    def __init__(self, directory: Path, packets: int = PACKETS) -> None:
        """`packets` per stenographer. The directory must be reachable by the user stenographer."""
        self.directory = directory
        self._packets = packets
        self._numbers = itertools.count(1)
        self._opened = ExitStack()

    def close(self) -> None:
        """End every program that was started."""
        self._opened.close()

    @cached_property
    def broker(self) -> Broker:
        broker = Broker(self.directory / "rabbitmq")
        self._opened.callback(broker.close)
        broker.start()
        return broker

    @cached_property
    def stenographers(self) -> dict[str, StoredStenographer]:
        """Two servers by the names of their sources; each has so many packets of the same few seconds."""
        captures = {}
        place = self.scratch()
        for number, interface in enumerate(_INTERFACES):
            captures[interface] = place / f"{interface}.pcap"
            write_bulk(captures[interface], self._packets, seed=number + 1)
        recordings = record(captures, self.scratch(), pace=_RECORD_PACE, blocks=_RECORD_BUFFER_MB, with_truth=False)
        self._recorded_at = datetime.now(UTC)
        servers = {}
        for interface, recording in recordings.items():
            captures[interface].unlink()
            server = StoredStenographer(place / f"server-{interface}", recording.files)
            self._opened.callback(server.close)
            server.start()
            servers[f"bench:{interface}"] = server
        return servers

    @cached_property
    def window(self) -> tuple[str, str]:
        """A window with all that the stenographers have."""
        starts_us = [int(path.name) for server in self.stenographers.values() for path in server.packets.iterdir()]
        # Not before the later one began: what lies before it would be missing, and rightly be said to be.
        after = datetime.fromtimestamp((max(starts_us) + 1) / 1e6, UTC)
        return _rfc3339(after), _rfc3339(self._recorded_at)

    def question(self, query: str = "") -> str:
        """A query over that window in stenographer's own words."""
        after, before = self.window
        clause = f"after {after} and before {before}"
        return f"{clause} and {query}" if query else clause

    def scratch(self) -> Path:
        """A new directory."""
        path = self.directory / f"scratch-{next(self._numbers)}"
        path.mkdir(mode=0o755)
        return path

    @contextmanager
    def docket(
        self, sources: Sequence[Mapping[str, Any]], prepare: Callable[[Path], None] = lambda _: None
    ) -> Iterator[Sensor]:
        """Docket's processes on a vhost of their own, ready to be asked."""
        vhost = f"bench-{next(self._numbers)}"
        self.broker.add_vhost(vhost)
        sensor = Sensor(self.scratch(), self.broker.url(vhost), sources, spool={"handover": "1MB"})
        prepare(sensor.spool)
        try:
            # The collector first: a web app that has no ledger yet sends its first listeners away soon.
            sensor.start("collector")
            wait_until(lambda: (sensor.spool / "ledger.sqlite3").exists(), "the ledger")
            sensor.start(*(f"worker:{name}" for name in sensor.sources), "web")
            sensor.wait_ready()
            _lower(sensor)
            yield sensor
        finally:
            sensor.stop()
            self.broker.drop_vhost(vhost)

    @contextmanager
    def docket_of_two(self) -> Iterator[Sensor]:
        """The same, asking the two stenographers."""
        sources = [stenographer_source(name, server) for name, server in self.stenographers.items()]
        with self.docket(sources) as sensor:
            yield sensor

    @contextmanager
    def docket_of_fast(
        self, count: int, prepare: Callable[[Path], None] = lambda _: None
    ) -> Iterator[tuple[Sensor, list[FastStenographer]]]:
        """The same, asking so many fast stand-ins; `prepare` gets the path of the spool before anything runs."""
        with ExitStack() as opened:
            servers: list[FastStenographer] = []
            for number in range(count):
                servers.append(FastStenographer(self.scratch(), number, self._certificates))
                opened.callback(servers[-1].close)
            sources = [fast_source(f"bench:fast{number}", server) for number, server in enumerate(servers, 1)]
            sensor = opened.enter_context(self.docket(sources, prepare=prepare))
            yield sensor, servers

    @cached_property
    def _certificates(self) -> Certificates:
        return make_certificates(self.scratch() / "certs", "127.0.0.1")

    def pids(self, sensor: Sensor) -> dict[str, int]:
        """Every process that has a share in a job, by name."""
        pids = {service: child.pid for service, child in sensor.children.items()}
        pids["rabbitmq"] = self.broker.pid
        servers = {name: server.pid for name, server in self.stenographers.items() if name in sensor.sources}
        return pids | {f"stenographer of {name}": pid for name, pid in servers.items()}


class Server(Protocol):
    """Whatever answers like a stenographer."""

    @property
    def ca(self) -> Path: ...
    @property
    def cert(self) -> Path: ...
    @property
    def key(self) -> Path: ...

    url: str


def fast_source(name: str, server: FastStenographer) -> dict[str, Any]:
    """The configuration's entry for a fast stand-in."""
    files = {"cert": str(server.cert), "key": str(server.key), "ca": str(server.ca)}
    return {"name": name, "kind": "stenographer", "url": server.url, "flush_lag": "0s", **files}


def curl_command(server: Server, question: str, output: Path | str) -> list[str]:
    """What somebody types who does without Docket."""
    identity = ["--cert", str(server.cert), "--key", str(server.key), "--cacert", str(server.ca)]
    return ["curl", "-sSf", *identity, "--data-raw", question, "--output", str(output), f"{server.url}/query"]


def run_all(*commands: Sequence[str]) -> None:
    """Run programs beside each other and wait for the last. Raises RuntimeError if one fails."""
    running = [subprocess.Popen(command) for command in commands]
    statuses = [process.wait() for process in running]
    if any(statuses):
        raise RuntimeError(f"exit statuses {statuses} of {commands}")


def _lower(sensor: Sensor) -> None:
    """Give the workers the low priority that their systemd unit gives them, for all threads they have by now."""
    for service, child in sensor.children.items():
        if service.startswith("worker:"):
            for thread in Path(f"/proc/{child.pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), WORKER_NICE)


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
