"""Docket as a sensor runs it: RabbitMQ, and a process per service."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docket.demo import place_demo
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import DOCKET, clean_environ, docket
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

LEAD_US = 120_000_000
SERVICES: tuple[tuple[str, ...], ...] = (
    ("collector",),
    ("worker", "em1"),
    ("worker", "demo:em2"),
    ("inspector",),
    ("web",),
)


class Sensor:
    """A configuration with two sources of sample traffic, and whatever services a test starts on it."""

    def __init__(self, place: Path, amqp_url: str) -> None:
        self.place = place
        self.config = place / "docket.yaml"
        self.environ = clean_environ(place, DOCKET_CONF=str(self.config))
        place_demo(place / "captures", time.time_ns() // 1000 - LEAD_US)
        self.config.write_text(
            f"""
            bus: "{amqp_url}"
            spool: {{path: spool, min_free: 1MB}}
            web: {{listen: "127.0.0.1:{free_port()}"}}
            sources:
              - {{name: "demo:em1", kind: capture-files, path: captures/em1, flush_lag: 0}}
              - {{name: "demo:em2", kind: capture-files, path: captures/em2, flush_lag: 0}}
            """
        )

    def start(self, *arguments: str) -> ChildProcess:
        log = self.place / f"{'-'.join(arguments).replace(':', '.')}.log"
        return ChildProcess([*DOCKET, *arguments], log, env=self.environ)

    def is_well(self) -> bool:
        return docket("status", environ=self.environ).returncode == ExitCode.OK

    def get(self, name: str) -> tuple[int, bytes]:
        """Ask for all DNS of the last hour; gives exit code and capture."""
        done = docket("get", "port 53", "--after", "1h", "-w", name, environ=self.environ, cwd=self.place)
        path = self.place / name
        return done.returncode, path.read_bytes() if path.exists() else b""


@pytest.fixture
def sensor(tmp_path: Path, amqp_url: str) -> Sensor:
    needs.program("tcpdump", "tcpdump")
    needs.program("tshark", "tshark")
    return Sensor(tmp_path, amqp_url)


@pytest.fixture
def services(sensor: Sensor) -> Iterator[dict[tuple[str, ...], ChildProcess]]:
    """Every service in a process of its own, started in the worst order, and well."""
    with ExitStack() as stack:
        children = {}
        for arguments in reversed(SERVICES):
            children[arguments] = sensor.start(*arguments)
            stack.callback(children[arguments].stop)
        wait_until(sensor.is_well, "all services to be well", timeout_s=30.0)
        yield children


def test_separate_processes_answer_and_end_in_an_orderly_way(
    sensor: Sensor, services: dict[tuple[str, ...], ChildProcess]
) -> None:
    """Four processes over RabbitMQ give a complete answer; each ends 0 when it is told to, whatever the order."""
    code, capture = sensor.get("out.pcap")
    assert (code, len(capture) > 24) == (ExitCode.OK, True)
    assert {arguments: child.stop() for arguments, child in services.items()} == dict.fromkeys(SERVICES, ExitCode.OK)


def test_run_works_on_rabbitmq(sensor: Sensor) -> None:
    """`docket run` on the configuration's bus is the same Docket in one process."""
    child = sensor.start("run")
    try:
        wait_until(sensor.is_well, "docket run to be well", timeout_s=30.0)
        assert sensor.get("out.pcap")[0] == ExitCode.OK
    finally:
        assert child.stop() == ExitCode.OK


def test_services_wait_for_a_broker_that_is_not_there_yet(sensor: Sensor, broker: Broker, vhost: str) -> None:
    """Services that start before the broker begin their work when it comes, without a restart."""
    broker.stop()
    children = [sensor.start(*arguments) for arguments in SERVICES]
    try:
        wait_until(lambda: "waiting for the broker" in children[0].log_tail(), "the collector to wait", timeout_s=40.0)
        broker.start()
        wait_until(sensor.is_well, f"all services to be well in {vhost}", timeout_s=60.0)
        assert sensor.get("out.pcap")[0] == ExitCode.OK
    finally:
        for child in children:
            child.stop()


def test_queue_of_another_kind_is_replaced(sensor: Sensor, broker: Broker, vhost: str) -> None:
    """A queue of our name that another version declared differently is replaced and named; services go on."""
    wrong = {"name": "docket.collector", "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}
    broker.import_definitions({"queues": [wrong]})
    done = docket("topology", environ=sensor.environ)
    assert (done.returncode, "docket.collector" in done.stderr) == (ExitCode.OK, True)
    children = [sensor.start(*arguments) for arguments in SERVICES]
    try:
        wait_until(sensor.is_well, f"all services to be well in {vhost}", timeout_s=60.0)
    finally:
        for child in children:
            child.stop()


def test_topology_is_declared_once_and_again(sensor: Sensor, broker: Broker, vhost: str) -> None:
    """`docket topology` makes every queue; a second time changes nothing."""
    for _ in range(2):
        assert docket("topology", environ=sensor.environ).returncode == ExitCode.OK
    assert {"docket.source.demo:em1", "docket.source.demo:em2", "docket.collector"} <= set(broker.queue_depths(vhost))
