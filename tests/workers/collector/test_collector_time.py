"""The collector and time: deadlines, patience, silence, retries. The clock is the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.domain.job import EventName, Verdict
from docket.workers.collector.service import DEADLINES_S
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records

EM1 = records("em1", at(1, 2, 3, 60))
EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def half_done(harness: Rig, **facts: object) -> str:
    """A job that is partial: the first source complete, the second refused."""
    job_id = harness.ask(**facts)
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.reading(job_id, 1).begin().end(Verdict.REFUSED, "It said 403.", usable=False)
    harness.settle()
    return job_id


def test_the_deadline_closes_what_is_open(harness: Rig) -> None:
    """At the deadline the job ends with what is there, and each open source says how far it had come."""
    job_id = harness.ask(deadline_s=100)
    harness.reading(job_id, 0).begin().data(EM1)
    harness.pass_time(99)
    assert harness.state(job_id) == "running"
    harness.pass_time(1)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["timed-out", "timed-out"])
    assert harness.result(job_id) == in_order(EM1)
    assert [answer.sentence for answer in harness.job(job_id).sources] == [
        "The job's deadline (14:23:40 UTC) came while rock01:em1 was being read; it had come to 14:03:00 UTC.",
        "The job's deadline (14:23:40 UTC) came before rock01:em2 began to read.",
    ]


def test_collector_rests_until_it_looks_at_the_deadlines(harness: Rig) -> None:
    """A deadline that came just after a look at all of them is waited for, and not asked for again and again."""
    job_id = harness.ask(deadline_s=98)
    harness.settle()
    harness.pass_time(97.95)
    harness.clock.advance(0.06)
    assert 0.03 < harness.collector.idle_s() < DEADLINES_S
    harness.pass_time(harness.collector.idle_s())
    assert harness.state(job_id) == "failed"


def test_the_deadline_names_the_last_cause(harness: Rig) -> None:
    """A source that waited for its store until the deadline says why, also when packets had come before; a cause that
    packets have overtaken is not named."""
    job_id = harness.ask(deadline_s=100)
    refused = "rock01:em1 cannot be reached: Connection refused. Trying again."
    harness.reading(job_id, 0).begin().status(refused)
    harness.reading(job_id, 1).begin().status("Place 2 in the queue of rock01:em2.").data(EM2)
    harness.settle()
    harness.pass_time(100)
    first, second = harness.job(job_id).sources
    assert first.sentence.endswith(f"no packet had come. Its last report: {refused}")
    assert "Place 2" not in second.sentence


def test_a_clock_set_back_does_not_move_the_deadline(harness: Rig) -> None:
    """Deadlines run in monotonic time once the request is there."""
    job_id = harness.ask(deadline_s=100)
    harness.settle()
    harness.clock.wall_us -= 3_600_000_000
    harness.pass_time(100)
    assert harness.state(job_id) == "failed"


def test_a_request_that_comes_too_late_fails_honestly(harness: Rig) -> None:
    """Nothing had come by its deadline: failed, each source timed out."""
    job_id = harness.ask(deadline_s=100, requested_at_us=harness.clock.now_us() - 200_000_000)
    harness.settle()
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("failed", ["timed-out", "timed-out"])


def test_what_waits_on_the_bus_counts_although_the_deadline_is_over(harness: Rig) -> None:
    """The collector was away while the sources answered in time: their answers come first, then the deadline."""
    job_id = harness.ask(deadline_s=100, requested_at_us=harness.clock.now_us() - 200_000_000)
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_source_without_worker_is_unreachable_after_a_while(harness: Rig) -> None:
    """Nobody listens on the source's queue: the others do not wait for its deadline."""
    harness.leave(1)
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.settle()
    harness.pass_time(25)
    assert harness.state(job_id) == "running"
    harness.pass_time(15)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["complete", "unreachable"])
    assert harness.job(job_id).sources[1].sentence == "The worker of rock01:em2 is not connected since 14:22:00 UTC."


