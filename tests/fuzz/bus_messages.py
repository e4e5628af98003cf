"""Messages on the bus of wrong types, giant, incomplete, foreign, replayed and forged. To a real collector."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path
from typing import Any

from docket.bus.messages import Fragment, FragmentKind, fragment_headers
from docket.bus.topology import COLLECTOR_QUEUE, DEAD_QUEUE, EVENTS, FRAGMENT_SHARDS, FRAGMENTS, JOBS, fragment_queue
from docket.domain.job import EventName, Verdict
from docket.errors import BusError
from tests.fuzz.report import Report, Tracebacks, resident_bytes
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import records

KEYS = ("job.request", "job.cancel", "job.retry", "job.delete", "job.forget", "job.other", "")
SCHEMAS = (
    *("docket.job.request/1", "docket.job.cancel/1", "docket.job.retry/1", "docket.job.delete/1"),
    *("docket.source.forget/1", "docket.event/1", "docket.fragment/1", "docket.job.request/9", "", None, 7),
)
FIELDS = (
    *("id", "query", "asked", "after", "before", "requested_at", "sources", "limits", "deadline_s", "wait_for_flush"),
    *("owner", "note", "parent", "refine", "keep", "user", "order", "name", "event", "at", "seq", "job", "source"),
    *("job_id", "reason"),
)
EVERY = 1_000
"""Cases between two good jobs, and between two looks at memory."""
EM1 = records("em1", at(*range(1, 20)), 100)


class Fuzzer:
    """Makes cases from a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.job_id = str(uuid.UUID(int=0))
        """The last good job, final or not."""
        self._sent: list[tuple[str, str, bytes, dict[str, Any]]] = []

    def value(self, depth: int = 0) -> Any:
        """Anything that JSON can say."""
        simple = (
            *(None, True, 0, -1, 2**31, 2**63, 2**70, -(2**63), 1.5, 1e308, "", "x", "\x00", "\ud800", "é" * 300),
            *(
                "2026-11-24T14:02:00Z",
                "9999-99-99T99:99:99Z",
                "15m",
                "99999999999w",
                "port 53",
                "(" * 3_000,
                "not " * 200,
            ),
            *(self.job_id, SOURCES[0], "../../etc:passwd", "job.completed", "source.online", "-c1"),
        )
        kind = self.chance.randrange(12)
        if kind == 0 and depth < 3:
            return [self.value(depth + 1) for _ in range(self.chance.randrange(4))]
        if kind == 1 and depth < 3:
            return {self.chance.choice(FIELDS): self.value(depth + 1) for _ in range(self.chance.randrange(4))}
        if kind == 2:
            return "x" * self.chance.choice((200, 5_000, 100_000))
        return self.chance.choice(simple)

    def text(self, raw: dict[str, Any]) -> bytes:
        return json.dumps(raw).encode()

    def case(self) -> tuple[str, str, bytes, dict[str, Any]]:
        """Exchange, routing key, body, headers."""
        if self._sent and self.chance.random() < 0.1:
            return self.chance.choice(self._sent)
        made = self.chance.choice((self.command, self.event, self.fragment, self.bytes))()
        self._sent = [*self._sent[-50:], made]
        return made

    def command(self) -> tuple[str, str, bytes, dict[str, Any]]:
        raw: dict[str, Any] = {
            "schema": self.chance.choice(SCHEMAS),
            "id": self.chance.choice((self.job_id, "x", None)),
        }
        raw |= {"query": "port 53", "after": "2023-11-14T22:00:00Z", "before": "2023-11-14T22:10:00Z"}
        for _ in range(self.chance.randrange(1, 4)):
            raw[self.chance.choice(FIELDS)] = self.value()
        for name in self.chance.sample(sorted(raw), self.chance.randrange(3)):
            del raw[name]
        return JOBS, self.chance.choice(KEYS), self.text(raw), {}

    def event(self) -> tuple[str, str, bytes, dict[str, Any]]:
        name = self.chance.choice([*EventName])
        raw: dict[str, Any] = {"schema": "docket.event/1", "event": name.value, "at": "2026-11-24T14:02:00Z"}
        status = {"name": SOURCES[0], "kind": "x", "state": "online", "last_seen": "2026-11-24T14:02:00Z"}
        raw |= {"source": status | {self.chance.choice(("name", "oldest", "last_seen", "stats", "gaps")): self.value()}}
        if self.chance.random() < 0.5:
            raw[self.chance.choice(FIELDS)] = self.value()
        # Events of jobs only as `job.inspected`: the broker's rights keep all others for the collector.
        key = name.value if name.value.startswith("source.") else "job.inspected"
        return EVENTS, key, self.text(raw), {}

    def fragment(self) -> tuple[str, str, bytes, dict[str, Any]]:
        kind = self.chance.choice([*FragmentKind])
        made = Fragment(
            job=self.chance.choice((self.job_id, str(uuid.UUID(int=self.chance.getrandbits(128))))),
            source=self.chance.choice((*SOURCES, "rock09:em1")),
            attempt=self.chance.choice((1, 2, 2**30)),
            run=self.chance.choice(("0001", "zzzz", "x")),
            seq=self.chance.choice((-1, 0, 1, 5, 2**40)),
            kind=kind,
            verdict=self.chance.choice([None, *Verdict]),
        )
        headers = fragment_headers(made)
        for _ in range(self.chance.randrange(3)):
            headers[self.chance.choice(sorted(headers))] = self.value()
        body = self.chance.choice(
            (b"", b"\x00" * 16, EM1[: self.chance.randrange(len(EM1))], self.chance.randbytes(500))
        )
        return FRAGMENTS, str(self.chance.randrange(FRAGMENT_SHARDS)), body, headers

    def bytes(self) -> tuple[str, str, bytes, dict[str, Any]]:
        junk = self.chance.choice(
            (b"", b"{", b"[" * 50_000, b"\xff\xfe", b"null", b"[]", b'"x"', b"{}", b"\x00" * 1_000)
        )
        return self.chance.choice((JOBS, EVENTS)), self.chance.choice(("job.request", "source.stats")), junk, {}


