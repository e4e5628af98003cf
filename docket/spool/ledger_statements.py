"""What the ledger's writer says to SQLite about parked fragments and old records. For `ledger_writer`.

Fragments of a job that is not known yet are parked: committed before they are acknowledged, like everything that comes
through the bus. Old records are looked for and erased a bounded number at a time, since a ledger may have millions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

_ONE_AFTER = (
    "SELECT n, headers, body FROM parked_fragments WHERE job_id = ? AND n > ? ORDER BY n LIMIT 1"  # a body may be 1 MiB
)

_ERASE_JOB_SOURCES = (
    "DELETE FROM job_sources WHERE n = (SELECT n FROM jobs WHERE id = ?) AND source IN"
    " (SELECT json_extract(one.value, '$.name') FROM jobs JOIN job_bodies USING (n),"
    " json_each(CAST(snapshot AS TEXT), '$.sources') AS one WHERE jobs.id = ?)"
)
"""By the names in its record, since the table's order is that of the sources."""


class ParkedFragment(NamedTuple):
    """One, as it came: its headers as JSON."""

    job_id: str
    source: str
    headers: bytes
    body: bytes | memoryview


class ParkedShare(NamedTuple):
    """How much of one source is parked for one job."""

    job_id: str
    source: str
    fragments: int
    size_bytes: int


class EndedJob(NamedTuple):
    """Where a job that has ended stands in the order of their ends."""

    finished: str
    n: int
    job_id: str
    state: str


class Extent(NamedTuple):
    """What the ledger has written down of one job."""

    last_seq: int
    last_at: str
    events: int
    published: bool
    """Whether the bus has all of its events."""


class EventHeading(NamedTuple):
    seq: int
    name: str
    at: str


class Execute(Protocol):
    """Carries out one statement of SQL."""

    def __call__(self, sql: str, values: tuple[object, ...] = ..., /) -> Iterable[tuple[object, ...]]: ...


def write_parked(execute: Execute, parked: Iterable[ParkedFragment], unparked: Iterable[str]) -> None:
    """Within the transaction of a commit: first the jobs whose fragments are no longer kept, then what is new."""
    for job_id in unparked:
        execute("DELETE FROM parked_fragments WHERE job_id = ?", (job_id,))
    for fragment in parked:
        execute("INSERT INTO parked_fragments (job_id, source, headers, body) VALUES (?, ?, ?, ?)", tuple(fragment))


def parked_shares(execute: Execute) -> list[ParkedShare]:
    rows = execute("SELECT job_id, source, count(*), sum(length(body)) FROM parked_fragments GROUP BY job_id, source")
    return [ParkedShare(*row) for row in rows]  # type: ignore[arg-type]


def parked_of(execute: Execute, job_id: str) -> Iterator[tuple[bytes, bytes]]:
    """The headers and the body of each, as they came, one at a time in memory."""
    last = 0
    while row := next(iter(execute(_ONE_AFTER, (job_id, last))), None):
        last, headers, body = row  # type: ignore[assignment]
        yield headers, body  # type: ignore[misc]


def ended_jobs(execute: Execute, after: tuple[str, int], before: str, most: int) -> list[EndedJob]:
    """Jobs that ended before a time, in the order of their ends, from behind a place in it."""
    rows = execute(
        "SELECT finished, n, id, state FROM jobs WHERE (finished, n) > (?, ?) AND finished < ?"
        " ORDER BY finished, n LIMIT ?",
        (*after, before, most),
    )
    return [EndedJob(*row) for row in rows]  # type: ignore[arg-type]


def extent(execute: Execute, job_id: str) -> Extent | None:
    sql = "SELECT max(seq), max(at), count(*), min(published) FROM events WHERE job_id = ?"
    last_seq, last_at, count, published = next(iter(execute(sql, (job_id,))))
    return None if last_seq is None else Extent(last_seq, last_at, count, bool(published))  # type: ignore[arg-type]


def event_headings(execute: Execute, after_seq: int, most: int) -> list[EventHeading]:
    rows = execute("SELECT seq, name, at FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, most))
    return [EventHeading(*row) for row in rows]  # type: ignore[arg-type]


def erase(execute: Execute, jobs: Iterable[str], events: Iterable[int]) -> None:
    """Within the transaction of a commit: these jobs with all that is written of them, and these events."""
    for job_id in jobs:
        execute(_ERASE_JOB_SOURCES, (job_id, job_id))
        execute("DELETE FROM job_bodies WHERE n = (SELECT n FROM jobs WHERE id = ?)", (job_id,))
        execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        for table in ("parts", "parked_fragments", "events"):
            execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
    for seq in events:
        execute("DELETE FROM events WHERE seq = ?", (seq,))
