"""A collector on the embedded bus, driven turn by turn with a clock of its own, and sources played by hand."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from docket.bus.interface import Delivery
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import (
    Cancel,
    Delete,
    Fragment,
    FragmentKind,
    Retry,
    decode_event,
    encode,
    fragment_headers,
)
from docket.bus.topology import (
    CANCEL_KEY,
    COLLECTOR_QUEUE,
    DEAD_QUEUE,
    DELETE_KEY,
    EVENTS,
    FRAGMENT_QUEUE_MESSAGES,
    FRAGMENT_SHARDS,
    FRAGMENTS,
    JOBS,
    REQUEST_KEY,
    RETRY_KEY,
    fragment_queue,
    fragment_shard,
    source_queue,
)
from docket.config.model import CaptureFilesConfig, Config, JobsConfig, SpoolConfig, WebConfig
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, Verdict
from docket.domain.request import Request
from docket.domain.source import SourceStatus
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.workers.collector.service import Collector
from tests.workers.packet_records import START_US, US, in_file, split

SOURCES = ("rock01:em1", "rock01:em2")
WINDOW_US = (START_US, START_US + 8 * 60 * US)
NOW_US = START_US + 20 * 60 * US


class TestClock(Clock):
    """Stands still until it is told to go."""

    __test__ = False

    def __init__(self) -> None:
        self.wall_us = NOW_US
        self.passed_s = 1_000.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic_s(self) -> float:
        return self.passed_s

    def advance(self, seconds: float) -> None:
        self.wall_us += int(seconds * US)
        self.passed_s += seconds


@dataclass
class Reading:
    """One source that reads one job, as the collector hears it."""

    rig: Rig
    job_id: str
    source: str
    attempt: int = 1
    run: str = "0001"
    seq: int = 0

    def begin(self, **facts: Any) -> Reading:
        self.say(FragmentKind.BEGIN, sent=f"({self.source})", **facts)
        return self

    def data(self, body: bytes, **facts: Any) -> Reading:
        times = [time for time, _ in split(body)]
        counted = {"packets": len(times), "first_us": min(times), "last_us": max(times)}
        self.say(FragmentKind.DATA, body=body, **(counted | facts))
        return self

    def status(self, sentence: str, **facts: Any) -> Reading:
        self.rig.send(self._fragment(FragmentKind.STATUS, -1, sentence=sentence, **facts))
        return self

    def end(self, verdict: Verdict = Verdict.COMPLETE, sentence: str = "Everything was read.", **facts: Any) -> Reading:
        self.say(FragmentKind.END, verdict=verdict, sentence=sentence, usable=facts.pop("usable", True), **facts)
        return self

    def skip(self) -> Reading:
        """Lose one fragment on the bus."""
        self.seq += 1
        return self

    def say(self, kind: FragmentKind, **facts: Any) -> None:
        self.rig.send(self._fragment(kind, self.seq, **facts))
        self.seq += 1

    def _fragment(self, kind: FragmentKind, seq: int, **facts: Any) -> Fragment:
        reading: dict[str, Any] = {"job": self.job_id, "source": self.source, "attempt": self.attempt, "run": self.run}
        return Fragment(**reading, seq=seq, kind=kind, **facts)


@dataclass
class Rig:
    """Everything a test needs."""

    directory: Path
    sources: tuple[str, ...] = SOURCES
    spool_config: dict[str, Any] = field(default_factory=dict)
    jobs_config: dict[str, Any] = field(default_factory=dict)
    bus: str = "amqp://nowhere"
    web: WebConfig = field(default_factory=WebConfig)

    def __post_init__(self) -> None:
        self.clock = TestClock()
        self.broker = MemoryBroker()
        self.spool = Spool(self.directory / "spool")
        self.config = Config(
            sources=tuple(CaptureFilesConfig(name=name, path=self.directory) for name in self.sources),
            bus=self.bus,
            spool=SpoolConfig(path=self.spool.path, **({"min_free_bytes": 0} | self.spool_config)),
            jobs=JobsConfig(**self.jobs_config),
            web=self.web,
        )
        self.broker.declare(self.sources)
        self._publisher = self.broker.publisher("test")
        self._ears = self.broker.receiver("ears", [], prefetch=1, listen=["#"])
        self._listening = {name: self.broker.receiver(name, [source_queue(name)], prefetch=99) for name in self.sources}
        self.heard: list[EventMessage] = []
        self.reader = LedgerReader(self.spool.ledger)
        self.collector = Collector(self.config, self.broker, self.clock)
        self.collector.open()

    def close(self) -> None:
        self.collector.close()
        self.reader.close()

    def restart(self) -> None:
        """Another collector on the same spool, as after a kill: nothing of the old one is flushed."""
        self.collector._outbox.take_published()
        self.collector.close()
        self.collector = Collector(self.config, self.broker, self.clock)
        self.collector.open()

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.collector.turn(0.0)

    def settle(self) -> None:
        """Turn until nothing is left to do but wait."""
        queues = [COLLECTOR_QUEUE, *(fragment_queue(shard) for shard in range(FRAGMENT_SHARDS))]
        for _ in range(2_000):
            self.turn()
            waiting = sum(self.broker.depth(queue).messages for queue in queues)
            busy = self.collector._busy or self.collector._sweeping or self.collector._pending is not None
            if not waiting and not busy:
                return
        raise AssertionError("the collector does not come to rest")

    def all_looked_at(self) -> bool:
        """Whether every result that the ledger did not know at the start has been looked at."""
        self.settle()
        return self.collector._adoption.done

    def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass in small steps."""
        passed_s = 0.0
        while passed_s < seconds:
            self.clock.advance(min(step_s, seconds - passed_s))
            passed_s += step_s
            self.settle()

    def request(self, job_id: str | None = None, **facts: Any) -> Request:
        values: dict[str, Any] = {
            "id": job_id or str(uuid.uuid4()),
            "query": "port 53",
            "asked": "port 53",
            "after_us": WINDOW_US[0],
            "before_us": WINDOW_US[1],
            "requested_at_us": self.clock.now_us(),
            "owner": "analyst1",
        }
        return Request(**(values | facts))

    def ask(self, **facts: Any) -> str:
        """Publish a request; returns its id."""
        request = self.request(**facts)
        self.publish(REQUEST_KEY, encode(request))
        return request.id

    def reading(self, job_id: str, place: int = 0, attempt: int = 1, run: str = "0001") -> Reading:
        return Reading(self, job_id, self.sources[place], attempt, run)

    def answer(self, job_id: str, *bodies: bytes) -> None:
        """Let the sources answer completely, one body each."""
        for place, body in enumerate(bodies):
            reading = self.reading(job_id, place).begin()
            if body:
                reading.data(body)
            reading.end(Verdict.COMPLETE if body else Verdict.EMPTY)

    def send(self, fragment: Fragment) -> None:
        shard = fragment_shard(fragment.job, fragment.source)
        while self.broker.depth(fragment_queue(int(shard))).messages >= FRAGMENT_QUEUE_MESSAGES:
            self.clock.advance(0.1)  # whoever sends waits until the collector has made room
            self.turn()
        self._publisher.publish(FRAGMENTS, shard, fragment.body, headers=fragment_headers(fragment))

    def cancel(self, job_id: str, *, keep: bool = True) -> None:
        self.publish(CANCEL_KEY, encode(Cancel(id=job_id, keep=keep, user="boss")))

    def retry(self, job_id: str, **facts: Any) -> None:
        self.publish(RETRY_KEY, encode(Retry(id=job_id, user="boss", **facts)))

    def delete(self, job_id: str) -> None:
        self.publish(DELETE_KEY, encode(Delete(id=job_id, user="boss")))

    def publish(self, key: str, body: bytes) -> None:
        self._publisher.publish(JOBS, key, body)

    def say_source(self, name: str, event: EventName, state: str = "online", *, served: bool = True) -> None:
        """Let a worker speak of its source, which it serves, as workers do."""
        if served and name not in self._listening:
            self.broker.declare([name])
            self._listening[name] = self.broker.receiver(name, [source_queue(name)], prefetch=99)
        at = self.clock.now()
        status = SourceStatus(name=name, kind="capture-files", state=state, last_seen=at)
        self._publisher.publish(EVENTS, event.value, encode(EventMessage(event=event, at=at, source=status)))

    def leave(self, place: int) -> None:
        """Let a worker go: nobody listens on its queue any more."""
        self._listening[self.sources[place]].close()

    def orders(self, place: int = 0) -> list[Retry]:
        """The orders to read anew that have come to a source since the last call."""
        orders = []
        while (delivery := self._listening[self.sources[place]].receive(0.0)) is not None:
            delivery.ack()
            raw = msgspec.json.decode(delivery.body)
            if raw["schema"] == "docket.job.retry/1" and raw.get("order"):
                orders.append(msgspec.convert(raw, Retry))
        return orders

    def events(self, job_id: str | None = None) -> list[str]:
        """The names of the job events on the bus so far, progress left out."""
        while (delivery := self._ears.receive(0.0)) is not None:
            self.heard.append(decode_event(delivery.body, delivery.routing_key))
        return [
            message.event.removeprefix("job.")
            for message in self.heard
            if message.event.startswith("job.") and message.event is not EventName.PROGRESS
            if job_id is None or message.job_id == job_id
        ]

    def progress(self) -> list[Job]:
        self.events()
        return [heard.job for heard in self.heard if heard.event is EventName.PROGRESS and heard.job is not None]

    def dead(self) -> list[str]:
        """The reasons in `docket.dead`."""
        grave = self.broker.receiver("grave", [DEAD_QUEUE], prefetch=99)
        reasons: list[str] = []
        while (delivery := grave.receive(0.0)) is not None:
            reasons.append(_reason(delivery))
            delivery.ack()
        grave.close()
        return reasons

    def job(self, job_id: str) -> Job:
        job = self.reader.job(job_id)
        assert job is not None
        return job

    def state(self, job_id: str) -> str:
        return self.job(job_id).state.value

    def verdicts(self, job_id: str) -> list[str | None]:
        return [None if answer.verdict is None else answer.verdict.value for answer in self.job(job_id).sources]

    def result(self, job_id: str) -> list[tuple[int, bytes]]:
        """The records of the finished result."""
        return in_file(self.spool.result(job_id))

    def files(self, job_id: str) -> list[str]:
        """Every file of the job, by its name below the job's directory."""
        directory = self.spool.job_directory(job_id)
        return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def _reason(delivery: Delivery) -> str:
    return str(delivery.headers.get("x-docket-reason", ""))


@contextmanager
def rig(directory: Path, **settings: Any) -> Iterator[Rig]:
    made = Rig(directory, **settings)
    try:
        yield made
    finally:
        made.close()


def at(*seconds: float) -> list[int]:
    """Packet times, in seconds after the window's beginning."""
    return [START_US + int(second * US) for second in seconds]
