"""What others say about sources and jobs has bounds, and a refinement is for those who may see what it refines."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.bus.messages import LARGEST_JSON_BYTES, Annotate, FragmentKind, encode
from docket.bus.topology import COLLECTOR_QUEUE, EVENTS, REQUEST_KEY
from docket.config.model import WebConfig
from docket.domain.job import EventName, Verdict
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import fingerprint
from docket.workers.collector.commit import Batch
from docket.workers.collector.part import LONGEST_SENTENCE
from tests.workers.collector.collector_harness import Rig, at, rig
from tests.workers.packet_records import records

EM1 = records("em1", at(1, 2), 100)
MOST_EVENT_BYTES = 30_000


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def largest_event(harness: Rig) -> int:
    harness.events()
    return max(len(encode(message)) for message in harness.heard)


def test_long_sentences_are_cut(harness: Rig) -> None:
    """A worker that says a hundred kilobytes is quoted with two of them, so that readers take the events."""
    job_id = harness.ask()
    long = "x" * 100_000
    harness.reading(job_id, 0).begin(sentence=long, kept=long).status(long).end(Verdict.CUT, long, next_step=long)
    harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    harness.settle()
    assert (len(harness.job(job_id).sources[0].sentence), largest_event(harness) < MOST_EVENT_BYTES) == (
        LONGEST_SENTENCE,
        True,
    )


def test_a_hundred_retries_leave_a_short_sentence(harness: Rig) -> None:
    """Only the first answer and the latest are named of a source that is asked again and again."""
    job_id = harness.ask(deadline_s=50)
    harness.reading(job_id, 0).begin().data(EM1).end(Verdict.CUT, "It broke off.")
    harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    harness.settle()
    for _ in range(10):
        harness.retry(job_id)
        harness.settle()
        harness.pass_time(51, step_s=17)
    sentence = harness.job(job_id).sources[0].sentence
    assert (sentence.startswith("It broke off. Asked again: "), sentence.count("Asked again")) == (True, 1)


@pytest.mark.parametrize("more", [{f"f{number}": 1 for number in range(50_000)}, {"sources": ["x y"] * 1_000}])
def test_rejections_are_short(harness: Rig, more: dict[str, object]) -> None:
    """A question with fifty thousand faults is refused with few of them."""
    body = json.dumps({"schema": "docket.job.request/1", "id": str(uuid.uuid4()), "query": ""} | more).encode()
    assert len(body) < LARGEST_JSON_BYTES
    harness.publish(REQUEST_KEY, body)
    harness.settle()
    assert ("rejected" in harness.events(), largest_event(harness) < MOST_EVENT_BYTES) == (True, True)


def test_who_did_it_is_a_name(harness: Rig) -> None:
    """A user of a hundred kilobytes cancels nothing."""
    job_id = harness.ask()
    for user in ("x" * 100_000, "a\x1b[2J"):
        body = {"schema": "docket.job.cancel/1", "id": job_id, "user": user}
        harness.publish("job.cancel", json.dumps(body).encode())
    harness.settle()
    assert (harness.state(job_id), len(harness.dead())) == ("queued", 2)


def test_what_a_source_says_of_itself_is_fitted(harness: Rig) -> None:
    """Of a hundred thousand figures and gaps and half a megabyte of error the collector keeps few."""
    gap = {"from": "2026-11-24T14:02:00Z", "until": "2026-11-24T14:03:00Z", "reason": "r" * 100}
    source: dict[str, object] = {
        "name": harness.sources[0],
        "kind": "k" * 1_000,
        "state": "online",
        "last_seen": harness.clock.now(),
    }
    source |= {"stats": {f"s{number}": number for number in range(20_000)} | {"n" * 500: 1, "huge": 10**30}}
    source |= {"error": "e" * 100_000, "gaps": [gap] * 2_000}
    message = {"schema": "docket.event/1", "event": "source.stats", "at": harness.clock.now(), "source": source}
    harness._publisher.publish(EVENTS, EventName.SOURCE_STATS.value, json.dumps(message).encode())
    harness.settle()
    [kept] = [one for one in harness.reader.sources() if one.name == harness.sources[0]]
    assert (len(kept.stats), len(kept.gaps), len(kept.error or ""), len(kept.kind)) == (500, 100, 2_000, 100)
    assert "huge" not in kept.stats


@pytest.mark.parametrize(
    ("user", "account", "owner", "may"),
    [
        ("docket-web", "docket-collector", "victim", True),
        ("docket-web", "docket-collector", "root", True),
        ("docket-web", "docket-collector", "mallory", False),
        ("docket-web", "docket-collector", "", False),
        ("mallory", "docket-collector", "victim", False),
        (None, "docket-collector", "victim", False),
        (None, "docket-collector", "root", False),
        (None, None, "victim", True),
        (None, None, "mallory", False),
    ],
)
def test_who_may_refine(tmp_path: Path, user: str | None, account: str | None, owner: str, may: bool) -> None:
    """With `own_jobs_only` on the bus, too: its owner and the admins, and only where the broker says who asks."""
    with rig(tmp_path, web=WebConfig(own_jobs_only=True, admins=("root",))) as harness:
        parent = harness.ask(owner="victim")
        harness.answer(parent, EM1, b"")
        harness.settle()
        request = harness.request(parent=parent, sources=(SPOOL_SOURCE,), owner=owner)
        harness.publish(REQUEST_KEY, encode(request))
        delivery = harness.broker.receiver("bounds", [COLLECTOR_QUEUE], prefetch=9).receive(1.0)
        assert delivery is not None
        delivery.user_id, delivery.account = user, account
        reason = harness.collector._command_handler.take(delivery, Batch())
    assert reason == ("" if may else f"there is no job {parent} that its owner may see")


def test_a_reading_of_another_question_is_not_taken(harness: Rig) -> None:
    """The same id with two questions is one job: what is read of the other one is read again."""
    request = harness.request()
    harness.publish(REQUEST_KEY, encode(request))
    other = fingerprint(harness.request(query="port 80"))
    harness.reading(request.id, 0).begin(question=other).data(EM1).end()
    harness.reading(request.id, 1).begin(question=fingerprint(request)).end(Verdict.EMPTY)
    harness.settle()
    assert harness.verdicts(request.id) == [None, "empty"]
    [order] = harness.orders(0)
    assert (order.order is not None and order.order.request.query, harness.job(request.id).packets) == ("port 53", 0)
    harness.reading(request.id, 0, attempt=2).begin(question=other).data(EM1).end()
    harness.settle()
    assert (harness.verdicts(request.id), harness.job(request.id).packets) == (["refused", "empty"], 0)


def test_a_whole_answer_to_another_question_is_not_taken(harness: Rig) -> None:
    """Neither where it comes as one message."""
    request = harness.request()
    harness.publish(REQUEST_KEY, encode(request))
    for place, asked in enumerate((harness.request(query="port 80"), request)):
        facts = {"verdict": Verdict.EMPTY, "sentence": "Nothing.", "usable": True, "question": fingerprint(asked)}
        harness.reading(request.id, place).say(FragmentKind.END, **facts)
    harness.settle()
    assert (harness.verdicts(request.id), len(harness.orders(0))) == ([None, "empty"], 1)


def test_the_story_of_a_job_has_an_end(harness: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither notes nor retries make it longer than it may be; other jobs go on."""
    monkeypatch.setattr("docket.workers.collector.command_handler.MOST_EVENTS", 5)
    job_id, other = harness.ask(), harness.ask()
    harness.reading(job_id, 0).begin().end(Verdict.CUT, "It broke off.")
    harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    for number in range(20):
        harness.publish("job.annotate", encode(Annotate(id=job_id, note=str(number))))
    harness.retry(job_id)
    harness.publish("job.annotate", encode(Annotate(id=other, note="x")))
    harness.turn(50)
    reasons = harness.dead()
    assert (len(harness.collector.ledger.events(job_id)) < 10, harness.job(other).note) == (True, "x")
    assert [f"job {job_id} has 5 events" in reason for reason in reasons] == [True] * len(reasons)
    assert len(reasons) >= 15
