"""Lists of jobs out of the ledger: pages, filters, sorting, and questions to them that cannot be."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from docket.domain.job import EventName, Job, State
from docket.domain.refinement import SPOOL_SOURCE, Refinement
from docket.errors import InvalidRequest
from docket.spool.ledger_reader import SORTS, LedgerReader
from docket.spool.ledger_writer import Ledger
from tests.spool.ledger_entries import PCAP, SOURCES, ask, event, question


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


@pytest.mark.parametrize(
    "place", [["-created", 2**63, 1], ["-created", "x", -(2**70)], ["-created", "\ud800", 1], ["-created"]]
)
def test_cursor_that_cannot_be_one_is_refused(ledger: Ledger, reader: LedgerReader, place: list[object]) -> None:
    """Numbers and texts that SQLite cannot take are a fault of the cursor, not of the server."""
    ledger.open_jobs()
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    with pytest.raises(InvalidRequest):
        reader.jobs(cursor=cursor)
