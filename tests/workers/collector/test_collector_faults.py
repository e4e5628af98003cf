"""The collector under faults: killed at any moment, a full disk, a read-only one, a locked ledger, no bus."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from docket.bus.memory.memory_consumer import MemoryDelivery
from docket.bus.messages import Fragment, FragmentKind
from docket.domain.job import EventName, Verdict
from docket.errors import BusLost, SpoolError
from docket.workers.collector.service import Collector
from tests.services import needs
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records, split

EM1 = records("em1", at(*range(1, 200)), 900)
EM2 = records("em2", at(*range(1, 400, 2)), 900)
CLOSED = ["requested", "started", "source", "source", "completed"]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


@contextmanager
def small_file_system(directory: Path) -> Iterator[None]:
    """Put a file system of its own with room for 1 MB at the directory."""
    needs.root("to mount a small file system")
    mount, umount = needs.program("mount", "mount"), needs.program("umount", "mount")
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "docket-test", directory], check=True)
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", directory], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path):
        yield tmp_path


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def in_pieces(body: bytes, packets: int) -> list[bytes]:
    """The body cut after every so many packets."""
    pieces = [piece for _, piece in split(body)]
    return [b"".join(pieces[start : start + packets]) for start in range(0, len(pieces), packets)]


@pytest.mark.parametrize("turns", range(9))
def test_a_collector_killed_at_any_turn_loses_nothing(harness: Rig, turns: int) -> None:
    """Whatever was not committed comes again: the same packets, each event once, one final state."""
    job_id = harness.ask()
    for place, body in enumerate((EM1, EM2)):
        reading = harness.reading(job_id, place).begin()
        for piece in in_pieces(body, 7):
            reading.data(piece)
        reading.end()
    harness.turn(turns)
    harness.restart()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))
    assert [event.name.removeprefix("job.") for event in harness.reader.events(job_id)] == CLOSED
    assert harness.files(job_id) == ["job.json", "job.json.sig", "job.pcap", "job.pcap.sources"]


def test_a_restart_in_mid_merge_gives_the_same_file(harness: Rig) -> None:
    """Half of it is merged when the collector dies: the other half joins, and the digest is that of an undisturbed
    job, those of the parts too."""
    digests = []
    for disturbed in (False, True):
        job_id = harness.ask()
        readings = [harness.reading(job_id, place).begin() for place in range(2)]
        halves = [in_pieces(body, 100) for body in (EM1, EM2)]
        for number in range(2):
            for reading, half in zip(readings, halves, strict=True):
                reading.data(half[number])
            harness.settle()
            if disturbed:
                assert harness.spool.partial(job_id).stat().st_size > 50_000
                harness.restart()
        for reading in readings:
            reading.end()
        harness.settle()
        job = harness.job(job_id)
        assert job.pcap is not None
        digests.append((job.pcap.sha256, [answer.sha256 for answer in job.sources]))
    assert digests[0] == digests[1]


def test_a_finish_that_was_not_written_down_is_done_again(harness: Rig) -> None:
    """Killed after the result got its name and before the ledger knew: the job is still open, and is finished."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    locked = sqlite3.connect(harness.spool.ledger, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    harness.turn()
    assert harness.spool.result(job_id).exists()
    harness.collector.close()
    locked.close()
    harness.collector = Collector(harness.config, harness.broker, harness.clock)
    harness.collector.open()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id), harness.events()) == (
        "completed",
        in_order(EM1, EM2),
        CLOSED,
    )


def test_bytes_beyond_the_commit_do_not_count(harness: Rig) -> None:
    """What a killed collector wrote into a part without committing it is written over."""
    job_id = harness.ask()
    readings = [harness.reading(job_id, place).begin() for place in range(2)]
    first, *rest = in_pieces(EM1, 50)
    readings[0].data(first)
    harness.settle()
    with harness.spool.part(job_id, SOURCES[0]).open("ab") as part:
        part.write(b"\xff" * 70_000)
    harness.restart()
    for piece in rest:
        readings[0].data(piece)
    readings[0].end()
    readings[1].data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_part_that_vanished_is_read_again(harness: Rig) -> None:
    """Somebody emptied the disk while the collector was away: the source is asked anew."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.settle()
    shutil.rmtree(harness.spool.parts(job_id))
    harness.restart()
    harness.settle()
    assert [order.order.attempts for order in harness.orders(0) if order.order] == [{SOURCES[0]: 2}]
    harness.reading(job_id, 0, attempt=2).begin().data(EM1).end()
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_broken_reading_is_ordered_again_after_a_restart(harness: Rig) -> None:
    """The order to read anew may have died with the collector, so the next one gives it again."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().skip().data(EM1)
    harness.settle()
    assert len(harness.orders(0)) == 1
    harness.restart()
    harness.settle()
    assert [order.order.attempts for order in harness.orders(0) if order.order] == [{SOURCES[0]: 2}]