def test_a_worker_that_leaves_in_mid_answer_is_cut(harness: Rig) -> None:
    """Its packets are kept, and nobody takes them for the whole."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1)
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    harness.leave(0)
    harness.pass_time(40)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["cut", "complete"])
    assert harness.result(job_id) == in_order(EM1, EM2)


def test_a_worker_that_fell_silent_is_offline_at_the_deadline(harness: Rig) -> None:
    """Its host was cut off, and the broker does not know it yet: not the time was too short, it was not there."""
    for name in SOURCES:
        harness.say_source(name, EventName.SOURCE_STATS)
    job_id = harness.ask(deadline_s=40)
    harness.reading(job_id, 0).begin().data(EM1)
    harness.reading(job_id, 1).begin()
    harness.pass_time(40)
    silence = "has not been heard of since 14:22:00 UTC"
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["cut", "unreachable"])
    assert [answer.sentence for answer in harness.job(job_id).sources] == [
        f"The worker of rock01:em1 went away in mid-answer, at 14:03:00 UTC: it {silence}.",
        f"The worker of rock01:em2 {silence}.",
    ]


def test_a_short_silence_is_told_at_the_deadline(harness: Rig) -> None:
    """A worker that missed its last word may only be held up by its store: timed out, and what is known is said."""
    job_id = harness.ask(deadline_s=40)
    harness.pass_time(25)
    harness.say_source(SOURCES[0], EventName.SOURCE_STATS)
    harness.settle()
    harness.pass_time(10)
    harness.say_source(SOURCES[1], EventName.SOURCE_STATS)
    harness.pass_time(5)
    assert harness.verdicts(job_id) == ["timed-out", "timed-out"]
    before = "The job's deadline (14:22:40 UTC) came before"
    assert [answer.sentence for answer in harness.job(job_id).sources] == [
        f"{before} rock01:em1 began to read. It has not been heard of since 14:22:25 UTC.",
        f"{before} rock01:em2 began to read.",
    ]


def test_a_source_that_comes_back_in_time_is_used(harness: Rig) -> None:
    """The job that closed without it opens by itself, as a second revision, and completes."""
    harness.leave(1)
    job_id = harness.ask(deadline_s=300)
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.pass_time(45)
    assert harness.state(job_id) == "partial"
    harness.say_source(SOURCES[1], EventName.SOURCE_ONLINE)
    harness.settle()
    harness.reading(job_id, 1, attempt=2).begin().data(EM2).end()
    harness.settle()
    job = harness.job(job_id)
    assert (job.state, job.revision, harness.result(job_id)) == ("completed", 2, in_order(EM1, EM2))


def test_a_source_that_comes_back_too_late_is_left_alone(harness: Rig) -> None:
    """After the deadline only a person may ask again."""
    harness.leave(1)
    job_id = harness.ask(deadline_s=60)
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.pass_time(61)
    harness.say_source(SOURCES[1], EventName.SOURCE_ONLINE)
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).revision) == ("partial", 1)


def test_a_retry_asks_only_who_fell_short(harness: Rig) -> None:
    """The first source keeps what it gave, the second is asked; the old result stays until the new one is whole."""
    job_id = half_done(harness)
    harness.retry(job_id)
    harness.settle()
    assert [order.order.attempts for order in harness.orders(1) if order.order] == [{SOURCES[1]: 2}]
    assert (harness.state(job_id), harness.result(job_id)) == ("running", in_order(EM1))
    harness.reading(job_id, 1, attempt=2).begin().data(EM2).end()
    harness.settle()
    job = harness.job(job_id)
    assert (job.state, job.revision, harness.verdicts(job_id)) == ("completed", 2, ["complete", "complete"])
    assert (harness.result(job_id), harness.files(job_id)) == (
        in_order(EM1, EM2),
        ["job.json", "job.json.sig", "job.pcap", "job.pcap.sources"],
    )


def test_a_retry_has_a_deadline_of_its_own(harness: Rig) -> None:
    """The order carries the new deadline, and so does the job."""
    job_id = half_done(harness, deadline_s=100)
    harness.pass_time(500, step_s=50)
    harness.retry(job_id, deadline_s=60)
    harness.settle()
    order = harness.orders(1)[-1].order
    assert order is not None
    assert order.request.deadline_us == harness.clock.now_us() + 60_000_000
    harness.pass_time(61)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["complete", "timed-out"])


def test_a_straggler_of_the_reading_before_does_not_join_the_retry(harness: Rig) -> None:
    """The reading that was too slow the first time may still send; the retry wants a reading of its own."""
    job_id = harness.ask(deadline_s=50)
    slow = harness.reading(job_id, 0).begin().data(EM1)
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.pass_time(50)
    harness.retry(job_id)
    harness.settle()
    slow.end()
    harness.settle()
    assert harness.state(job_id) == "running"
    harness.reading(job_id, 0, attempt=2).begin().data(EM1).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_an_answer_that_was_held_up_until_the_retry_does_not_join_it(harness: Rig) -> None:
    """Also where nothing of that reading had come before: its host was cut off from the bus."""
    job_id = harness.ask(deadline_s=50)
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.pass_time(50)
    harness.retry(job_id)
    harness.settle()
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.settle()
    assert harness.state(job_id) == "running"
    harness.reading(job_id, 0, attempt=2).begin().data(EM1).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))
    assert [answer.attempt for answer in harness.job(job_id).sources] == [2, 1]


def test_a_retry_that_is_not_answered_keeps_what_was_there(harness: Rig) -> None:
    """A source that was cut and cannot be reached again keeps its packets and its verdict."""
    job_id = harness.ask(deadline_s=50)
    harness.reading(job_id, 0).begin().data(EM1).end(Verdict.CUT, "It broke off.")
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    harness.retry(job_id)
    harness.settle()
    harness.pass_time(50)
    job = harness.job(job_id)
    assert (job.state, harness.result(job_id)) == ("partial", in_order(EM1, EM2))
    assert job.sources[0].sentence.startswith("It broke off. Asked again: The job's deadline")


def test_a_retry_survives_a_restart(harness: Rig) -> None:
    """Killed right after the retry: the order goes out again and the parts of before are still there."""
    job_id = half_done(harness)
    harness.retry(job_id)
    harness.settle()
    harness.orders(1)
    harness.restart()
    harness.settle()
    assert [order.order.attempts for order in harness.orders(1) if order.order] == [{SOURCES[1]: 2}]
    harness.reading(job_id, 1, attempt=2).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_complete_job_is_not_retried(harness: Rig) -> None:
    """There is nobody to ask again."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    harness.retry(job_id)
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).revision) == ("completed", 1)


