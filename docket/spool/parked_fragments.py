"""Fragments that the collector has taken before it knows their job, in the ledger. For the collector alone.

Committed before they are acknowledged, like everything that comes through the bus: a killed collector finds them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

_ONE_AFTER = (
    "SELECT n, headers, body FROM parked_fragments WHERE job_id = ? AND n > ? ORDER BY n LIMIT 1"  # a body may be 1 MiB
)


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


class Execute(Protocol):
    """Carries out one statement of SQL."""

    def __call__(self, sql: str, values: tuple[object, ...] = ..., /) -> Iterable[tuple[object, ...]]: ...


def write(execute: Execute, parked: Iterable[ParkedFragment], unparked: Iterable[str]) -> None:
    """Within the transaction of a commit: first the jobs whose fragments are no longer kept, then what is new."""
    for job_id in unparked:
        execute("DELETE FROM parked_fragments WHERE job_id = ?", (job_id,))
    for fragment in parked:
        execute("INSERT INTO parked_fragments (job_id, source, headers, body) VALUES (?, ?, ?, ?)", tuple(fragment))


def shares(execute: Execute) -> list[ParkedShare]:
    rows = execute("SELECT job_id, source, count(*), sum(length(body)) FROM parked_fragments GROUP BY job_id, source")
    return [ParkedShare(*row) for row in rows]  # type: ignore[arg-type]


def of_job(execute: Execute, job_id: str) -> Iterator[tuple[bytes, bytes]]:
    """The headers and the body of each, as they came, one at a time in memory."""
    last = 0
    while row := next(iter(execute(_ONE_AFTER, (job_id, last))), None):
        last, headers, body = row  # type: ignore[assignment]
        yield headers, body  # type: ignore[misc]
