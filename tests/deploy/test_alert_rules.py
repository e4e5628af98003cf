"""Every alert rule fires in a real Prometheus when its cause is made on a running Docket, and not before."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from docket.bus import topology
from docket.bus.factory import open_broker
from tests.deploy.prometheus_sensor import RULES, Prometheus, Sensor, started
from tests.faults.disturbances import small_disk
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until
from tests.workers.sources.capture_formats import statistics
from tests.workers.webhooks.receiver import receiving

pytestmark = pytest.mark.rabbitmq

PATIENCE_S = 90.0


class Cause:
    """What is done to a sensor on which all is well."""

    def __init__(self, sensor: Sensor, prometheus: Prometheus, broker: Broker, amqp_url: str) -> None:
        self._sensor, self._prometheus, self._broker, self._amqp_url = sensor, prometheus, broker, amqp_url

    def a_tool_publishes_nonsense(self) -> None:
        bus = open_broker(self._amqp_url, {})
        publisher = bus.publisher("a tool")
        publisher.publish(topology.JOBS, "job.request", b"{}")
        publisher.close()
        bus.close()

    def a_recorder_drops_packets(self) -> None:
        whole = (self._sensor.place / "em1/a.pcapng").read_bytes()
        self._sensor.write_capture("em1", "b.pcapng", whole + statistics(7))
        job = self._sensor.final(query="", sources=["rock:em1"])
        assert job["sources"][0]["verdict"] == "gap", job["sources"]

    def a_result_is_damaged_before_it_is_inspected(self) -> None:
        inspector = self._sensor.children["inspector"]
        os.kill(inspector.pid, signal.SIGSTOP)
        job = self._sensor.final(query="port 53", sources=["rock:em3"])
        (self._sensor.disk / "jobs" / job["id"] / "job.json").write_text("damaged")
        os.kill(inspector.pid, signal.SIGCONT)

    def a_capture_is_damaged(self) -> None:
        whole = (self._sensor.place / "em3/a.pcapng").read_bytes()
        self._sensor.write_capture("em3", "b.pcapng", whole + b"\xff" * 40)
        job = self._sensor.final(query="", sources=["rock:em3"])
        assert job["sources"][0]["verdict"] == "cut", job["sources"]

    def a_worker_hangs(self) -> None:
        worker = self._sensor.children["worker em2"]
        os.kill(worker.pid, signal.SIGSTOP)
        job = self._sensor.final(query="", sources=["rock:em2"], deadline_s=1)
        assert job["sources"][0]["verdict"] == "timed-out", job["sources"]
        os.kill(worker.pid, signal.SIGCONT)

    def more_alerts_come_than_the_budget_allows(self) -> None:
        self._sensor.write_alerts(3)
        wait_until(lambda: self._prometheus.value("sum(docket_alerts_total)") == 3, "the alerts", PATIENCE_S)

    def the_alerts_go_away(self) -> None:
        (self._sensor.place / "eve.json").unlink()
        (self._sensor.place / "eve.json").mkdir()

    def more_is_recorded_than_is_indexed(self) -> None:
        self._sensor.write_large_capture("em2")
        self._sensor.write_capture("em2", "later.pcapng")

    def a_recorder_ends(self) -> None:
        for path in (self._sensor.place / "em1").iterdir():
            os.utime(path, (self._sensor.begun_us // 10**6,) * 2)
        (self._sensor.place / "em1/b.pcapng").unlink()

    def a_directory_goes(self) -> None:
        shutil.rmtree(self._sensor.place / "em3")

    def a_worker_ends(self) -> None:
        self._sensor.children["worker em2"].stop()

    def the_indexer_dies(self) -> None:
        self._sensor.children["indexer"].kill()
        self._sensor.set_back("indexer")

    def the_disk_runs_full(self) -> None:
        status = os.statvfs(self._sensor.disk)
        free_bytes = status.f_bavail * status.f_frsize
        (self._sensor.disk / "ballast").write_bytes(bytes(free_bytes - 1_000_000))
        self._sensor.start("record lo")
        self._prometheus.scrape_also(self._sensor.ports["record"])

    def the_collector_dies(self) -> None:
        self._sensor.children["collector"].kill()
        self._sensor.set_back("collector")

    def the_ledger_is_damaged(self) -> None:
        for path in self._sensor.disk.glob("ledger.sqlite3*"):
            path.write_bytes(b"no ledger" * 10_000)

    def the_broker_ends(self) -> None:
        self._broker.stop()

    def the_web_app_dies(self) -> None:
        self._sensor.children["web"].kill()


STEPS: tuple[dict[Callable[[Cause], None], tuple[str, ...]], ...] = (
    {
        Cause.a_tool_publishes_nonsense: ("DocketDeadLetters", "DocketRejected", "DocketFault"),
        Cause.a_result_is_damaged_before_it_is_inspected: ("DocketInspectionFailed",),
        Cause.a_recorder_drops_packets: (
            "DocketGap",
            "DocketRecorderDrops",
            "DocketWebhookDead",  # the one receiver answers 410
            "DocketWebhookLeftOut",  # for the other 10,000 wait
        ),
        Cause.a_capture_is_damaged: ("DocketAnswersFallShort",),
        Cause.a_worker_hangs: ("DocketDeadlineMissed",),
        Cause.more_alerts_come_than_the_budget_allows: ("DocketAlertsLeftOut",),
        Cause.the_alerts_go_away: ("DocketAlertInputUnread",),
        Cause.more_is_recorded_than_is_indexed: ("DocketIndexBehind",),
    },
    {
        Cause.a_recorder_ends: ("DocketRecorderSilent",),
        Cause.a_directory_goes: ("DocketSourceError",),
        Cause.a_worker_ends: ("DocketSourceDown", "DocketQueueUnread"),
        Cause.the_indexer_dies: ("DocketIndexerSilent", "DocketServiceDown"),
    },
    {
        Cause.the_disk_runs_full: ("DocketSpoolLow", "DocketRecorderStopped"),
    },
    {Cause.the_collector_dies: ("DocketCollectorSilent",)},
    {Cause.the_ledger_is_damaged: ("DocketLedgerUnreadable",)},
    {Cause.the_broker_ends: ("DocketBusDown",)},
    {Cause.the_web_app_dies: ("DocketDown",)},
)
"""Causes that are made one after the other; those of one step wait together."""


def test_every_rule_has_a_cause_here() -> None:
    """None is shipped that is not seen to fire."""
    rules = [rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]
    assert sorted(rules) == sorted(alert for step in STEPS for alerts in step.values() for alert in alerts)


def test_each_rule_fires_for_its_cause_and_not_before(tmp_path: Path, broker: Broker, amqp_url: str) -> None:
    """A process per service, a real Prometheus, and the causes as they happen."""
    with ExitStack() as stack:
        (disk := tmp_path / "disk").mkdir()
        stack.enter_context(small_disk(disk))
        receiver = stack.enter_context(receiving())
        receiver.answer = 410
        sensor = Sensor(tmp_path, disk, amqp_url, receiver.port)
        prometheus = started(stack, sensor)
        cause = Cause(sensor, prometheus, broker, amqp_url)
        wait_until(lambda: not prometheus.firing(), "all to be well", PATIENCE_S, 0.2)
        for step in STEPS:
            expected = {alert for alerts in step.values() for alert in alerts}
            assert prometheus.firing() & expected == set()
            for make in step:
                make(cause)
            fired: set[str] = set()

            def fires(fired: set[str] = fired, expected: set[str] = expected) -> bool:
                fired |= prometheus.firing()
                return expected <= fired

            try:
                wait_until(fires, "the alerts", PATIENCE_S, 0.2)
            except TimeoutError:
                raise AssertionError(f"did not fire: {expected - fired}") from None
