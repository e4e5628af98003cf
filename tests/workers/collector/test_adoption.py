"""A ledger that is gone takes no result with it: each comes back from its manifest, or is set aside and counted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docket.domain.job import Verdict
from docket.spool.ledger_reader import LedgerReader
from tests.services.waiting import wait_until
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records

EM1 = records("em1", at(*range(1, 20)), 300)
EM2 = records("em2", at(*range(1, 40, 2)), 300)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def finished(harness: Rig, verdict: Verdict = Verdict.COMPLETE) -> str:
    """A job of two sources, of which the second ends with this verdict."""
    job_id = harness.ask(note="ticket 4711")
    harness.reading(job_id, 0).begin().data(EM1).end()
    harness.reading(job_id, 1).begin().data(EM2).end(verdict)
    harness.settle()
    return job_id


def restart_without_ledger(harness: Rig, ledger: Callable[[Path], None]) -> None:
    """End the collector, do something to the ledger, start it, and wait until all that lay there was looked at."""
    harness.collector.close()
    harness.reader.close()
    ledger(harness.spool.ledger)
    harness.collector = type(harness.collector)(harness.config, harness.broker, harness.clock)
    harness.collector.open()
    harness.reader = LedgerReader(harness.spool.ledger)
    wait_until(harness.all_looked_at, "all to be looked at", timeout_s=60.0)
    harness.settle()


def removed(ledger: Path) -> None:
    for path in ledger.parent.glob(f"{ledger.name}*"):
        path.unlink()


def moved(ledger: Path) -> None:
    for path in list(ledger.parent.glob(f"{ledger.name}*")):
        path.rename(path.with_name(f"old-{path.name}"))


@pytest.mark.parametrize("ledger", [removed, moved])
def test_results_come_back_from_their_manifests(harness: Rig, ledger: Callable[[Path], None]) -> None:
    """The same job in every field, with its result; the collector's record begins with how it came there."""
    job_id = finished(harness)
    before = harness.job(job_id)
    restart_without_ledger(harness, ledger)
    assert harness.job(job_id) == before
    assert harness.result(job_id) == in_order(EM1, EM2)
    assert harness.events(job_id)[-2:] == ["requested", "completed"]
    assert not harness.spool.count_aside()


def test_what_was_deleted_does_not_come_back(harness: Rig) -> None:
    """Not with a ledger that is gone, and not with what the trash still holds."""
    kept, gone = finished(harness), finished(harness)
    harness.delete(gone)
    harness.settle()
    restart_without_ledger(harness, removed)
    assert (harness.state(kept), harness.reader.job(gone)) == ("completed", None)
    assert [path.name for path in harness.spool.directories()] == [kept]


def test_adopted_result_can_be_asked_for_the_rest(harness: Rig) -> None:
    """A retry keeps what the first source gave and asks the second; the parts were known again."""
    job_id = finished(harness, Verdict.CUT)
    restart_without_ledger(harness, removed)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["complete", "cut"])
    harness.orders(1)
    harness.retry(job_id)
    harness.settle()
    assert [order.order.attempts for order in harness.orders(1) if order.order] == [{SOURCES[1]: 2}]
    harness.reading(job_id, 1, attempt=2).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).revision) == ("completed", 2)
    assert harness.result(job_id) == in_order(EM1, EM2)


def test_adopted_results_leave_by_their_age(harness: Rig) -> None:
    """From then on they are results as any other: deleted when somebody says so."""
    job_id = finished(harness)
    restart_without_ledger(harness, removed)
    harness.delete(job_id)
    harness.settle()
    assert (harness.state(job_id), harness.spool.job_directory(job_id).exists()) == ("expired", False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda directory: (directory / "job.json").unlink(),
        lambda directory: (directory / "job.pcap").unlink(),
        lambda directory: (directory / "job.json.sig").unlink(),
        lambda directory: (directory / "job.json.sig").write_bytes(bytes(64)),
        lambda directory: (directory / "job.json").write_text("{}"),
        lambda directory: (directory / "job.pcap").write_bytes((directory / "job.pcap").read_bytes()[:-1]),
        lambda directory: (directory / "job.json").write_text(
            (directory / "job.json").read_text().replace("port 53", "port 54")
        ),
        lambda directory: directory.rename(directory.with_name("0192f0c1-0000-7000-8000-00000000dead")),
        lambda directory: directory.rename(directory.with_name("notes")),
    ],
    ids=["manifest", "result", "unsigned", "forged", "empty", "cut", "story", "other id", "no id"],
)
def test_what_cannot_be_verified_is_set_aside(harness: Rig, spoil: Callable[[Path], object]) -> None:
    """Whole, out of the way, and counted where the operator looks; the sound result beside it comes back."""
    spoiled, sound = finished(harness), finished(harness)
    spoil(harness.spool.job_directory(spoiled))
    [directory] = [path for path in harness.spool.directories() if path.name != sound]
    files = sorted(path.name for path in directory.rglob("*"))
    restart_without_ledger(harness, removed)
    assert (harness.reader.job(spoiled), harness.state(sound)) == (None, "completed")
    [aside] = harness.spool.aside.iterdir()
    assert (aside.name, sorted(path.name for path in aside.rglob("*"))) == (directory.name, files)
    harness.pass_time(10)
    health = harness.reader.collector()
    assert health is not None
    assert (health.set_aside, health.trouble) == (1, "")


def test_result_of_which_an_older_ledger_knows_nothing_stays(harness: Rig) -> None:
    """A ledger from a backup knows the job, but as one that failed: its result is nobody's to remove."""
    job_id = harness.ask()
    for place in (0, 1):
        harness.reading(job_id, place).begin().end(Verdict.TIMED_OUT, usable=False)
    harness.settle()
    assert harness.state(job_id) == "failed"
    backup = harness.directory / "backup"
    with sqlite3.connect(harness.spool.ledger) as ledger_now, sqlite3.connect(backup) as copy:
        ledger_now.backup(copy)
    ledger_now.close()
    copy.close()
    other = finished(harness)
    shutil.copytree(harness.spool.job_directory(other), harness.spool.job_directory(job_id))

    def restored(ledger: Path) -> None:
        removed(ledger)
        shutil.copy(backup, ledger)

    restart_without_ledger(harness, restored)
    assert (harness.state(job_id), harness.state(other)) == ("failed", "completed")
    assert [path.name for path in harness.spool.aside.iterdir()] == [job_id]
