"""One chaos run: jobs are asked while Docket's services and its broker are killed and restarted at random.

The seed decides the questions, the moods of the sources and the blows; how they meet is for the machine to decide.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import amqp
import msgspec
import requests

from docket.bus.topology import JOBS, REQUEST_KEY
from docket.domain.timewindow import format_us
from docket.errors import SpoolError
from docket.spool.ledger_reader import LedgerReader
from tests.chaos.inspection import inspect
from tests.chaos.kills import Blows
from tests.chaos.questions import NAMES, Question, moody, questions, traffic
from tests.faults.certificates import Authority
from tests.faults.stand_in import StandIn
from tests.services.amqp_client import connect
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

ASKERS = 12
"""Each waits for the end of its job before it asks the next, so that the blows fall all along."""
ROUND_S = 2.0
"""What is down stays down about so long, though no job ends meanwhile."""
JOBS_END_S = 400.0
"""All jobs must be final by then: they are asked over time, and each has DEADLINE_S."""
FINAL = "completed,partial,failed,cancelled"


@dataclass
class Report:
    """What came of a run."""

    seed: int
    states: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    """Revisions after the first, all of them by Docket itself."""
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        lines = [
            f"seed {self.seed}: {sum(self.states.values())} jobs in {self.took_s:.0f} s, {_counts(self.states)}, "
            f"{self.retries} asked again by itself",
            f"  {sum(self.blows.values())} blows: {_counts(self.blows)}",
            *(f"  WRONG: {wrong}" for wrong in self.wrong),
        ]
        return "\n".join(lines)


def run(place: Path, broker: Broker, seed: int, jobs: int, hard: Sequence[str], jobs_per_blow: int) -> Report:
    """Ask so many jobs, deal a light blow whenever `jobs_per_blow` more have ended, and the hard ones spread over it.

    `place` must be empty; the broker must run and is left running.
    """
    report = Report(seed)
    began_s = time.monotonic()
    vhost = f"chaos-{seed}-{place.name}"
    broker.add_vhost(vhost)
    with _docket(place, broker.url(vhost), seed) as sensor:
        if "broker killed" in hard:
            # A quorum queue that was declared moments before may come back without a leader (RabbitMQ 3.10); after
            # one orderly restart it does not.
            broker.restart()
            sensor.wait_ready(60.0)
        chance = random.Random(seed)
        asked = questions(chance, jobs)
        _survive(sensor, broker, vhost, asked, chance, hard, jobs_per_blow, report)
        inspect(sensor, broker, vhost, asked, report.wrong)
        _sum_up(sensor, report)
    broker.drop_vhost(vhost)
    report.took_s = time.monotonic() - began_s
    return report


@contextmanager
def _docket(place: Path, bus_url: str, seed: int) -> Iterator[Sensor]:
    authority = Authority(place / "rock")
    client = authority.issue("client")
    settings = {"kind": "stenographer", "flush_lag": "0s", "ca": str(authority.ca.cert)}
    settings |= {"cert": str(client.cert), "key": str(client.key)}
    with ExitStack() as running:
        sources = []
        for place_of_it, (name, packets) in enumerate(traffic().items()):
            script = moody(random.Random(seed * len(NAMES) + place_of_it))
            steno = running.enter_context(StandIn(packets, authority, script=script))
            sources.append(settings | {"name": name, "url": steno.url})
        sensor = Sensor(place, bus_url, sources)
        running.callback(sensor.stop)
        sensor.start("inspector")
        sensor.start_all()
        yield sensor


def _survive(
    sensor: Sensor,
    broker: Broker,
    vhost: str,
    asked: list[Question],
    chance: random.Random,
    hard: Sequence[str],
    jobs_per_blow: int,
    report: Report,
) -> None:
    """Have everything asked and deal the blows, until every job is final."""
    blows = Blows(sensor, broker, chance)
    report.blows = blows.dealt
    give_up = threading.Event()
    hard_at = {len(asked) * (number + 1) // (len(hard) + 1): name for number, name in enumerate(hard)}
    # The executor is left first: its threads read the ledger.
    with _ledger(sensor) as ledger, ThreadPoolExecutor(ASKERS) as askers:
        asking = [askers.submit(_ask, sensor, broker.url(vhost), ledger, question, give_up) for question in asked]
        try:
            done, due = 0, jobs_per_blow
            last_at_s = time.monotonic() + JOBS_END_S
            while done < len(asked):
                if time.monotonic() > last_at_s:
                    raise TimeoutError(f"{len(asked) - done} jobs are not final after {JOBS_END_S:g} s")
                done = _progress(ledger, min(due, len(asked)))
                blows.raise_some()
                if done >= due and done < len(asked):
                    due = done + jobs_per_blow
                    for at in [at for at in hard_at if at <= done]:
                        blows.hard(hard_at.pop(at))
                    blows.light()
            blows.raise_all()
            sensor.wait_ready(60.0)
        except TimeoutError as error:
            report.wrong.append(str(error))
            blows.raise_all()
        finally:
            give_up.set()
    failures = [one.exception() for one in asking]
    report.wrong += [f"could not ask: {failure}" for failure in failures if failure is not None]


def _progress(ledger: LedgerReader, due: int) -> int:
    """Wait a moment for so many jobs to be final; how many are."""
    done = 0

    def reached() -> bool:
        nonlocal done
        with contextlib.suppress(SpoolError):
            done = ledger.jobs(state=FINAL, limit=1).total
        return done >= due

    with contextlib.suppress(TimeoutError):
        wait_until(reached, f"{due} jobs to be final", ROUND_S)
    return done


def _ask(sensor: Sensor, bus_url: str, ledger: LedgerReader, question: Question, give_up: threading.Event) -> None:
    """Ask again and again until it is taken; the id makes one job of it. Returns when the job is final."""

    def taken() -> bool:
        try:
            return _ask_by_bus(bus_url, question) if question.by_bus else _ask_by_http(sensor, question)
        except (requests.RequestException, amqp.exceptions.AMQPError, OSError):
            return give_up.is_set()

    wait_until(taken, "a question to be taken", timeout_s=90.0, step_s=0.1)
    if question.cancelled:
        wait_until(lambda: give_up.is_set() or _cancel(sensor, question), "a job to be cancelled", 90.0, step_s=0.1)
    wait_until(lambda: give_up.is_set() or _is_final(ledger, question), "a job's end", JOBS_END_S, step_s=0.1)


def _is_final(ledger: LedgerReader, question: Question) -> bool:
    try:
        job = ledger.job(question.id)
    except SpoolError:
        return False
    return job is not None and job.is_final


def _ask_by_http(sensor: Sensor, question: Question) -> bool:
    body = question.body() | {"fresh": True}
    response = sensor.http.post(f"{sensor.url}api/v1/jobs", json=body, timeout=20)
    return response.status_code in (200, 201)


def _ask_by_bus(bus_url: str, question: Question) -> bool:
    body = {
        "schema": "docket.job.request/1",
        "requested_at": format_us(time.time_ns() // 1000),
    } | question.body()
    message = amqp.Message(msgspec.json.encode(body), delivery_mode=2, content_type="application/json")
    connection = connect(bus_url, confirm_publish=True, connect_timeout=5, read_timeout=20)
    try:
        connection.channel().basic_publish_confirm(message, exchange=JOBS, routing_key=REQUEST_KEY, mandatory=True)
    finally:
        connection.collect()
    return True


def _cancel(sensor: Sensor, question: Question) -> bool:
    try:
        response = sensor.http.post(f"{sensor.url}api/v1/jobs/{question.id}/cancel", json={}, timeout=20)
    except requests.RequestException:
        return False
    # 409: it has ended meanwhile. 404: asked over the bus and not read yet.
    return response.status_code in (200, 202, 409)


def _sum_up(sensor: Sensor, report: Report) -> None:
    with _ledger(sensor) as ledger:
        jobs = ledger.jobs(limit=1000).jobs
    report.states = Counter(job.state.value for job in jobs)
    report.retries = sum(job.revision - 1 for job in jobs)


@contextmanager
def _ledger(sensor: Sensor) -> Iterator[LedgerReader]:
    ledger = LedgerReader(sensor.spool / "ledger.sqlite3")
    try:
        yield ledger
    finally:
        ledger.close()


def _counts(numbers: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.most_common())
