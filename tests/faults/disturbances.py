"""Kill, cut, fill, lock and set back what a job needs, while it is being read. For `table`.

Each disturbance meets a job whose two sources wait at random points of their answers, and lets them go on. What
must come of it is the truth, or an honest word about what is missing.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docket.domain.timewindow import format_us
from docket.spool.ledger_reader import LedgerReader
from tests.faults.certificates import Authority
from tests.faults.fragment_replay import BadPostman
from tests.faults.mid_job import AFTER_US, BEFORE_US, NAMES, Authenticator
from tests.faults.outcome import Outcome, honest, packets_in
from tests.services import needs
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

DISK_BYTES = 80 * 1024 * 1024
"""Room for all results of the table."""
LEDGER_ROOM_BYTES = 128 * 1024
"""Enough for the ledger to grow, and too little for a job's packets."""
BACK_S = 3600
DEADLINE_S = 60
SHORT_S = 6


@dataclass
class Ground:
    """What disturbances work on."""

    place: Path
    broker: Broker
    bus_url: str
    sensor: Sensor
    gate: Authenticator
    chance: random.Random

    @property
    def clock(self) -> Path:
        """The offset of the services' wall clock, in seconds."""
        return self.place / "clock"

    def restart(self, *services: str) -> None:
        """kill -9 and start again, whatever the others do."""
        for service in services:
            self.sensor.kill(service)
        for service in services:
            self.sensor.start(service)

    def logged(self, service: str, words: str, since: int) -> bool:
        """Whether a service has logged this after so many bytes of its log."""
        return words in self.sensor.log(service).read_text()[since:]