def test_the_bus_in_memory_forgot_everything(tmp_path: Path) -> None:
    """After a restart of the one process every source that has not answered yet is asked again."""
    with rig(tmp_path, bus="memory://") as harness:
        job_id = harness.ask()
        harness.reading(job_id, 0).begin().data(EM1).end()
        harness.settle()
        harness.restart()
        harness.settle()
        assert [order.order.attempts for order in harness.orders(1) if order.order] == [{SOURCES[1]: 2}]


def test_a_locked_ledger_stops_nothing_for_good(harness: Rig) -> None:
    """While another program holds the lock nothing is acknowledged; afterwards all goes on."""
    job_id = harness.ask()
    harness.settle()
    locked = sqlite3.connect(harness.spool.ledger, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    harness.answer(job_id, EM1, EM2)
    harness.turn(2)
    assert (harness.state(job_id), harness.events()) == ("queued", ["requested"])
    locked.execute("ROLLBACK")
    locked.close()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id), harness.events()) == (
        "completed",
        in_order(EM1, EM2),
        CLOSED,
    )


def test_a_full_disk_ends_the_job_that_filled_it(small_disk: Path) -> None:
    """The job keeps the packets that could be merged, its sources say that the disk is full, and the next job
    is as good as ever."""
    with rig(small_disk) as harness:
        big, small = harness.ask(), harness.ask()
        readings = [harness.reading(big, place).begin() for place in range(2)]
        truth = [records(f"em{place}", at(*range(1, 1_000)), 900) for place in range(2)]
        for pieces in zip(*(in_pieces(body, 50) for body in truth), strict=True):
            for reading, piece in zip(readings, pieces, strict=True):
                reading.data(piece)
            harness.settle()
        harness.settle()
        job = harness.job(big)
        assert (job.state, harness.verdicts(big)) == ("partial", ["cut", "cut"])
        assert "the spool's disk is full" in job.sources[0].sentence
        assert harness.result(big) == in_order(*truth)[: job.packets]
        harness.answer(small, records("em1", at(1)), records("em2", at(2)))
        harness.settle()
        assert (harness.state(small), len(harness.result(small))) == ("completed", 2)


def test_room_is_made_for_a_ledger_on_a_full_disk(small_disk: Path) -> None:
    """When not even the ledger can grow, the oldest finished result goes, and says so."""
    with rig(small_disk, spool_config={"min_free_bytes": 50_000}) as harness:
        old = harness.ask()
        harness.answer(old, EM1, EM2)
        harness.settle()
        assert harness.state(old) == "completed"
        fill(small_disk / "rubbish")
        jobs = [harness.ask() for _ in range(8)]
        harness.settle()
        assert harness.state(old) == "expired"
        assert {harness.reader.job(job_id) is not None for job_id in jobs} == {True}


def test_a_full_disk_takes_no_manifest_from_a_result(tmp_path: Path) -> None:
    """However full the disk is by the end of a job, its result can be verified."""
    jobs = tmp_path / "spool" / "jobs"
    jobs.mkdir(parents=True)
    with small_file_system(jobs), rig(tmp_path) as harness:
        running = harness.ask()
        readings = [harness.reading(running, place).begin().data(body) for place, body in enumerate((EM1, EM2))]
        harness.settle()
        fill(jobs / "rubbish")
        for reading in readings:
            reading.end()
        harness.settle()
        assert harness.job(running).pcap is not None
        assert harness.files(running)[:2] == ["job.json", "job.json.sig"]


def test_a_read_only_disk_ends_jobs_with_a_sentence(tmp_path: Path) -> None:
    """While results cannot be written jobs end honestly; when they can, the next job is as good as ever."""
    jobs = tmp_path / "spool" / "jobs"
    jobs.mkdir(parents=True)
    with small_file_system(jobs), rig(tmp_path) as harness:
        running = harness.ask()
        harness.reading(running, 0).begin().data(EM1)
        harness.settle()
        mount = needs.program("mount", "mount")
        subprocess.run([mount, "-o", "remount,ro", jobs], check=True)
        harness.reading(running, 1).begin().data(EM2).end()
        harness.settle()
        subprocess.run([mount, "-o", "remount,rw", jobs], check=True)
        assert (harness.state(running), harness.verdicts(running)) == ("failed", ["cut", "cut"])
        assert "the spool's disk is read-only" in harness.job(running).sources[1].sentence
        after = harness.ask()
        harness.answer(after, EM1, EM2)
        harness.settle()
        assert harness.state(after) == "completed"


