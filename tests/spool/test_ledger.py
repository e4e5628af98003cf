"""The ledger keeps jobs and events; everybody else reads it while the collector writes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Event, EventName, SourceAnswer, Verdict
from docket.domain.request import fingerprint
from docket.domain.request_message import Limits
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us
from docket.errors import SpoolError
from docket.spool.collector_health import CollectorHealth
from docket.spool.ledger_reader import LedgerReader
from docket.spool.ledger_writer import Entries, Ledger
from tests.domain.history import fold
from tests.spool.ledger_entries import NOW_US, PCAP, SOURCES, US, ask, event, question, requested


def test_an_event_gets_its_number_and_folds_into_the_job(ledger: Ledger, reader: LedgerReader) -> None:
    """What is read back is the fold over everything that was appended."""
    request = question()
    events = [
        requested(request),
        event(EventName.STARTED, request, answers=(SourceAnswer(name=SOURCES[0], packets=3),)),
        event(EventName.PARTIAL, request, 9, pcap=PCAP, packets=3, bytes=99),
    ]
    recorded = [ledger.append(each) for each in events]
    assert [entry.event.seq for entry in recorded if entry] == [1, 2, 3]
    job = fold(events)
    assert (ledger.job(request.id), reader.job(request.id), recorded[-1] and recorded[-1].job) == (job, job, job)
    assert [found.name for found in reader.events(request.id)] == [each.name for each in events]


def test_the_same_id_again_writes_nothing(ledger: Ledger, reader: LedgerReader) -> None:
    """A job that is known stays as it is."""
    request = question()
    ledger.append(requested(request))
    again = ledger.append(requested(question(query="port 80")))
    assert (again, reader.last_seq(), ledger.request(request.id)) == (None, 1, request)


def test_entries_are_written_together_or_not_at_all(ledger: Ledger, reader: LedgerReader) -> None:
    """An entry that cannot be written takes the others of its batch with it."""
    entries = Entries(events=[requested(question(1)), event(EventName.STARTED, question(2))])
    with pytest.raises(SpoolError, match="knows no job"):
        ledger.commit(entries)
    assert (reader.last_seq(), ledger.job(question(1).id)) == (0, None)


def test_a_retry_brings_its_own_question(ledger: Ledger) -> None:
    """The deadline of the retry counts from then on."""
    request = question()
    later = question(deadline_s=77)
    ledger.append(requested(request))
    ledger.append(event(EventName.STARTED, request, request=later, revision=2))
    assert ledger.request(request.id) == later


def test_open_jobs_are_those_that_are_not_final(ledger: Ledger) -> None:
    """In the order in which they came."""
    for n in range(4):
        ask(ledger, n)
    ledger.append(event(EventName.STARTED, question(2)))
    ledger.append(event(EventName.COMPLETED, question(1), pcap=PCAP))
    assert [job.id for job in ledger.open_jobs()] == [question(n).id for n in (0, 2, 3)]


def test_unpublished_events_wait_in_order(ledger: Ledger) -> None:
    """Until they are marked, each is given with its job as it stands now."""
    ask(ledger, 0)
    ledger.append(event(EventName.STARTED, question(0)))
    ledger.append(Event(name=EventName.REJECTED, job_id="", at="", reason="no"))
    ledger.mark_published([1])
    waiting = ledger.unpublished()
    assert [(entry.event.seq, entry.job and entry.job.state) for entry in waiting] == [(2, "running"), (3, None)]


def test_parts_and_sources_are_kept_and_forgotten(ledger: Ledger, reader: LedgerReader) -> None:
    """Parts of one job go together; a source's status is replaced by the newer one."""
    status = SourceStatus(name="a:1", kind="stenographer", state="online", last_seen="now")
    ledger.commit(Entries(parts={("j", "a:1"): b"1", ("k", "a:1"): b"2"}, sources={"a:1": status}))
    ledger.commit(Entries(forgotten={"k"}))
    assert (ledger.parts("j"), ledger.parts("k"), reader.sources()) == ({"a:1": b"1"}, {}, [status])


def test_jobs_that_fell_short_of_a_source(ledger: Ledger) -> None:
    """Only final ones with a deadline to come that asked it."""
    for n in range(3):
        ask(ledger, n, sources=SOURCES if n else ("rock02:em1",))
    for n in range(2):
        ledger.append(event(EventName.FAILED, question(n)))
    assert [job.id for job in ledger.short_of(SOURCES[0], format_us(NOW_US))] == [question(1).id]
    assert ledger.short_of(SOURCES[0], format_us(NOW_US + 10_000 * US)) == []


def test_a_newer_ledger_is_refused(path: Path, reader: LedgerReader) -> None:
    """Both sides say that a newer Docket wrote it, and touch nothing."""
    Ledger(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SpoolError, match="written by a newer Docket"):
        Ledger(path)
    with pytest.raises(SpoolError, match="written by a newer Docket"):
        reader.jobs()


