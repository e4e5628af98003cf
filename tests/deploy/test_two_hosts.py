"""Two sensor hosts that only dial out to one broker over TLS; one of them is cut off in mid-job and comes back.

Each host is a network namespace with two stenographers of its own authority. Its one cable leads to a third
namespace, where a relay stands in for the broker's host; TLS goes through it from end to end.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tls_broker import TlsBroker, tls_broker
from tests.services import needs
from tests.services.certificates import Certificates, make_certificates
from tests.services.child import ChildProcess
from tests.services.network import Namespace
from tests.services.recording import STENOGRAPHER_USER, Recording, StoredFile
from tests.services.sensor import Sensor, stenographer_source
from tests.services.stenographer import StoredStenographer
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

HOSTS = {"rock01": "10.77.1", "rock02": "10.77.2"}
BROKER_PORT = 5671
DEADLINE_S = 18
BOUND_S = 60
"""What any one wait may take; a worker looks for its lost broker in growing steps."""

RELAY = """
import asyncio, sys

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()

def relay(connect):
    async def serve(reader, writer):
        there = await connect()
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
    return serve

async def main(side, path, port):
    if side == "inner":
        server = await asyncio.start_server(relay(lambda: asyncio.open_unix_connection(path)), "0.0.0.0", port)
    else:
        server = await asyncio.start_unix_server(relay(lambda: asyncio.open_connection("127.0.0.1", port)), path)
    await server.serve_forever()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


class RemoteStenographer(StoredStenographer):
    """A stenographer on a host of its own, reached there on 127.0.0.1 and from nowhere else."""

    def __init__(
        self, directory: Path, files: tuple[StoredFile, ...], certificates: Certificates, host: Namespace
    ) -> None:
        self._net = host
        super().__init__(directory, files, certificates=certificates)

    def start(self) -> None:
        who = ["setpriv", "--reuid", STENOGRAPHER_USER, "--regid", STENOGRAPHER_USER, "--init-groups"]
        command = [*who, self._program, f"--config={self.config}", "--syslog=false"]
        env = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(self.directory / "tmp")}
        self._process = ChildProcess(self._net.command(command), self.directory / "stenographer.log", env=env)
        wait_until(self._answers, f"stenographer on port {self.port}", timeout_s=20.0)

    def curl(self, path: str, *options: str) -> bytes:
        identity = ["--cert", str(self.cert), "--key", str(self.key), "--cacert", str(self.ca)]
        command = [self._curl, "--silent", "--fail", "--max-time", "60", *identity, *options, self.url + path]
        return subprocess.run(self._net.command(command), check=True, capture_output=True).stdout


@dataclass(frozen=True, slots=True)
class Field:
    """Everything of the test."""

    central: Sensor
    middle: Namespace
    stenographers: Mapping[str, RemoteStenographer]

    def cut(self, host: str) -> None:
        self.middle.run(["ip", "link", "set", host, "down"])

    def mend(self, host: str) -> None:
        self.middle.run(["ip", "link", "set", host, "up"])


def cable(middle: Namespace, host: Namespace, name: str, net: str) -> None:
    """A cable from a host to the broker's, with an address at each end."""
    middle.run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(host.pid)])
    middle.run(["ip", "address", "add", f"{net}.1/24", "dev", name])
    middle.run(["ip", "link", "set", name, "up"])
    host.run(["ip", "address", "add", f"{net}.2/24", "dev", "eth0"])
    host.run(["ip", "link", "set", "eth0", "up"])


def start_host(
    name: str,
    directory: Path,
    host: Namespace,
    recordings: Mapping[str, Recording],
    broker: TlsBroker,
    stack: ExitStack,
) -> dict[str, RemoteStenographer]:
    """Start a host's stenographers, of one authority, and its worker."""
    certificates = make_certificates(directory / f"certs-{name}")
    found = {}
    for interface, recording in recordings.items():
        server = RemoteStenographer(directory / f"{name}-{interface}", tuple(recording.files), certificates, host)
        stack.callback(server.close)
        server.start()
        found[f"{name}:{interface}"] = server
    config = directory / f"{name}.yaml"
    settings = {
        "bus": broker.bus("worker", f"{HOSTS[name]}.1", BROKER_PORT),
        "spool": {"path": str(directory / "no-spool")},
        "sources": [stenographer_source(source, server) for source, server in found.items()],
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "docket", "--config", str(config), "worker"]
    stack.callback(ChildProcess(host.command(command), directory / f"{name}.log").stop)
    return found