Act = Callable[[Ground, str], None]
"""Gets the id of the job, whose sources wait; opens the gate at the moment of its choice."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    fault: str
    act: Act
    verdicts: frozenset[str] = frozenset({"complete"})
    """What the sources may be."""
    states: frozenset[str] = frozenset({"completed"})
    words: str = ""
    """Must stand in a sentence."""
    deadline_s: int = DEADLINE_S


def kill(*services: str) -> Act:
    """kill -9, at the random moment at which the sources wait; the gate opens only after the restart."""

    def act(ground: Ground, _job_id: str) -> None:
        ground.restart(*services)
        ground.gate.open()

    return act


def kill_in_full_flow(*services: str) -> Act:
    """The same while packets flow."""

    def act(ground: Ground, _job_id: str) -> None:
        ground.gate.open()
        ground.restart(*services)

    return act


def restart_broker(ground: Ground, _job_id: str) -> None:
    ground.broker.restart()
    ground.gate.open()


def kill_broker(ground: Ground, _job_id: str) -> None:
    ground.broker.kill()
    ground.broker.start()
    ground.gate.open()


def cut_connections(ground: Ground, _job_id: str) -> None:
    ground.gate.open()
    assert ground.broker.close_connections(abruptly=True)


def raise_alarm(ground: Ground, _job_id: str) -> None:
    """Nobody can publish for as long as the broker has no memory left."""
    ground.broker.set_memory_alarm(True)
    try:
        ground.gate.open()
        blocked = (
            "[C || C <- rabbit_networking:connection_info_all([state]), proplists:get_value(state, C) =:= blocked]"
        )
        wait_until(lambda: ground.broker.eval(f"length({blocked})"), "publishers to be blocked")
    finally:
        ground.broker.set_memory_alarm(False)


def bad_post(ground: Ground, job_id: str) -> None:
    """Fragments come twice, late and in the wrong order, and the question comes twice too."""
    with BadPostman(ground.bus_url) as postman:
        ground.sensor.ask(**question(id=job_id))
        ground.gate.open()
        ground.sensor.wait(job_id)
        assert postman.swapped
        assert postman.repeated


def fill_disk(ground: Ground, job_id: str) -> None:
    rubbish = ground.sensor.spool / "rubbish"
    with rubbish.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    since, filled_bytes = len(ground.sensor.log("collector").read_text()), rubbish.stat().st_size
    ground.gate.open()

    def is_met() -> bool:
        if ground.logged("collector", "the ledger cannot grow", since):
            # It was the first to need room: with a little of it the job is the next.
            os.truncate(rubbish, filled_bytes - LEDGER_ROOM_BYTES)
        return ground.logged("collector", f"job {job_id}: the spool's disk is full", since)

    wait_until(is_met, "the disk to be full", 30.0)
    rubbish.unlink()


def make_read_only(ground: Ground, job_id: str) -> None:
    """For a while no result can be written."""
    with read_only(ground.sensor.spool / "jobs"):
        ground.gate.open()
        wait_until(
            lambda: ground.logged("collector", f"job {job_id}: the spool's disk is read-only", 0), "its word", 30
        )
        ground.sensor.wait(job_id)


def lock_ledger(ground: Ground, _job_id: str) -> None:
    since = len(ground.sensor.log("collector").read_text())
    other = sqlite3.connect(ground.sensor.spool / "ledger.sqlite3", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        ground.gate.open()
        wait_until(lambda: ground.logged("collector", "ledger write failed", since), "the lock to be met", 30.0)
        other.execute("ROLLBACK")
    finally:
        other.close()


def set_clock_back(ground: Ground, _job_id: str) -> None:
    ground.clock.write_text(f"-{BACK_S}")
    ground.gate.open()


def set_clock_back_and_wait(ground: Ground, job_id: str) -> None:
    """The sources never go on; the deadline must come although the clock says that it is an hour away."""
    ground.clock.write_text(f"-{BACK_S}")
    ground.sensor.wait(job_id)
    ground.gate.open()


WORKERS = tuple(f"worker:{name}" for name in NAMES)

TABLE = [
    Disturbance("worker killed", kill(WORKERS[0])),
    Disturbance("both workers killed in full flow", kill_in_full_flow(*WORKERS)),
    Disturbance("collector killed", kill("collector")),
    Disturbance("collector killed in full flow", kill_in_full_flow("collector")),
    Disturbance("web killed", kill("web")),
    Disturbance("everything killed", kill("web", "collector", *WORKERS)),
    Disturbance("fragments twice, late, swapped", bad_post),
    Disturbance("connections to the broker cut", cut_connections),
    Disturbance("broker out of memory", raise_alarm),
    Disturbance("broker restarted", restart_broker),
    Disturbance("ledger locked", lock_ledger),
    Disturbance(
        "disk full",
        fill_disk,
        frozenset({"cut"}),
        frozenset({"partial", "failed"}),
        "the spool's disk is full",
    ),
    Disturbance(
        "spool read-only for a while",
        make_read_only,
        frozenset({"cut"}),
        frozenset({"partial", "failed"}),
        "the spool's disk is read-only",
    ),
    Disturbance("clock set back an hour", set_clock_back),
    Disturbance(
        "clock set back, sources silent",
        set_clock_back_and_wait,
        frozenset({"timed-out"}),
        frozenset({"partial", "failed"}),
        "The job's deadline",
        SHORT_S,
    ),
    Disturbance("broker killed", kill_broker),
]


def disturb_all(place: Path, broker: Broker, vhost: str, seed: int) -> Iterator[Outcome]:
    """Run a Docket on a small disk and let every disturbance meet a job of its own."""
    authority = Authority(place / "rock")
    client = authority.issue("client")
    settings: dict[str, Any] = {"kind": "stenographer", "flush_lag": "0s", "ca": str(authority.ca.cert)}
    settings |= {"cert": str(client.cert), "key": str(client.key)}
    chance = random.Random(seed)
    (place / "clock").write_text("0")
    env = {"PYTHONPATH": str(Path(__file__).parent / "clock"), "DOCKET_TEST_CLOCK": str(place / "clock")}
    with ExitStack() as running:
        gate = running.enter_context(Authenticator(authority, chance))
        (place / "spool").mkdir()
        running.enter_context(small_disk(place / "spool"))
        sensor = Sensor(place, broker.url(vhost), gate.sources(settings), env)
        running.callback(sensor.stop)
        sensor.start_all()
        ground = Ground(place, broker, broker.url(vhost), sensor, gate, chance)
        for disturbance in TABLE:
            yield _meet(ground, disturbance)


def question(**fields: Any) -> dict[str, Any]:
    """Everything of both sources."""
    return {"query": "udp", "after": format_us(AFTER_US), "before": format_us(BEFORE_US), **fields}


def _meet(ground: Ground, disturbance: Disturbance) -> Outcome:
    sensor, gate = ground.sensor, ground.gate
    gate.close()
    began_s = time.monotonic()
    job_id = sensor.ask(**question(deadline_s=disturbance.deadline_s, fresh=True))["id"]
    wait_until(lambda: gate.all_wait, "both sources to be in mid-answer", 30.0)
    wait_until(lambda: _is_recorded(sensor, job_id), "the collector to know the job", 30.0)
    try:
        disturbance.act(ground, job_id)
        sensor.wait_ready()
        job = sensor.wait(job_id, timeout_s=disturbance.deadline_s + 30.0)
    finally:
        ground.clock.write_text("0")
        gate.open()
    return _judge(ground, disturbance, job, time.monotonic() - began_s)


def _is_recorded(sensor: Sensor, job_id: str) -> bool:
    ledger = LedgerReader(sensor.spool / "ledger.sqlite3")
    try:
        return ledger.job(job_id) is not None
    finally:
        ledger.close()


def _judge(ground: Ground, disturbance: Disturbance, job: dict[str, Any], took_s: float) -> Outcome:
    got = packets_in(ground.sensor, job)
    wrong = honest(ground.sensor, job, got, took_s)
    verdicts = [source["verdict"] for source in job["sources"]]
    sentences = [source["sentence"] for source in job["sources"]]
    if not set(verdicts) <= disturbance.verdicts or job["state"] not in disturbance.states:
        wrong.append(f"not {' or '.join(sorted(disturbance.verdicts))} and {' or '.join(sorted(disturbance.states))}")
    if not any(disturbance.words in sentence for sentence in sentences):
        wrong.append(f"no sentence says {disturbance.words!r}")
    if job["state"] == "completed" and got != ground.gate.packets:
        wrong.append(f"completed with {len(got)} packets, not the {len(ground.gate.packets)} right ones")
    if len(set(got)) != len(got) or not set(got) <= set(ground.gate.packets):
        wrong.append("a packet is double, or not a right one")
    shown = next((number for number, verdict in enumerate(verdicts) if verdict != "complete"), 0)
    return Outcome(
        disturbance.fault,
        ", ".join(dict.fromkeys(verdicts)),
        job["state"],
        sentences[shown],
        took_s,
        tuple(wrong),
    )


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A file system of its own for the spool, which fills up soon."""
    needs.root("to mount a small file system")
    mount, umount = needs.program("mount", "mount"), needs.program("umount", "mount")
    options = f"size={DISK_BYTES}"
    subprocess.run([mount, "-t", "tmpfs", "-o", options, "docket-test", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", str(directory)], check=True)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing below it can be opened for writing for as long as the context lasts."""
    mount, umount = needs.program("mount", "mount"), needs.program("umount", "mount")
    subprocess.run([mount, "--bind", str(directory), str(directory)], check=True)
    try:
        subprocess.run([mount, "-o", "remount,bind,ro", str(directory)], check=True)
        yield
    finally:
        subprocess.run([umount, "--lazy", str(directory)], check=True)
