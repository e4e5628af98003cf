"""The ledger keeps jobs and events; everybody else reads it while the collector writes."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Event, EventName, Job, PcapFile, SourceAnswer, State, Verdict
from docket.domain.refinement import SPOOL_SOURCE, Refinement
from docket.domain.request import Request, fingerprint
from docket.domain.request_message import Limits
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us
from docket.errors import InvalidRequest, SpoolError
from docket.spool.collector_health import CollectorHealth
from docket.spool.ledger_reader import SORTS, LedgerReader
from docket.spool.ledger_writer import Entries, Ledger
from tests.domain.history import fold

US = 1_000_000
NOW_US = 1_795_530_120 * US
PCAP = PcapFile(name="x.pcap", size=24, sha256="00")
SOURCES = ("rock01:em1", "rock01:em2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    made = Ledger(path)
    yield made
    made.close()


@pytest.fixture
def reader(path: Path) -> Iterator[LedgerReader]:
    made = LedgerReader(path)
    yield made
    made.close()


def question(n: int = 0, **facts: Any) -> Request:
    values: dict[str, Any] = {
        "id": str(uuid.UUID(int=n + 1)),
        "query": "port 53",
        "asked": "port 53",
        "after_us": NOW_US - 600 * US,
        "before_us": NOW_US,
        "requested_at_us": NOW_US + n * US,
    }
    return Request(**(values | facts))


def requested(request: Request, sources: tuple[str, ...] = SOURCES) -> Event:
    at = format_us(request.requested_at_us)
    return Event(name=EventName.REQUESTED, job_id=request.id, at=at, request=request, source_names=sources)


def event(name: EventName, of: Request, second: int = 0, **facts: Any) -> Event:
    return Event(name=name, job_id=of.id, at=format_us(NOW_US + second * US), **facts)


def ask(ledger: Ledger, n: int, sources: tuple[str, ...] = SOURCES, **facts: Any) -> str:
    request = question(n, **facts)
    ledger.append(requested(request, sources))
    return request.id


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


@pytest.fixture
def many(ledger: Ledger) -> Ledger:
    """Thirty jobs of two owners and three states."""
    for n in range(30):
        owner = "anna" if n % 3 else "bert"
        sources = SOURCES if n % 2 else SOURCES[:1]
        ask(ledger, n, sources, owner=owner, note=f"ticket {n}", query=f"port {n}")
        if n % 5 == 0:
            ledger.append(event(EventName.FAILED, question(n), n))
        elif n % 5 == 1:
            ledger.append(event(EventName.COMPLETED, question(n), 100 - n, packets=n * 7 % 11, bytes=n, pcap=PCAP))
    return ledger


def walk(reader: LedgerReader, limit: int, **filters: Any) -> tuple[list[Job], int]:
    """All pages put together."""
    jobs: list[Job] = []
    cursor: str | None = None
    while True:
        page = reader.jobs(limit=limit, cursor=cursor, **filters)
        jobs += page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return jobs, page.total


def numbers(jobs: list[Job]) -> list[int]:
    return [uuid.UUID(job.id).int - 1 for job in jobs]


@pytest.mark.usefixtures("many")
def test_lists_come_newest_first_and_page_by_page(reader: LedgerReader) -> None:
    """Every job once, whatever the size of the page."""
    for limit in (1, 7, 30, 99):
        assert numbers(walk(reader, limit)[0]) == list(range(29, -1, -1))


def test_a_new_job_does_not_shift_the_pages(many: Ledger, reader: LedgerReader) -> None:
    """The cursor holds a place in the list, not a count of rows."""
    first = reader.jobs(limit=10)
    ask(many, 30)
    second = reader.jobs(limit=10, cursor=first.next_cursor)
    assert numbers(second.jobs) == list(range(19, 9, -1))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "failed"}, [25, 20, 15, 10, 5, 0]),
        ({"state": "failed,completed", "owner": "bert"}, [21, 15, 6, 0]),
        ({"owner": "nobody"}, []),
        ({"source": SOURCES[1], "state": "failed"}, [25, 15, 5]),
        ({"text": "TICKET 1"}, [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1]),
        ({"text": "port 7", "owner": "anna"}, [7]),
        ({"text": str(uuid.UUID(int=9))}, [8]),
        ({"text": "100% _"}, []),
    ],
)
def test_filters(reader: LedgerReader, filters: dict[str, Any], expected: list[int]) -> None:
    """All filters have to hold, and the total counts what they let through."""
    jobs, total = walk(reader, 4, **filters)
    assert (numbers(jobs), total) == (expected, len(expected))


def test_children_of_a_job_are_listed(many: Ledger, reader: LedgerReader) -> None:
    """Those that were taken from its result, newest first and page by page, also after they have ended."""
    parent = question(7).id
    for n in range(30, 36):
        refine = Refinement(filter=f"tcp.stream == {n}")
        ask(many, n, (SPOOL_SOURCE,), parent=parent if n % 2 else question(8).id, refine=refine)
    many.append(event(EventName.COMPLETED, question(31), 200, packets=1, bytes=1, pcap=PCAP))
    assert [numbers(walk(reader, 2, parent=text)[0]) for text in (parent, parent.upper())] == [[35, 33, 31]] * 2
    assert numbers(walk(reader, 2, parent=parent, state="completed")[0]) == [31]
    assert walk(reader, 2, parent=question(9).id) == ([], 0)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_every_sort_is_a_total_order(reader: LedgerReader, sort: str) -> None:
    """Pages of three put together are what one page gives, and the values are in order."""
    jobs, _ = walk(reader, 3, sort=sort)
    column = sort.removeprefix("-")
    names = {"created": "created_at", "finished": "finished_at"}
    values = [getattr(job, names.get(column, column)) or "" for job in jobs]
    if column in ("packets", "bytes"):
        values = [int(value or 0) for value in values]
    assert numbers(jobs) == numbers(reader.jobs(limit=99, sort=sort).jobs)
    assert (len(jobs), values) == (30, sorted(values, reverse=sort.startswith("-")))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"state": "done"}, "state"),
        ({"sort": "n; DROP TABLE jobs"}, "sort"),
        ({"cursor": "???"}, "cursor"),
        ({"cursor": "ß"}, "cursor"),
        ({"cursor": "WyItb3duZXIiLCAiYSIsIDFd"}, "cursor"),
    ],
)
def test_bad_questions_to_lists_are_refused(reader: LedgerReader, asked: dict[str, Any], field: str) -> None:
    """An unknown state or sort, a cursor that is none or belongs to another list."""
    with pytest.raises(InvalidRequest) as raised:
        reader.jobs(**asked)
    assert [fault.field for fault in raised.value.faults] == [field]


@pytest.mark.usefixtures("many")
def test_states_are_counted(reader: LedgerReader) -> None:
    """Every state is there, also with no job in it."""
    counts = reader.states()
    assert (len(counts), counts[State.QUEUED], counts[State.FAILED], counts[State.CANCELLED]) == (7, 18, 6, 0)


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


@pytest.mark.parametrize(
    "place", [["-created", 2**63, 1], ["-created", "x", -(2**70)], ["-created", "\ud800", 1], ["-created"]]
)
def test_cursor_that_cannot_be_one_is_refused(ledger: Ledger, reader: LedgerReader, place: list[object]) -> None:
    """Numbers and texts that SQLite cannot take are a fault of the cursor, not of the server."""
    ledger.open_jobs()
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    with pytest.raises(InvalidRequest):
        reader.jobs(cursor=cursor)
