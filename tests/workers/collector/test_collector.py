"""The collector makes jobs out of messages: whole lives, every final state, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from docket.bus.messages import encode
from docket.bus.topology import REQUEST_KEY, source_queue
from docket.domain.job import EventName, Verdict
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.manifest import decode_manifest
from docket.workers.collector.service import Collector
from tests.services.waiting import wait_until
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records

EM1 = records("em1", at(1, 2, 3, 60))
EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def test_a_whole_life(harness: Rig) -> None:
    """Two sources answer; the job completes with every packet in order, and each step is told once, in order."""
    job_id = harness.ask()
    harness.settle()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    assert harness.result(job_id) == in_order(EM1, EM2)
    assert harness.events() == ["requested", "started", "source", "source", "completed"]
    job = harness.job(job_id)
    assert (job.state, job.packets, job.bytes) == ("completed", 7, len(EM1) + len(EM2))
    assert [(answer.name, answer.packets, answer.progress) for answer in job.sources] == [
        (SOURCES[0], 4, 1.0),
        (SOURCES[1], 3, 1.0),
    ]


def test_the_file_is_what_the_job_says(harness: Rig) -> None:
    """Name, size and SHA-256 of the result, and nothing else stays in the job's directory."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    pcap, content = harness.job(job_id).pcap, harness.spool.result(job_id).read_bytes()
    assert pcap is not None
    assert (pcap.size, pcap.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert pcap.name == f"docket-20261124T140200Z-20261124T141000Z-port-53-{job_id[:8]}.pcap"
    assert harness.files(job_id) == ["job.json", "job.json.sig", "job.pcap", "job.pcap.sources"]


def test_the_manifest_says_where_it_came_from(harness: Rig) -> None:
    """Question, counts, verdicts, what each source was sent, and the SHA-256 of result and parts."""
    job_id = harness.ask(note="ticket 4711")
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    manifest = decode_manifest(harness.spool.manifest(job_id).read_bytes())
    assert (manifest.job, manifest.state, manifest.revision) == (job_id, "completed", 1)
    assert (manifest.question.owner, manifest.question.note) == ("analyst1", "ticket 4711")
    assert manifest.result == harness.job(job_id).pcap
    assert (manifest.packets, manifest.first) == (7, "2026-11-24T14:02:01.000000Z")
    assert [answer.sent for answer in manifest.sources] == [f"({name})" for name in SOURCES]
    assert None not in [answer.sha256 for answer in manifest.sources]


def test_zero_packets_is_a_fine_answer(harness: Rig) -> None:
    """Every source empty: completed, with a capture of exactly its header."""
    job_id = harness.ask()
    harness.answer(job_id, b"", b"")
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id), harness.spool.result(job_id).stat().st_size) == (
        "completed",
        [],
        FILE_HEADER_BYTES,
    )


def test_some_useful_and_some_not_is_partial(harness: Rig) -> None:
    """One source refuses: the other's packets are downloadable, and its part is kept for a retry."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.reading(job_id, 1).begin().end(Verdict.REFUSED, "It said 403.", usable=False)
    harness.settle()
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["complete", "refused"])
    assert harness.result(job_id) == in_order(EM1)
    assert f"parts/{SOURCES[0]}.pcap" in harness.files(job_id)


def test_nothing_usable_is_failed(harness: Rig) -> None:
    """No source gave a usable answer: failed, no file, nothing left on the disk."""
    job_id = harness.ask()
    for place in range(2):
        harness.reading(job_id, place).begin().end(Verdict.UNREACHABLE, "Nobody listens.", usable=False)
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).pcap, harness.files(job_id)) == ("failed", None, [])


@pytest.mark.parametrize(("keep", "result"), [(True, in_order(EM1)), (False, None)])
def test_cancel_keeps_what_arrived_only_if_asked_to(harness: Rig, keep: bool, result: list[object] | None) -> None:
    """A cancelled job closes at once; with keep, its packets are downloadable."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1)
    harness.settle()
    harness.cancel(job_id, keep=keep)
    harness.settle()
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("cancelled", ["cancelled", "cancelled"])
    found = harness.result(job_id) if harness.spool.result(job_id).exists() else None
    assert (found, harness.job(job_id).reason) == (result, "cancelled by boss")


def test_the_same_id_twice_is_one_job(harness: Rig) -> None:
    """A request that is delivered again, at once or after the end, changes nothing."""
    request = harness.request()
    for _ in range(2):
        harness.publish(REQUEST_KEY, encode(request))
    harness.answer(request.id, EM1, EM2)
    harness.settle()
    harness.publish(REQUEST_KEY, encode(request))
    harness.settle()
    assert harness.events() == ["requested", "started", "source", "source", "completed"]
    assert harness.reader.jobs().total == 1


def test_a_status_sentence_is_told_once(harness: Rig) -> None:
    """What a source says of itself before it begins is an event; saying it again is not."""
    job_id = harness.ask()
    for _ in range(2):
        harness.reading(job_id, 0).status("place 3 in the queue")
    harness.settle()
    assert (harness.events(), harness.job(job_id).sources[0].sentence) == (
        ["requested", "source"],
        "place 3 in the queue",
    )


def test_progress_is_told_four_times_a_second_at_most(harness: Rig) -> None:
    """Between two entries of the ledger the job's snapshot is sent, without a place in it, and not right after one."""
    job_id = harness.ask()
    reading = harness.reading(job_id, 0).begin()
    for second in range(1, 9):
        reading.data(records("em1", at(second)))
        harness.settle()
    told = len(harness.progress())
    harness.pass_time(0.25)
    reading.data(records("em1", at(240)))
    harness.pass_time(0.25)
    assert (told, len(harness.progress())) == (0, 2)
    assert (harness.progress()[-1].sources[0].progress, harness.progress()[-1].packets) == (0.5, 9)
    assert harness.reader.last_seq() == 2