@pytest.fixture(scope="module")
def field(
    tmp_path_factory: pytest.TempPathFactory, steno_directory: Path, recordings: dict[str, Recording]
) -> Iterator[Field]:
    """Two hosts, a broker, one collector and one web app."""
    needs.root("to make network namespaces")
    directory = tmp_path_factory.mktemp("field")
    servers = steno_directory / "field"
    servers.mkdir()
    with ExitStack() as stack:
        names = ["localhost", "127.0.0.1", *(f"{net}.1" for net in HOSTS.values())]
        broker = stack.enter_context(tls_broker(directory, names))
        middle = Namespace(directory)
        stack.callback(middle.close)
        path = str(directory / "relay")
        for side, port in (("outer", broker.port), ("inner", BROKER_PORT)):
            command = [sys.executable, "-c", RELAY, side, path, str(port)]
            whole = middle.command(command) if side == "inner" else command
            stack.callback(ChildProcess(whole, directory / f"relay-{side}.log").stop)
        stenographers: dict[str, RemoteStenographer] = {}
        for name, net in HOSTS.items():
            host = Namespace(directory)
            stack.callback(host.close)
            cable(middle, host, name, net)
            stenographers |= start_host(name, servers, host, recordings, broker, stack)
        central = Sensor(directory, "amqp://unused/", [])
        settings = yaml.safe_load(central.config.read_text())
        collector = directory / "collector.yaml"
        collector.write_text(yaml.safe_dump(settings | {"bus": broker.bus("collector")}))
        central.config.write_text(yaml.safe_dump(settings | {"bus": broker.bus("web")}))
        command = [sys.executable, "-m", "docket", "--config", str(collector), "collector"]
        stack.callback(ChildProcess(command, directory / "collector.log").stop)
        central.start("web")
        stack.callback(central.stop)
        central.wait_ready(BOUND_S, sources=tuple(stenographers))
        yield Field(central, middle, stenographers)


def recorded(field: Field) -> dict[str, Any]:
    """The window of what all stenographers hold."""
    sources = field.central.http.get(field.central.url + "api/v1/sources", timeout=10).json()["sources"]
    return {
        "after": max(source["oldest"] for source in sources),
        "before": min(source["readable_until"] for source in sources),
    }


def packets(job: Mapping[str, Any]) -> dict[str, int]:
    return {source["name"]: source["packets"] for source in job["sources"]}


def test_job_over_four_interfaces_of_two_hosts(field: Field) -> None:
    """Workers that only dial out, each with an authority of its own behind it, answer one question together."""
    asked = field.central.ask("port 53", deadline_s=BOUND_S // 2, **recorded(field))
    # The deadline ends it in any case; its sentences then say what was waited for.
    job = field.central.wait(asked["id"], timeout_s=BOUND_S)
    assert job["state"] == "completed", job
    found = packets(job)
    assert set(found) == set(field.stenographers)
    assert all(found.values())
    assert found["rock01:em1"] == found["rock02:em1"]


def test_host_cut_off_in_mid_job_leaves_a_partial_answer_that_a_retry_completes(field: Field) -> None:
    """What the other host has is there, the cut one is named with what happened, and after its return a retry
    asks it alone."""
    central = field.central
    slow = [server for name, server in field.stenographers.items() if name.startswith("rock02")]
    pids = [pid for server in slow for pid in (server.pid, *_children(server.pid))]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        job = central.ask("udp", deadline_s=DEADLINE_S, fresh=True, **recorded(field))

        def half() -> bool:
            sources = {source["name"]: source["verdict"] for source in central.job(job["id"])["sources"]}
            return bool(sources["rock01:em1"] == sources["rock01:em2"] == "complete")

        wait_until(half, "the first host to have answered", timeout_s=DEADLINE_S)
        assert central.job(job["id"])["state"] == "running"
        field.cut("rock02")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    partial = central.wait(job["id"], timeout_s=DEADLINE_S + 20)
    assert partial["state"] == "partial"
    assert partial["pcap"]["size"] > 24
    for source in partial["sources"]:
        cut_off = source["name"].startswith("rock02")
        assert source["verdict"] == ("timed-out" if cut_off else "complete")
        assert ("has not been heard of since" in source["sentence"]) == cut_off, source["sentence"]
    field.mend("rock02")
    central.wait_ready(BOUND_S, sources=tuple(field.stenographers))
    answer = central.http.post(f"{central.url}api/v1/jobs/{job['id']}/retry", json={"deadline_s": BOUND_S}, timeout=30)
    assert answer.status_code in (200, 202), answer.text
    wait_until(lambda: central.job(job["id"])["revision"] == 2, "the retry to begin")
    whole = central.wait(job["id"], timeout_s=BOUND_S + 10)
    assert whole["state"] == "completed", whole
    assert packets(whole)["rock02:em1"] == packets(whole)["rock01:em1"] > 0
    attempts = {source["name"]: source["attempt"] for source in whole["sources"]}
    assert attempts["rock01:em1"] == 1
    assert attempts["rock02:em1"] > 1


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
