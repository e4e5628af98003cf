"""What an account of the broker may say, said to a real collector: texts without end, other users' jobs, two questions
under one id."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docket.bus.messages import encode
from docket.bus.topology import COLLECTOR_QUEUE, EVENTS, REQUEST_KEY
from docket.config.model import WebConfig
from docket.domain.job import Verdict
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import fingerprint
from docket.workers.collector.commit import Batch
from tests.attacks.attempt import Attempt
from tests.workers.collector.collector_harness import Rig, at, rig
from tests.workers.packet_records import records

WORKER, TOOL = "broker: docket-worker-rock02", "broker: docket-tool"
LONG = "x" * 100_000
FITTING_BYTES = 100_000
"""Of an event; its readers take ten times as much."""
GAP = {"from": "2026-11-24T14:02:00Z", "until": "2026-11-24T14:03:00Z"}
SENDER = {"address": f"fe80::1%{LONG}"}
PACKETS = records("em1", at(1, 2), 100)

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ask with fifty thousand unknown fields", {f"f{number}": 1 for number in range(50_000)}),
    ("ask of a thousand sources that are none", {"sources": ["x y"] * 1_000}),
    ("refine with a sender of 100 kB", {"parent": str(uuid.uuid4()), "refine": {"sender": SENDER}}),
    ("ask in the name of a user of 100 kB", {"owner": LONG}),
    ("ask with a note of 100 kB", {"note": LONG}),
    ("ask with 5,000 tags", {"tags": [str(number) for number in range(5_000)]}),
)
STATUSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("say 20,000 figures of its source", {"stats": {f"s{number}": 1 for number in range(20_000)}}),
    ("say a figure of 30 digits", {"stats": {"s": 10**30}}),
    ("say an error of 100 kB", {"error": LONG}),
    ("say 2,000 gaps", {"gaps": [GAP | {"reason": "r"}] * 2_000}),
    ("say a gap with a reason of 100 kB", {"gaps": [GAP | {"reason": LONG}]}),
    ("say that it is of a kind of 100 kB", {"kind": LONG}),
)
REFINERS = (
    ("in its own name", "mallory", "mallory"),
    ("in the victim's name, without user_id", None, "victim"),
    ("in an admin's name, without user_id", None, "root"),
    ("in no name", None, ""),
)


def attempts(place: Path) -> Iterator[Attempt]:
    """All of them, with `own_jobs_only`."""
    with rig(place, web=WebConfig(own_jobs_only=True, admins=("root",))) as harness:
        for tried, more in QUESTIONS:
            raw = {"schema": "docket.job.request/1", "id": str(uuid.uuid4()), "query": "", "after": "15m"}
            harness.publish(REQUEST_KEY, json.dumps(raw | {"requested_at": harness.clock.now()} | more).encode())
            yield Attempt(TOOL, "record", tried, "a short event", _event(harness))
        for tried, more in STATUSES:
            status = {"name": harness.sources[0], "kind": "k", "state": "online", "last_seen": harness.clock.now()}
            event = {"schema": "docket.event/1", "event": "source.stats", "at": status["last_seen"]}
            body = json.dumps(event | {"source": status | more}).encode()
            harness._publisher.publish(EVENTS, "source.stats", body)
            yield Attempt(WORKER, "record", tried, "a short event", _event(harness))
        yield _long_answer(harness)
        yield from _refined(harness)
        yield from _two_questions(harness)


def _event(harness: Rig) -> str:
    """The longest that readers have received since the last look."""
    harness.settle()
    harness.heard.clear()
    harness.events()
    longest = max((len(encode(message)) for message in harness.heard), default=0)
    kept = max((len(str(status)) for status in harness.reader.sources()), default=0)
    return "a short event" if max(longest, kept) < FITTING_BYTES else f"{max(longest, kept):,} bytes"


def _long_answer(harness: Rig) -> Attempt:
    job_id = harness.ask()
    harness.reading(job_id, 0).begin(sentence=LONG).status(LONG).end(Verdict.CUT, LONG, next_step=LONG)
    harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    return Attempt(WORKER, "record", "say 100 kB about its answer", "a short event", _event(harness))


def _refined(harness: Rig) -> Iterator[Attempt]:
    parent = harness.ask(owner="victim")
    harness.answer(parent, PACKETS, b"")
    harness.settle()
    for tried, user, owner in REFINERS:
        receiver = harness.broker.receiver("attacks", [COLLECTOR_QUEUE], prefetch=1)
        harness.publish(REQUEST_KEY, encode(harness.request(parent=parent, sources=(SPOOL_SOURCE,), owner=owner)))
        delivery = receiver.receive(1.0)
        assert delivery is not None
        delivery.user_id, delivery.account = user, "docket-collector"
        reason = harness.collector._command_handler.take(delivery, Batch())
        delivery.ack()
        receiver.close()
        happened = "refused" if "that its owner may see" in reason else "taken"
        yield Attempt(TOOL, "packets", f"refine the victim's job {tried}", "refused", happened)


def _two_questions(harness: Rig) -> Iterator[Attempt]:
    for attempt, expected in ((1, "read again"), (2, "refused")):
        request = harness.request()
        harness.publish(REQUEST_KEY, encode(request))
        other = fingerprint(harness.request(query="port 80"))
        harness.reading(request.id, 0, attempt=attempt).begin(question=other).data(PACKETS).end()
        harness.settle()
        answer = harness.job(request.id).sources[0]
        happened = "taken" if answer.packets else "refused" if answer.verdict is Verdict.REFUSED else "read again"
        tried = f"have a source read another question under the same id, attempt {attempt}"
        yield Attempt(TOOL, "packets", tried, expected, happened)