def test_what_is_no_ledger_is_refused(path: Path) -> None:
    """A file that is no database is an error of ours, and stays as it is."""
    path.write_bytes(b"not a database, far from it" * 100)
    with pytest.raises(SpoolError, match="not a database"):
        Ledger(path)


def test_a_reader_without_a_ledger_says_so(reader: LedgerReader) -> None:
    """The web app may start before the collector; later the same reader works."""
    with pytest.raises(SpoolError, match="not there yet"):
        reader.jobs()


def test_the_ledger_is_not_for_the_world(path: Path, ledger: Ledger) -> None:
    """Owner writes, group reads, nobody else."""
    ledger.append(requested(question()))
    assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {"0o640"}


def test_a_locked_ledger_is_an_error_that_passes(path: Path, ledger: Ledger, reader: LedgerReader) -> None:
    """Readers go on, the writer is told, and the same entries can be committed afterwards."""
    entries = Entries(events=[requested(question())])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SpoolError, match="locked by another program"):
        ledger.commit(entries)
    assert reader.last_seq() == 0
    other.close()
    assert len(ledger.commit(entries)) == 1


_OPEN_AND_CLOSE = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("SELECT count(*) FROM events").fetchall()
other.close()
"""


def test_log_stays_when_another_program_closes_the_ledger(path: Path, reader: LedgerReader) -> None:
    """A reader, and then the writer, of one process: the locks that keep the log in its place are not lost."""
    Ledger(path).close()
    assert reader.last_seq() == 0
    with closing(Ledger(path)) as ledger:
        for number in range(2):
            ledger.append(requested(question(number)))
            subprocess.run([sys.executable, "-c", _OPEN_AND_CLOSE, path], check=True)
            with closing(LedgerReader(path)) as late:
                assert (late.last_seq(), path.with_name(f"{path.name}-wal").exists()) == (number + 1, True)


@pytest.mark.usefixtures("many")
def test_missed_events_come_with_the_job_as_it_is_now(reader: LedgerReader) -> None:
    """Whoever lost the thread asks since a number, in portions."""
    last = reader.last_seq()
    portion = reader.events_since(last - 3, limit=2)
    assert [message.seq for message in portion] == [last - 2, last - 1]
    early = reader.events_since(0, limit=1)[0]
    assert (early.event, early.job and early.job.state) == ("job.requested", "failed")


def test_the_same_question_is_found_while_it_is_good(ledger: Ledger, reader: LedgerReader) -> None:
    """The newest that runs, waits or is complete; never one that failed or whose file is gone."""
    request = question(0)
    same = fingerprint(question(9, owner="someone else", sources=None))
    ledger.append(requested(request))
    assert reader.find_same(same) == ledger.job(request.id)
    ledger.append(event(EventName.COMPLETED, request, pcap=PCAP))
    assert reader.find_same(same) == ledger.job(request.id)
    ledger.append(event(EventName.EXPIRED, request))
    assert reader.find_same(same) is None


@pytest.mark.parametrize(
    "other",
    [
        {"query": "port 54"},
        {"after_us": 1},
        {"before_us": NOW_US + 1},
        {"sources": ("rock01:em1",)},
        {"limits": Limits(packets=5)},
    ],
)
def test_another_question_has_another_fingerprint(other: dict[str, Any]) -> None:
    """Query, window, sources and limits make the question."""
    assert fingerprint(question(**other)) != fingerprint(question())


def test_the_order_of_sources_does_not_make_another_question() -> None:
    """Nor do owner, note, patience or id."""
    one = question(1, sources=("a:1", "b:1"), owner="x", note="y", deadline_s=5)
    assert fingerprint(one) == fingerprint(question(2, sources=("b:1", "a:1")))


def test_the_heartbeat_is_read_back(ledger: Ledger, reader: LedgerReader) -> None:
    """There is none before the first."""
    assert reader.collector() is None
    health = CollectorHealth(
        at="now",
        started_at="then",
        version="1",
        open_jobs=2,
        free_bytes=3,
        free_inodes=None,
        used_bytes=4,
        max_bytes=5,
        min_free_bytes=6,
    )
    ledger.commit(Entries(health=health))
    assert reader.collector() == health


def test_a_verdict_survives_the_ledger(ledger: Ledger, reader: LedgerReader) -> None:
    """Enumerations come back as what they were."""
    ask(ledger, 0)
    answer = SourceAnswer(name=SOURCES[0], verdict=Verdict.AGED_OUT, sentence="Gone.", usable=True)
    ledger.append(event(EventName.SOURCE, question(0), answers=(answer,)))
    job = reader.job(question(0).id)
    assert job is not None
    assert job.answer(SOURCES[0]) == answer
