"""The collector makes jobs out of messages: whole lives, every final state, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from docket.bus.memory.memory_consumer import EmbeddedReceiver
from docket.bus.messages import FragmentKind, encode
from docket.bus.topology import FRAGMENT_SHARDS, REQUEST_KEY
from docket.domain.job import EventName, Verdict
from docket.domain.request import Limits
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.manifest import decode_manifest
from docket.workers.collector.service import Collector
from tests.services.waiting import wait_until
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records

EM1 = records("em1", at(1, 2, 3, 60))
EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def test_a_whole_life(desk: Rig) -> None:
    """Two sources answer; the job completes with every packet in order, and each step is told once, in order."""
    job_id = desk.ask()
    desk.settle()
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    assert desk.result(job_id) == in_order(EM1, EM2)
    assert desk.events() == ["requested", "started", "source", "source", "completed"]
    job = desk.job(job_id)
    assert (job.state, job.packets, job.bytes) == ("completed", 7, len(EM1) + len(EM2))
    assert [(answer.name, answer.packets, answer.progress) for answer in job.sources] == [
        (SOURCES[0], 4, 1.0),
        (SOURCES[1], 3, 1.0),
    ]


def test_the_file_is_what_the_job_says(desk: Rig) -> None:
    """Name, size and SHA-256 of the result, and nothing else stays in the job's directory."""
    job_id = desk.ask()
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    pcap, content = desk.job(job_id).pcap, desk.spool.result(job_id).read_bytes()
    assert pcap is not None
    assert (pcap.size, pcap.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert pcap.name == f"docket-20261124T140200Z-20261124T141000Z-port-53-{job_id[:8]}.pcap"
    assert desk.files(job_id) == ["job.json", "job.pcap"]


def test_the_manifest_says_where_it_came_from(desk: Rig) -> None:
    """Question, counts, verdicts, what each source was sent, and the SHA-256 of result and parts."""
    job_id = desk.ask(note="ticket 4711")
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    manifest = decode_manifest(desk.spool.manifest(job_id).read_bytes())
    assert (manifest.job, manifest.state, manifest.revision) == (job_id, "completed", 1)
    assert (manifest.question.owner, manifest.question.note) == ("analyst1", "ticket 4711")
    assert manifest.result == desk.job(job_id).pcap
    assert (manifest.packets, manifest.first) == (7, "2026-11-24T14:02:01.000000Z")
    assert [answer.sent for answer in manifest.sources] == [f"({name})" for name in SOURCES]
    assert None not in [answer.sha256 for answer in manifest.sources]


def test_zero_packets_is_a_fine_answer(desk: Rig) -> None:
    """Every source empty: completed, with a capture of exactly its header."""
    job_id = desk.ask()
    desk.answer(job_id, b"", b"")
    desk.settle()
    assert (desk.state(job_id), desk.result(job_id), desk.spool.result(job_id).stat().st_size) == (
        "completed",
        [],
        FILE_HEADER_BYTES,
    )


def test_some_useful_and_some_not_is_partial(desk: Rig) -> None:
    """One source refuses: the other's packets are downloadable, and its part is kept for a retry."""
    job_id = desk.ask()
    desk.reading(job_id, 0).begin().data(EM1).end()
    desk.reading(job_id, 1).begin().end(Verdict.REFUSED, "It said 403.", usable=False)
    desk.settle()
    assert (desk.state(job_id), desk.verdicts(job_id)) == ("partial", ["complete", "refused"])
    assert desk.result(job_id) == in_order(EM1)
    assert f"parts/{SOURCES[0]}.pcap" in desk.files(job_id)


def test_nothing_usable_is_failed(desk: Rig) -> None:
    """No source gave a usable answer: failed, no file, nothing left on the disk."""
    job_id = desk.ask()
    for place in range(2):
        desk.reading(job_id, place).begin().end(Verdict.UNREACHABLE, "Nobody listens.", usable=False)
    desk.settle()
    assert (desk.state(job_id), desk.job(job_id).pcap, desk.files(job_id)) == ("failed", None, [])


@pytest.mark.parametrize(("keep", "result"), [(True, in_order(EM1)), (False, None)])
def test_cancel_keeps_what_arrived_only_if_asked_to(desk: Rig, keep: bool, result: list[object] | None) -> None:
    """A cancelled job closes at once; with keep, its packets are downloadable."""
    job_id = desk.ask()
    desk.reading(job_id, 0).begin().data(EM1)
    desk.settle()
    desk.cancel(job_id, keep=keep)
    desk.settle()
    assert (desk.state(job_id), desk.verdicts(job_id)) == ("cancelled", ["cancelled", "cancelled"])
    found = desk.result(job_id) if desk.spool.result(job_id).exists() else None
    assert (found, desk.job(job_id).reason) == (result, "cancelled by boss")


def test_the_same_id_twice_is_one_job(desk: Rig) -> None:
    """A request that is delivered again, at once or after the end, changes nothing."""
    request = desk.request()
    for _ in range(2):
        desk.publish(REQUEST_KEY, encode(request))
    desk.answer(request.id, EM1, EM2)
    desk.settle()
    desk.publish(REQUEST_KEY, encode(request))
    desk.settle()
    assert desk.events() == ["requested", "started", "source", "source", "completed"]
    assert desk.reader.jobs().total == 1


def test_fragments_that_come_before_their_request_are_kept(desk: Rig) -> None:
    """A source may be quicker than the request's way to the collector."""
    request = desk.request()
    desk.answer(request.id, EM1, EM2)
    desk.turn(3)
    desk.publish(REQUEST_KEY, encode(request))
    desk.settle()
    assert (desk.state(request.id), desk.result(request.id)) == ("completed", in_order(EM1, EM2))


def test_fragments_that_nobody_asked_for_do_not_stay(desk: Rig) -> None:
    """Without a request they are let go after a while, so that they cannot block the queue."""
    desk.answer("0192f0c1-0000-7000-8000-00000000dead", EM1)
    desk.settle()
    desk.pass_time(30)
    receiver = desk.collector._receiver
    assert isinstance(receiver, EmbeddedReceiver)
    assert [len(in_hand) for in_hand in receiver._in_hand.values()] == [0] * (1 + FRAGMENT_SHARDS)


def test_duplicates_are_dropped(desk: Rig) -> None:
    """Every fragment twice: every packet once."""
    job_id = desk.ask()
    for place, body in enumerate((EM1, EM2)):
        reading = desk.reading(job_id, place)
        for _ in range(2):
            reading.seq = 0
            reading.begin()
        for _ in range(2):
            reading.seq = 1
            reading.data(body)
        for _ in range(2):
            reading.seq = 2
            reading.end()
    desk.settle()
    assert (desk.state(job_id), desk.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_hole_makes_the_source_read_again(desk: Rig) -> None:
    """A lost fragment is noticed at the next one: the reading is worthless and another is ordered, once."""
    job_id = desk.ask()
    desk.reading(job_id, 0).begin().data(EM1).skip().data(EM1).end()
    desk.settle()
    orders = desk.orders(0)
    assert [order.order.attempts for order in orders if order.order] == [{SOURCES[0]: 2}]
    assert desk.state(job_id) == "running"
    desk.reading(job_id, 0, attempt=2).begin().data(EM1).end()
    desk.reading(job_id, 1).begin().data(EM2).end()
    desk.settle()
    assert (desk.state(job_id), desk.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_lost_beginning_is_a_hole_too(desk: Rig) -> None:
    """Data of a reading whose beginning never came orders another reading."""
    job_id = desk.ask()
    desk.reading(job_id, 0).skip().data(EM1).end()
    desk.settle()
    assert [order.order.attempts for order in desk.orders(0) if order.order] == [{SOURCES[0]: 2}]


def test_a_later_reading_replaces_the_earlier_one(desk: Rig) -> None:
    """A worker that died and began anew: the older bytes go, also those that are merged already, and stragglers
    of the older reading do not count."""
    job_id = desk.ask()
    old = desk.reading(job_id, 0, run="0001").begin().data(records("old", at(1, 2, 3)))
    desk.reading(job_id, 1).begin().data(EM2).end()
    desk.settle()
    new = desk.reading(job_id, 0, run="0002").begin()
    old.data(records("old", at(4))).end()
    new.data(EM1).end()
    desk.settle()
    assert (desk.state(job_id), desk.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_reordered_parts_come_out_sorted(desk: Rig) -> None:
    """A source that sends its packets in reverse still gives a result in strict order."""
    pieces = [records(f"em1-{n}", at(*range(n + 50, n, -1))) for n in range(350, -1, -50)]
    reverse = b"".join(pieces)
    job_id = desk.ask()
    reading = desk.reading(job_id, 0).begin()
    for piece in pieces:
        reading.data(piece)
        desk.settle()
    reading.end()
    desk.reading(job_id, 1).begin().data(EM2).end()
    desk.settle()
    assert (desk.state(job_id), desk.result(job_id)) == ("completed", in_order(reverse, EM2))
    assert desk.files(job_id) == ["job.json", "job.pcap"]


def test_limits_are_exact_and_named(desk: Rig) -> None:
    """The earliest packets win, and the sources of which more was there are limited."""
    job_id = desk.ask(limits=Limits(packets=4))
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    assert desk.result(job_id) == in_order(EM1, EM2)[:4]
    assert (desk.state(job_id), desk.verdicts(job_id)) == ("partial", ["limited", "limited"])
    assert [answer.packets for answer in desk.job(job_id).sources] == [2, 2]


def test_a_limit_that_just_fits_limits_nobody(desk: Rig) -> None:
    """As many packets as the limit allows is a complete answer."""
    job_id = desk.ask(limits=Limits(packets=7, bytes=len(EM1) + len(EM2)))
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    assert desk.verdicts(job_id) == ["complete", "complete"]


def test_a_full_job_does_not_wait_for_its_sources(desk: Rig) -> None:
    """Once the limit is reached the job closes, and sources that still read are limited."""
    job_id = desk.ask(limits=Limits(bytes=len(EM1) // 2))
    desk.reading(job_id, 0).begin().data(EM1)
    desk.reading(job_id, 1).begin(through_us=at(400)[0])
    desk.settle()
    assert (desk.state(job_id), desk.verdicts(job_id)) == ("partial", ["limited", "limited"])
    assert desk.result(job_id) == in_order(EM1)[:2]


def test_a_second_link_type_is_refused(desk: Rig) -> None:
    """One PCAP holds one link type: the source with the other one is refused, and says why."""
    job_id = desk.ask()
    ethernet = desk.reading(job_id, 0).begin().data(EM1)
    desk.reading(job_id, 1).begin().data(EM2, linktype=101).end()
    desk.settle()
    ethernet.end()
    desk.settle()
    assert (desk.verdicts(job_id), desk.result(job_id)) == (["complete", "refused"], in_order(EM1))
    assert "link type 101" in desk.job(job_id).sources[1].sentence


def test_bytes_that_are_no_packets_are_cut(desk: Rig) -> None:
    """A source that sends garbage is never complete; its packets before that are kept."""
    job_id = desk.ask()
    reading = desk.reading(job_id, 0).begin().data(EM1)
    reading.say(FragmentKind.DATA, body=b"\xff" * 99, packets=1)
    reading.end()
    desk.reading(job_id, 1).begin().data(EM2).end()
    desk.settle()
    assert (desk.verdicts(job_id), desk.result(job_id)) == (["cut", "complete"], in_order(EM1, EM2))


def test_a_status_sentence_is_told_once(desk: Rig) -> None:
    """What a source says of itself before it begins is an event; saying it again is not."""
    job_id = desk.ask()
    for _ in range(2):
        desk.reading(job_id, 0).status("place 3 in the queue")
    desk.settle()
    assert (desk.events(), desk.job(job_id).sources[0].sentence) == (["requested", "source"], "place 3 in the queue")


def test_progress_is_told_four_times_a_second_at_most(desk: Rig) -> None:
    """Between two entries of the ledger the job's snapshot is sent, without a place in it."""
    job_id = desk.ask()
    reading = desk.reading(job_id, 0).begin()
    for second in range(1, 9):
        reading.data(records("em1", at(second)))
        desk.settle()
    told = len(desk.progress())
    desk.pass_time(0.25)
    reading.data(records("em1", at(240)))
    desk.pass_time(0.25)
    assert (told, len(desk.progress())) == (1, 3)
    assert (desk.progress()[-1].sources[0].progress, desk.progress()[-1].packets) == (0.5, 9)
    assert desk.reader.last_seq() == 2


def test_events_have_gapless_numbers_and_the_whole_job(desk: Rig) -> None:
    """Each event on the bus carries its place in the ledger and the job as it was then."""
    job_id = desk.ask()
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    desk.events()
    told = [message for message in desk.heard if message.event is not EventName.PROGRESS]
    assert [message.seq for message in told] == [1, 2, 3, 4, 5]
    assert [message.job.state.value for message in told if message.job] == ["queued"] + ["running"] * 3 + ["completed"]


def test_a_broken_message_is_dead_and_told(desk: Rig) -> None:
    """No JSON, a later schema, a bad request: dead with the reason, told as rejected, and the next job runs."""
    desk.publish(REQUEST_KEY, b"{nonsense")
    desk.publish(REQUEST_KEY, b'{"schema": "docket.job.request/9", "id": "x"}')
    desk.publish(REQUEST_KEY, b'{"schema": "docket.job.request/1", "id": "not a uuid", "query": "port 53"}')
    desk.settle()
    assert desk.events() == ["rejected"] * 3
    assert len(desk.dead()) == 3
    job_id = desk.ask()
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    assert desk.state(job_id) == "completed"


def test_an_unknown_source_is_rejected(desk: Rig) -> None:
    """Nobody waits for a source that never was; the reason names those that are."""
    job_id = desk.ask(sources=("rock09:em1",))
    desk.settle()
    assert (desk.reader.job(job_id), desk.events()) == (None, ["rejected"])
    assert desk.dead() == ["there is no source 'rock09:em1'; known are: rock01:em1, rock01:em2"]


def test_a_source_that_came_online_is_known(desk: Rig) -> None:
    """A source that is in no configuration is asked by default once it has been heard."""
    desk.say_source("rock02:em1", EventName.SOURCE_ONLINE)
    desk.settle()
    job_id = desk.ask()
    desk.settle()
    assert [answer.name for answer in desk.job(job_id).sources] == [*SOURCES, "rock02:em1"]


def test_a_broken_message_does_not_speak_of_a_good_job(desk: Rig) -> None:
    """A rejected message with the id of a job that runs leaves that job alone, and tells nobody."""
    job_id = desk.ask()
    desk.settle()
    desk.publish(REQUEST_KEY, encode(desk.request(job_id)).replace(b'"query"', b'"quarry"'))
    desk.settle()
    assert (desk.state(job_id), desk.events(), len(desk.dead())) == ("queued", ["requested"], 1)


@pytest.mark.parametrize("what", ["cancel", "retry", "delete"])
def test_an_order_for_nobody_is_dead(desk: Rig, what: str) -> None:
    """Cancel, retry and delete of an unknown job leave a trace in the dead queue."""
    getattr(desk, what)("0192f0c1-0000-7000-8000-00000000dead")
    desk.settle()
    assert desk.dead() == [f"there is no job '0192f0c1-0000-7000-8000-00000000dead' to {what}"]


def test_delete_removes_the_files_and_keeps_the_record(desk: Rig) -> None:
    """The job is expired with who did it; its directory is gone."""
    job_id = desk.ask()
    desk.answer(job_id, EM1, EM2)
    desk.settle()
    desk.delete(job_id)
    desk.settle()
    job = desk.job(job_id)
    assert (job.state, job.reason, job.pcap) == ("expired", "deleted by boss", None)
    assert not desk.spool.job_directory(job_id).exists()


def test_many_jobs_at_once_keep_their_packets_apart(desk: Rig) -> None:
    """Fifty jobs whose fragments are mixed: each gets its own."""
    jobs = {desk.ask(): records(f"job{n}", at(*range(1, 1 + n))) for n in range(1, 51)}
    readings = {job_id: desk.reading(job_id, 0).begin() for job_id in jobs}
    for job_id, body in jobs.items():
        readings[job_id].data(body)
    for job_id in jobs:
        readings[job_id].end()
        desk.reading(job_id, 1).begin().end(Verdict.EMPTY)
    desk.settle()
    assert [desk.result(job_id) for job_id in jobs] == [in_order(body) for body in jobs.values()]


def test_it_runs_in_a_thread_until_it_is_told_to_stop(desk: Rig) -> None:
    """`run` does the same by itself, and leaves with everything written down."""
    desk.collector.close()
    collector, stop = Collector(desk.config, desk.broker), Event()
    thread = Thread(target=collector.run, args=(stop,))
    thread.start()
    job_id = desk.ask(requested_at_us=time.time_ns() // 1_000)
    desk.answer(job_id, EM1, EM2)
    wait_until(lambda: "completed" in desk.events(job_id), "the job to complete")
    stop.set()
    thread.join(10.0)
    assert (thread.is_alive(), desk.state(job_id), desk.result(job_id)) == (False, "completed", in_order(EM1, EM2))
    desk.collector.open()