def test_events_have_gapless_numbers_and_the_whole_job(harness: Rig) -> None:
    """Each event on the bus carries its place in the ledger and the job as it was then."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    harness.events()
    told = [message for message in harness.heard if message.event is not EventName.PROGRESS]
    assert [message.seq for message in told] == [1, 2, 3, 4, 5]
    assert [message.job.state.value for message in told if message.job] == ["queued"] + ["running"] * 3 + ["completed"]


def test_a_broken_message_is_dead_and_told(harness: Rig) -> None:
    """No JSON, a later schema, a bad request: dead with the reason, told as rejected, and the next job runs."""
    harness.publish(REQUEST_KEY, b"{nonsense")
    harness.publish(REQUEST_KEY, b'{"schema": "docket.job.request/9", "id": "x"}')
    harness.publish(REQUEST_KEY, b'{"schema": "docket.job.request/1", "id": "not a uuid", "query": "port 53"}')
    harness.settle()
    assert harness.events() == ["rejected"] * 3
    assert len(harness.dead()) == 3
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    assert harness.state(job_id) == "completed"


def test_an_unknown_source_is_rejected(harness: Rig) -> None:
    """Nobody waits for a source that never was; the reason names those that are."""
    job_id = harness.ask(sources=("rock09:em1",))
    harness.settle()
    assert (harness.reader.job(job_id), harness.events()) == (None, ["rejected"])
    assert harness.dead() == ["there is no source 'rock09:em1'; known are: rock01:em1, rock01:em2"]


def test_source_on_the_bus_is_known_before_it_is_heard(harness: Rig) -> None:
    """A collector that begins together with the workers may have missed their greetings: it looks for their queues."""
    harness.broker.declare(("rock09:em1", "rock09:em2"))
    with closing(harness.broker.receiver("worker", [source_queue("rock09:em1")], prefetch=1)):
        served, unserved = harness.ask(sources=("rock09:em1",)), harness.ask(sources=("rock09:em1", "rock09:em2"))
        harness.settle()
    assert (harness.state(served), harness.reader.job(unserved)) == ("queued", None)
    assert harness.dead() == ["there is no source 'rock09:em2'; known are: rock01:em1, rock01:em2"]


def test_a_source_that_came_online_is_known(harness: Rig) -> None:
    """A source that is in no configuration is asked by default once it has been heard."""
    harness.say_source("rock02:em1", EventName.SOURCE_ONLINE)
    harness.settle()
    job_id = harness.ask()
    harness.settle()
    assert [answer.name for answer in harness.job(job_id).sources] == [*SOURCES, "rock02:em1"]


def test_a_broken_message_does_not_speak_of_a_good_job(harness: Rig) -> None:
    """A rejected message with the id of a job that runs leaves that job alone, and tells nobody."""
    job_id = harness.ask()
    harness.settle()
    harness.publish(REQUEST_KEY, encode(harness.request(job_id)).replace(b'"query"', b'"quarry"'))
    harness.settle()
    assert (harness.state(job_id), harness.events(), len(harness.dead())) == ("queued", ["requested"], 1)


@pytest.mark.parametrize("what", ["cancel", "retry", "delete"])
def test_an_order_for_nobody_is_dead(harness: Rig, what: str) -> None:
    """Cancel, retry and delete of an unknown job leave a trace in the dead queue."""
    getattr(harness, what)("0192f0c1-0000-7000-8000-00000000dead")
    harness.settle()
    assert harness.dead() == [f"there is no job '0192f0c1-0000-7000-8000-00000000dead' to {what}"]


def test_delete_removes_the_files_and_keeps_the_record(harness: Rig) -> None:
    """The job is expired with who did it; its directory is gone."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    harness.delete(job_id)
    harness.settle()
    job = harness.job(job_id)
    assert (job.state, job.reason, job.pcap) == ("expired", "deleted by boss", None)
    assert not harness.spool.job_directory(job_id).exists()


def test_many_jobs_at_once_keep_their_packets_apart(harness: Rig) -> None:
    """Fifty jobs whose fragments are mixed: each gets its own."""
    jobs = {harness.ask(): records(f"job{n}", at(*range(1, 1 + n))) for n in range(1, 51)}
    readings = {job_id: harness.reading(job_id, 0).begin() for job_id in jobs}
    for job_id, body in jobs.items():
        readings[job_id].data(body)
    for job_id in jobs:
        readings[job_id].end()
        harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    harness.settle()
    assert [harness.result(job_id) for job_id in jobs] == [in_order(body) for body in jobs.values()]


def test_it_runs_in_a_thread_until_it_is_told_to_stop(harness: Rig) -> None:
    """`run` does the same by itself, and leaves with everything written down."""
    harness.collector.close()
    collector, stop = Collector(harness.config, harness.broker), Event()
    thread = Thread(target=collector.run, args=(stop,))
    thread.start()
    job_id = harness.ask(requested_at_us=time.time_ns() // 1_000)
    harness.answer(job_id, EM1, EM2)
    wait_until(lambda: "completed" in harness.events(job_id), "the job to complete")
    stop.set()
    thread.join(10.0)
    assert (thread.is_alive(), harness.state(job_id), harness.result(job_id)) == (
        False,
        "completed",
        in_order(EM1, EM2),
    )
    harness.collector.open()
