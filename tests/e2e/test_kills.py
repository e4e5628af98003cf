"""A process dies in mid-job, and the job still ends with the same packets.

The sources are stand-ins that stop half-way until the test lets them go on, so each blow falls in mid-job for
certain. Broker, web, collector and workers are the real ones.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from docket.domain.timewindow import format_us
from tests.faults.certificates import Authority
from tests.faults.halfway import Authenticator
from tests.faults.packets import Packet, udp
from tests.faults.stand_in import StandIn
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.truth import packets_of
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

START_US = 1_790_000_000_000_000
PACKETS = 6_000
STEP_US = 5_000


@dataclass
class Held:
    """A running sensor whose two sources hold their answers half-way."""

    sensor: Sensor
    gate: Authenticator
    truth: list[Packet]

    def ask(self, longer_us: int = 0) -> str:
        """Ask for everything; returns once both sources are half-way and the collector has both halves.

        A window that is longer by some microseconds makes it another question than the one before.
        """
        # A reading that begins before the collector takes files goes over the bus.
        wait_until((self.sensor.spool / "incoming" / "collector").exists, "the collector to take files", timeout_s=30.0)
        end_us = START_US + 2 * PACKETS * STEP_US + longer_us
        job_id: str = self.sensor.ask("udp", format_us(START_US), format_us(end_us))["id"]
        wait_until(lambda: len(self.gate.waiting) == 2, "both sources are half-way", timeout_s=30.0)
        wait_until(lambda: self.growing(job_id) > 24, "the merge has begun", timeout_s=30.0)
        wait_until(lambda: self.parts_taken(job_id) == 2, "the ledger has both workers' files", timeout_s=30.0)
        return job_id

    def parts_taken(self, job_id: str) -> int:
        """Parts whose worker's file the collector has, as the ledger knows: what it does not is read again."""
        with closing(sqlite3.connect(f"file:{self.sensor.spool / 'ledger.sqlite3'}?mode=ro", uri=True)) as ledger:
            bodies = ledger.execute("SELECT body FROM parts WHERE job_id = ?", [job_id]).fetchall()
        return sum(re.search(rb'"claim":"[^"]', body) is not None for (body,) in bodies)

    def growing(self, job_id: str) -> int:
        """Size of the result while it grows, bytes."""
        path = self.sensor.spool / "jobs" / job_id / "job.pcap.partial"
        return path.stat().st_size if path.exists() else 0

    def finish(self, job_id: str) -> None:
        """Let the sources go on and see that the job is completed with the truth."""
        self.gate.opened.set()
        job = self.sensor.wait(job_id)
        assert job["state"] == "completed", f"{job}\n{self.sensor.logs()}"
        got = [(packet.time_us, packet.frame) for packet in packets_of(self.sensor.pcap(job_id))]
        assert got == [tuple(packet) for packet in self.truth]


@pytest.fixture
def held(tmp_path: Path, amqp_url: str) -> Iterator[Held]:
    """Two sources with every second packet each."""
    packets = [udp(START_US + number * STEP_US, size=60 + number % 900) for number in range(2 * PACKETS)]
    gate = Authenticator()
    authority = Authority(tmp_path / "ca")
    client = authority.issue("client")
    with (
        StandIn(packets[::2], authority, script=gate.script("em1")) as one,
        StandIn(packets[1::2], authority, script=gate.script("em2")) as two,
    ):
        sources = [
            {
                "name": f"rock01:em{number}",
                "kind": "stenographer",
                "url": stand_in.url,
                "cert": str(client.cert),
                "key": str(client.key),
                "ca": str(authority.ca.cert),
                "flush_lag": "0s",
            }
            for number, stand_in in enumerate((one, two), start=1)
        ]
        sensor = Sensor(tmp_path, amqp_url, sources)
        try:
            sensor.start_all()
            yield Held(sensor, gate, packets)
        finally:
            gate.opened.set()
            sensor.stop()


def test_a_worker_killed_in_mid_job_costs_nothing(held: Held) -> None:
    """Its request comes back to the next worker, which reads the source anew."""
    job_id = held.ask()
    held.sensor.kill("worker:rock01:em1")
    held.sensor.start("worker:rock01:em1")
    held.finish(job_id)
    attempts = {answer["name"]: answer["attempt"] for answer in held.sensor.job(job_id)["sources"]}
    assert attempts == {"rock01:em1": 2, "rock01:em2": 1}


def test_a_collector_killed_in_mid_merge_goes_on_where_it_was(held: Held) -> None:
    """What it had on disk is kept; no source is read anew."""
    job_id = held.ask()
    assert (held.sensor.spool / "incoming" / "em1").is_dir(), "the worker handed nothing over"
    held.sensor.kill("collector")
    held.sensor.start("collector")
    held.finish(job_id)
    assert [answer["attempt"] for answer in held.sensor.job(job_id)["sources"]] == [1, 1]


def test_a_restart_of_the_broker_in_mid_job_costs_nothing(held: Held, broker: Broker) -> None:
    """Fragments that went down with the broker are asked for again."""
    job_id = held.ask()
    broker.restart()
    held.finish(job_id)