def test_events_wait_for_the_bus(harness: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be told is told later, in order, also by the next collector."""

    def lost(*_: object, **__: object) -> None:
        raise BusLost("the broker is away")

    job_id = harness.ask()
    with monkeypatch.context() as patch:
        patch.setattr(harness.collector._outbox._publisher, "publish", lost)
        harness.answer(job_id, EM1, EM2)
        harness.settle()
        assert (harness.state(job_id), harness.events()) == ("completed", [])
    harness.restart()
    harness.settle()
    assert harness.events() == CLOSED


def test_published_events_are_not_told_again(harness: Rig) -> None:
    """After a clean stop the next collector has nothing left to tell."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    harness.collector.close()
    harness.collector = Collector(harness.config, harness.broker, harness.clock)
    harness.collector.open()
    harness.settle()
    assert harness.events() == CLOSED


def test_a_failed_disk_in_one_job_leaves_the_other_alone(harness: Rig) -> None:
    """An input/output error in one job's directory is that job's alone."""
    bad, good = harness.ask(), harness.ask()
    harness.settle()
    part = harness.spool.part(bad, SOURCES[0])
    part.parent.mkdir(parents=True)
    part.mkdir()
    harness.answer(good, EM1, EM2)
    harness.reading(bad, 0).begin().data(EM1).end()
    harness.settle()
    assert (harness.state(good), harness.state(bad), harness.verdicts(bad)) == (
        "completed",
        "failed",
        ["cut", "cut"],
    )


def test_a_spool_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    """A file where the spool should be: SpoolError before the bus is touched."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolError), rig(tmp_path):
        pass


def test_the_worst_verdict_stays(harness: Rig) -> None:
    """A source that was cut stays cut, whatever the making of the result finds."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1).end(Verdict.CUT, "It broke off.")
    harness.reading(job_id, 1).begin().end(Verdict.EMPTY)
    harness.settle()
    assert [(answer.verdict, answer.sentence) for answer in harness.job(job_id).sources] == [
        ("cut", "It broke off."),
        ("empty", "Everything was read."),
    ]


def test_fragments_of_unknown_jobs_hold_nothing_back(harness: Rig) -> None:
    """Hundreds of fragments for jobs that nobody asked for: a real job ends beside them at once."""
    for number in range(480):
        unknown = str(uuid.UUID(int=number))
        harness.send(Fragment(job=unknown, source=SOURCES[0], attempt=1, run="1", seq=0, kind=FragmentKind.BEGIN))
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    turns = 0
    while (job := harness.reader.job(job_id)) is None or (job.state != "completed" and turns < 3_000):
        harness.clock.advance(0.1)
        harness.collector.turn(0.0)
        turns += 1
    assert harness.state(job_id) == "completed"


def test_a_fragment_of_another_sensors_worker_changes_nothing(harness: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes a dead letter that names the user; the source's own answer counts."""
    # A slot cannot be set in the class, so every delivery is given a user as it is made.
    made = MemoryDelivery.__init__

    def signed(delivery: MemoryDelivery, *parts: Any) -> None:
        made(delivery, *parts)
        delivery.account = "docket-collector"
        delivery.user_id = "docket-worker-rock02" if "fragments" in delivery.queue else None

    monkeypatch.setattr(MemoryDelivery, "__init__", signed)
    job_id = harness.ask()
    harness.reading(job_id, 0).begin()
    harness.reading(job_id, 0).end(Verdict.REFUSED, "forged", usable=False)
    harness.settle()
    assert harness.job(job_id).sources[0].verdict is None
    assert harness.dead() == [f"docket-worker-rock02 may not speak for {SOURCES[0]}"] * 2


def test_a_word_alone_makes_no_source(harness: Rig) -> None:
    """A source that nobody knew is asked by default once its queue has a reader, and not before."""
    names = []
    for served in (False, True):
        harness.say_source("rock09:em1", EventName.SOURCE_ONLINE, served=served)
        harness.settle()
        harness.clock.advance(1)
        names.append(harness.job(settled(harness)).sources[-1].name)
    assert names == [SOURCES[-1], "rock09:em1"]


def settled(harness: Rig) -> str:
    """A question that names no source, once the collector has it."""
    job_id = harness.ask(sources=None)
    harness.settle()
    return job_id