def test_a_failed_job_can_be_retried(harness: Rig) -> None:
    """Nothing was usable the first time; everything is asked again."""
    job_id = harness.ask()
    for place in range(2):
        harness.reading(job_id, place).begin().end(Verdict.UNREACHABLE, "Nobody listens.", usable=False)
    harness.settle()
    harness.retry(job_id)
    harness.settle()
    for place, body in enumerate((EM1, EM2)):
        harness.reading(job_id, place, attempt=2).begin().data(body).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_an_expired_job_can_be_asked_again(harness: Rig) -> None:
    """Its files are gone, so a retry asks every source."""
    job_id = half_done(harness)
    harness.delete(job_id)
    harness.settle()
    harness.retry(job_id)
    harness.settle()
    for place, body in enumerate((EM1, EM2)):
        harness.reading(job_id, place, attempt=2).begin().data(body).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_silent_source_is_offline(harness: Rig) -> None:
    """Thirty seconds without a word: the ledger says so, and the bus hears it on the source's behalf."""
    harness.say_source(SOURCES[0], EventName.SOURCE_ONLINE)
    harness.settle()
    assert [status.state for status in harness.reader.sources()] == ["online"]
    harness.pass_time(40)
    harness.events()
    told = [
        message.source.name for message in harness.heard if message.event is EventName.SOURCE_OFFLINE and message.source
    ]
    assert ([status.state for status in harness.reader.sources()], told) == (["offline"], [SOURCES[0]])


def test_the_heartbeat_says_that_the_collector_lives(harness: Rig) -> None:
    """Every few seconds time, open jobs and room are in the ledger."""
    harness.ask()
    harness.pass_time(12)
    health = harness.reader.collector()
    assert health is not None
    assert (health.at > "2026-11-24T14:22:05", health.open_jobs, health.trouble) == (True, 1, "")
    assert health.free_bytes > 0
