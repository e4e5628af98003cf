"""Old records go, a bounded number at a time, and only those without a result."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from docket.domain.job import Event, EventName
from docket.domain.timewindow import US_PER_S, format_us
from docket.spool import retention
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.spool.ledger_writer import Entries, Ledger
from docket.spool.retention import RecordExpiry
from tests.spool.ledger_entries import NOW_US, PCAP, SOURCES, ask, event, question

KEEP_S = 100_000
LATER_US = NOW_US + 2 * KEEP_S * US_PER_S


class Kept:
    """A ledger with its spool, and what of it is to go."""

    def __init__(self, path: Path) -> None:
        self.spool = Spool(path)
        self.spool.create()
        self.ledger = Ledger(self.spool.ledger)
        self.reader = LedgerReader(self.spool.ledger)
        self.expiry = RecordExpiry(self.ledger, self.spool, KEEP_S)

    def job(self, n: int, *ends: EventName, second: int = 1) -> str:
        """A job of which these events tell, all on the bus."""
        job_id = ask(self.ledger, n)
        for name in ends:
            facts = {"pcap": PCAP} if name in (EventName.COMPLETED, EventName.PARTIAL) else {}
            self.ledger.append(event(name, question(n), second, **facts))
        self.publish()
        return job_id

    def publish(self) -> None:
        self.ledger.mark_published([recorded.event.seq for recorded in self.ledger.unpublished() if recorded.event.seq])

    def close(self) -> None:
        self.reader.close()
        self.ledger.close()

    def erase(self, now_us: int = LATER_US, in_use: frozenset[str] = frozenset()) -> list[str]:
        jobs, events = self.expiry.choose(now_us, in_use)
        self.ledger.commit(Entries(erased=jobs, erased_events=events))
        return jobs

    def known(self) -> list[str]:
        return sorted(job.id for job in self.reader.jobs().jobs)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "spool")
    yield made
    made.close()


def test_an_old_record_goes_with_all_that_is_written_of_it(kept: Kept) -> None:
    """No table has a row of the job any more."""
    gone = kept.job(0, EventName.STARTED, EventName.COMPLETED, EventName.EXPIRED)
    stays = kept.job(1, EventName.STARTED)
    kept.ledger.commit(Entries(parts={(gone, SOURCES[0]): b"{}"}))
    assert kept.erase() == [gone]
    assert (kept.known(), kept.reader.events(gone), kept.ledger.parts(gone)) == ([stays], [], {})
    with closing(sqlite3.connect(kept.spool.ledger)) as connection:
        tables = ("jobs", "job_bodies", "job_sources", "parts")
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    assert counts == [1, 1, len(SOURCES), 0]


@pytest.mark.parametrize(
    "ends",
    [
        (),
        (EventName.STARTED,),
        (EventName.COMPLETED,),
        (EventName.PARTIAL,),
    ],
)
def test_an_open_job_and_one_with_a_result_stay(kept: Kept, ends: tuple[EventName, ...]) -> None:
    """However old they are."""
    job_id = kept.job(0, *ends)
    kept.job(1)
    assert (kept.erase(), job_id in kept.known()) == ([], True)


@pytest.mark.parametrize("state", [EventName.EXPIRED, EventName.FAILED, EventName.CANCELLED])
def test_a_record_whose_files_are_there_stays(kept: Kept, state: EventName) -> None:
    """Files without a record would be taken for a result that the ledger has lost."""
    job_id = kept.job(0, EventName.CANCELLED, state)
    kept.job(1)
    kept.spool.prepare(job_id)
    assert kept.erase() == []
    kept.spool.remove_job(job_id)
    assert kept.erase() == [job_id]


def test_what_is_in_use_unpublished_recent_or_newest_stays(kept: Kept) -> None:
    """A retry, an event that waits for the bus, a late note, and the event that clients ask from."""
    in_use, unpublished, noted = (kept.job(n, EventName.FAILED) for n in range(3))
    kept.ledger.append(event(EventName.ANNOTATED, question(1), 2))
    late = Event(name=EventName.ANNOTATED, job_id=noted, at=format_us(LATER_US - US_PER_S))
    recorded = kept.ledger.append(late)
    assert recorded is not None
    assert recorded.event.seq is not None
    kept.ledger.mark_published([recorded.event.seq])
    assert kept.erase(in_use=frozenset({in_use})) == []
    kept.publish()
    assert kept.erase() == [in_use, unpublished]
    assert kept.erase(LATER_US + 2 * KEEP_S * US_PER_S) == []
    assert kept.known() == [noted]


def test_one_pass_is_bounded_and_all_go_in_the_end(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the records that are looked at, and by the events that go."""
    monkeypatch.setattr(retention, "MOST_LOOKED_AT", 7)
    monkeypatch.setattr(retention, "MOST_ERASED_EVENTS", 6)
    for n in range(10):
        kept.job(n, EventName.COMPLETED, second=n)
    expired = [kept.job(n, EventName.CANCELLED, second=n) for n in range(10, 20)]
    kept.job(20)
    passes = [kept.erase() for _ in range(9)]
    assert sorted(chain.from_iterable(passes)) == expired
    assert max(map(len, passes)) == 3
    assert len(kept.known()) == 11


def test_old_rejections_go_too(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """They belong to no job, and anyone on the bus can cause them."""
    monkeypatch.setattr(retention, "MOST_LOOKED_AT", 3)
    for _ in range(5):
        kept.ledger.append(Event(name=EventName.REJECTED, job_id="", at=format_us(NOW_US), reason="no"))
    kept.job(0)
    for _ in range(4):
        kept.erase()
    assert [entry.event for entry in kept.reader.events_since(0)] == [EventName.REQUESTED]


def test_nothing_is_erased_that_is_not_old(kept: Kept) -> None:
    kept.job(0, EventName.FAILED)
    kept.job(1)
    assert kept.erase(NOW_US + KEEP_S * US_PER_S) == []
