"""The collector and its disk: results leave by age and by room, and what lies there without a record is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.waiting import wait_until
from tests.workers.collector.collector_harness import Rig, at, rig
from tests.workers.packet_records import records

EM1 = records("em1", at(1, 2, 3, 60))
EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def test_results_leave_by_age(tmp_path: Path) -> None:
    """Older than they may be: expired, with the reason, and that goes on for ever, also after idle hours."""
    with rig(tmp_path, spool_config={"keep_s": 3600}) as harness:
        for _ in range(3):
            job_id = harness.ask()
            harness.answer(job_id, EM1, EM2)
            harness.settle()
            harness.pass_time(3600, step_s=300)
            assert harness.state(job_id) == "completed"
            harness.pass_time(120, step_s=30)
            assert (harness.state(job_id), harness.job(job_id).reason) == ("expired", "older than 1 h")
            assert not harness.spool.job_directory(job_id).exists()
            harness.pass_time(7_200, step_s=600)


def test_results_leave_by_quota_the_oldest_first(tmp_path: Path) -> None:
    """A running job is never touched, and newer results stay."""
    body = records("em1", at(1), 10_000)
    with rig(tmp_path, spool_config={"max_bytes": 30_000}) as harness:
        jobs = []
        for _ in range(4):
            jobs.append(harness.ask())
            harness.answer(jobs[-1], body, b"")
            harness.settle()
            harness.pass_time(61)
        assert [harness.state(job_id) for job_id in jobs] == ["expired", "expired", "completed", "completed"]
        assert harness.job(jobs[0]).reason == "removed to keep the spool within 30 kB"


def test_too_little_room_refuses_new_jobs(tmp_path: Path) -> None:
    """Before anything breaks: rejected, with the figures."""
    with rig(tmp_path, spool_config={"min_free_bytes": 1 << 60}) as harness:
        harness.ask()
        harness.settle()
        (reason,) = harness.dead()
        assert harness.events() == ["rejected"]
        assert reason.startswith("the spool has ")
        assert reason.endswith(" free, at least 1153 PB are kept free")


def test_left_over_files_of_a_known_job_are_removed_at_the_start(harness: Rig) -> None:
    """Its temporary files go; results stay, and what the ledger does not know is set aside."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    stray = harness.spool.jobs / "0192f0c1-0000-7000-8000-00000000dead"
    stray.mkdir()
    (stray / "job.pcap").write_bytes(b"x")
    (harness.spool.jobs / "core").write_bytes(b"x")
    harness.spool.partial(job_id).write_bytes(b"x")
    harness.restart()
    wait_until(harness.all_looked_at, "the strays to be looked at", timeout_s=60.0)
    assert [path.name for path in harness.spool.directories()] == [job_id]
    assert sorted(path.name for path in harness.spool.aside.iterdir()) == [stray.name, "core"]
    assert harness.files(job_id) == ["job.json", "job.json.sig", "job.pcap", "job.pcap.sources"]


def test_a_result_that_somebody_removed_is_expired(harness: Rig) -> None:
    """The record does not promise a file that is not there."""
    job_id = harness.ask()
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    harness.spool.result(job_id).unlink()
    harness.restart()
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).reason) == (
        "expired",
        "its result was removed from the spool by another program",
    )