def run(place: Path, cases: int, seed: int) -> Report:
    """Send so many, and have a good job answered after each thousand."""
    report, fuzzer = Report(), Fuzzer(seed)
    with rig(place) as harness, Tracebacks(report):
        publisher = harness.broker.publisher("fuzzer")
        before_bytes = 0
        for number in range(cases):
            if number % min(EVERY, max(cases // 4, 1)) == 0:
                _good_job(harness, fuzzer, report)
                before_bytes = before_bytes or (resident_bytes() if number >= cases // 2 else 0)
            exchange, key, body, headers = fuzzer.case()
            try:
                publisher.publish(exchange, key, body, headers=headers, wait_s=0.0)
                report.answers[exchange] += 1
            except BusError:
                report.answers["no queue takes it"] += 1
            if number % 20 == 0:
                _turns(harness)
            report.cases += 1
        _good_job(harness, fuzzer, report)
        report.growth_bytes = resident_bytes() - before_bytes
        publisher.close()
    return report


def _turns(harness: Rig) -> None:
    """Let the collector work off what is there; time passes."""
    harness.clock.advance(0.6)
    for _ in range(6):
        harness.turn()


def _good_job(harness: Rig, fuzzer: Fuzzer, report: Report) -> None:
    queues = [COLLECTOR_QUEUE, *(fragment_queue(shard) for shard in range(FRAGMENT_SHARDS))]
    for _ in range(2_000):
        if not sum(harness.broker.depth(queue).messages for queue in queues):
            break
        _turns(harness)
    fuzzer.job_id = harness.ask(sources=SOURCES)
    harness.answer(fuzzer.job_id, EM1, b"")
    for _ in range(200):
        job = harness.reader.job(fuzzer.job_id)
        if job is not None and job.is_final:
            break
        _turns(harness)
    state = "missing" if job is None else job.state.value
    if state == "completed":
        report.served += 1
    else:
        report.faults.append(f"a good job is {state}")
    while harness._ears.receive(0.0) is not None:
        pass
    grave = harness.broker.receiver("grave", [DEAD_QUEUE], prefetch=9_999)
    while (dead := grave.receive(0.0)) is not None:
        dead.ack()
    grave.close()
    for name in harness.sources:
        while (order := harness._listening[name].receive(0.0)) is not None:
            order.ack()
