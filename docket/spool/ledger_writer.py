"""The collector's record of jobs and events: SQLite, one writer. Web and tools read it with `LedgerReader`.

An event is written here before it is published. What belongs together goes into one `Entries` and is
committed as one transaction, so that a killed collector finds either all of it or nothing.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from docket.domain.decoding import prepare
from docket.domain.job import Event, EventName, Job
from docket.domain.provenance import Provenance
from docket.domain.request import Request, fingerprint
from docket.domain.source import SourceStatus
from docket.errors import SpoolError
from docket.runtime.whole_file import FILE_MODE
from docket.spool import ledger_statements
from docket.spool.collector_health import CollectorHealth
from docket.spool.file_io import spool_error
from docket.spool.ledger_statements import EndedJob, EventHeading, Extent, ParkedFragment, ParkedShare
from docket.spool.schema import file_identity, ledger_error, open_for_writing

logger = logging.getLogger(__name__)

_OPEN_STATES = "'queued', 'running'"


class Recorded(NamedTuple):
    """An event with its place in the ledger, and the job right after it (None for a rejected question)."""

    event: Event
    job: Job | None


class _Change(NamedTuple):
    """What becomes of one job in one commit."""

    before: Job
    job: Job
    seq: int | None = None
    """Of its latest event; None for one that has just been written."""
    request: Request | None = None
    annotated: bool = False

    def followed_by(self, event: Event, job: Job) -> _Change:
        if event.name is EventName.REQUESTED:
            return self
        annotated = self.annotated or event.name is EventName.ANNOTATED
        return self._replace(job=job, seq=event.seq, request=event.request or self.request, annotated=annotated)


@dataclass(slots=True)
class Entries:
    """What is to be written down together."""

    events: list[Event] = field(default_factory=list)
    parts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """(job id, source) to the state of that part, in the collector's own encoding."""
    forgotten: set[str] = field(default_factory=set)
    """Jobs whose parts are no longer on the disk."""
    sources: dict[str, SourceStatus | None] = field(default_factory=dict)
    """None: the source is forgotten."""
    published: list[int] = field(default_factory=list)
    """Sequence numbers of events that the bus has taken."""
    parked: list[ParkedFragment] = field(default_factory=list)
    unparked: set[str] = field(default_factory=set)
    """Jobs whose parked fragments are kept no longer."""
    erased: list[str] = field(default_factory=list)
    """Jobs of which nothing is known any more."""
    erased_events: list[int] = field(default_factory=list)
    health: CollectorHealth | None = None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any(getattr(self, name) for name in self.__slots__)


class Ledger:
    """The writing side. One process, one thread."""

    def __init__(self, path: Path) -> None:
        """Raises SpoolError, also for a ledger that a newer Docket wrote."""
        self.path = path
        self._copy = path.with_name(f"{path.name}.new")
        self._connection = open_for_writing(path)
        self._file = file_identity(path)

    def close(self) -> None:
        self._connection.close()

    @property
    def is_in_place(self) -> bool:
        """Whether the file of that name is the one that is open."""
        return self._file is not None and file_identity(self.path) == self._file

    def copy_lost(self) -> bool:
        """Where there is no file of its name any more, copy what is open beside it. Raises SpoolError."""
        if file_identity(self.path) is not None:
            return False
        try:
            self._copy.unlink(missing_ok=True)
            with closing(sqlite3.connect(self._copy, isolation_level=None)) as target:
                self._connection.backup(target)
            self._copy.chmod(FILE_MODE)
        except sqlite3.Error as error:
            raise ledger_error(error) from error
        except OSError as error:
            raise spool_error(error, self._copy) from error
        return True

    def put_copy_in_place(self) -> None:
        """After `close`, which removes the log of the lost file by its name. Raises SpoolError."""
        try:
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            self._copy.rename(self.path)
        except OSError as error:
            raise spool_error(error, self.path) from error
        logger.warning("the ledger was written again from the file that was still open: %s", self.path)

    def commit(self, entries: Entries) -> list[Recorded]:
        """Write everything down in one transaction and return the events with their sequence numbers.

        A `job.requested` for an id that is known already writes nothing and returns nothing. Raises SpoolFull
        or SpoolError; nothing was written then, and the same entries may be committed again.
        """
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            recorded = self._append_all(entries.events)
            for (job_id, source), body in entries.parts.items():
                execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (job_id, source, body))
            for job_id in entries.forgotten:
                execute("DELETE FROM parts WHERE job_id = ?", (job_id,))
            for name, status in entries.sources.items():
                if status is None:
                    execute("DELETE FROM sources WHERE name = ?", (name,))
                else:
                    execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (name, msgspec.json.encode(status)))
            for seq in entries.published:
                execute("UPDATE events SET published = 1 WHERE seq = ?", (seq,))
            ledger_statements.write_parked(execute, entries.parked, entries.unparked)
            ledger_statements.erase(execute, entries.erased, entries.erased_events)
            if entries.health is not None:
                body = msgspec.json.encode(entries.health)
                execute("INSERT OR REPLACE INTO services VALUES ('collector', ?)", (body,))
            execute("COMMIT")
        except sqlite3.Error as error:
            raise ledger_error(error) from error
        finally:
            if self._connection.in_transaction:
                self._roll_back()
        return recorded

    def append(self, event: Event) -> Recorded | None:
        """Write down one event by itself; None if it asked for a job that is known already."""
        recorded = self.commit(Entries(events=[event]))
        return recorded[0] if recorded else None

    def job(self, job_id: str) -> Job | None:
        return self._job("SELECT snapshot FROM job_bodies JOIN jobs USING (n) WHERE id = ?", job_id)

    def request(self, job_id: str) -> Request | None:
        """The question of a job; after a retry with a deadline of its own, the one that was asked then."""
        row = self._row("SELECT request FROM job_bodies JOIN jobs USING (n) WHERE id = ?", job_id)
        return None if row is None else msgspec.json.decode(row[0], type=Request)

    def provenance(self, job_id: str) -> Provenance | None:
        """How the request of a job came. The first that has the id counts."""
        sql = "SELECT body FROM events WHERE job_id = ? AND name = ? ORDER BY seq LIMIT 1"
        row = self._row(sql, job_id, EventName.REQUESTED.value) if job_id else None
        return None if row is None else msgspec.json.decode(row[0], type=Event).provenance

    def open_jobs(self) -> list[Job]:
        """The jobs that are not final, in the order in which they came."""
        rows = self._rows(
            f"SELECT snapshot FROM job_bodies JOIN jobs USING (n) WHERE state IN ({_OPEN_STATES}) ORDER BY n"
        )
        return [msgspec.json.decode(row[0], type=Job) for row in rows]

    def with_results(self) -> list[Job]:
        """The final jobs that have a file in the spool, or should have one."""
        rows = self._rows(
            "SELECT snapshot FROM job_bodies JOIN jobs USING (n)"
            " WHERE state IN ('completed', 'partial', 'cancelled', 'failed') ORDER BY n"
        )
        jobs = (msgspec.json.decode(row[0], type=Job) for row in rows)
        return [job for job in jobs if job.pcap is not None]

    def short_of(self, source: str, now: str) -> list[Job]:
        """Final jobs with a deadline still to come that asked this source and did not end complete."""
        rows = self._rows(
            "SELECT snapshot FROM job_bodies JOIN jobs USING (n) JOIN job_sources USING (n)"
            " WHERE deadline > ? AND source = ? AND state IN ('partial', 'failed') ORDER BY n",
            now,
            source,
        )
        return [msgspec.json.decode(row[0], type=Job) for row in rows]

    def events(self, job_id: str) -> list[Event]:
        rows = self._rows("SELECT seq, body FROM events WHERE job_id = ? ORDER BY seq", job_id)
        return [msgspec.structs.replace(msgspec.json.decode(body, type=Event), seq=seq) for seq, body in rows]

    def unpublished(self, most: int = 1_000) -> list[Recorded]:
        """The oldest events that the bus has not taken yet, each with its job as it stands now."""
        rows = self._rows(
            "SELECT events.seq, body, snapshot FROM events LEFT JOIN jobs ON jobs.id = events.job_id"
            " LEFT JOIN job_bodies USING (n) WHERE published = 0 ORDER BY events.seq LIMIT ?",
            most,
        )
        recorded = []
        for seq, body, snapshot in rows:
            event = msgspec.structs.replace(msgspec.json.decode(body, type=Event), seq=seq)
            # A rejected question may carry an id that a good job has: it says nothing about that job.
            whose = None if snapshot is None or event.name is EventName.REJECTED else snapshot
            recorded.append(Recorded(event, None if whose is None else msgspec.json.decode(whose, type=Job)))
        return recorded

    def mark_published(self, seqs: list[int]) -> None:
        self.commit(Entries(published=seqs))

    def parts(self, job_id: str) -> dict[str, bytes]:
        """Source name to the state of its part, in the collector's own encoding."""
        return dict(self._rows("SELECT source, body FROM parts WHERE job_id = ?", job_id))

    def parked(self, job_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Headers and body of the fragments that wait for a job, one at a time."""
        yield from ledger_statements.parked_of(self._execute, job_id)

    def parked_shares(self) -> list[ParkedShare]:
        return ledger_statements.parked_shares(self._execute)

    def ended_jobs(self, after: tuple[str, int], before: str, most: int) -> list[EndedJob]:
        return ledger_statements.ended_jobs(self._execute, after, before, most)

    def extent(self, job_id: str) -> Extent | None:
        return ledger_statements.extent(self._execute, job_id)

    def event_headings(self, after_seq: int, most: int) -> list[EventHeading]:
        return ledger_statements.event_headings(self._execute, after_seq, most)

    def last_seq(self) -> int:
        """Of the newest event; 0 without one."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def health(self) -> CollectorHealth | None:
        """The last heartbeat, perhaps that of an earlier collector."""
        row = self._row("SELECT health FROM services WHERE name = 'collector'")
        return None if row is None else msgspec.json.decode(row[0], type=CollectorHealth)

    def sources(self) -> list[SourceStatus]:
        rows = self._rows("SELECT status FROM sources ORDER BY name")
        return [msgspec.json.decode(row[0], type=SourceStatus) for row in rows]

    def _append_all(self, events: list[Event]) -> list[Recorded]:
        recorded: list[Recorded] = []
        changes: dict[str, _Change] = {}
        for event in events:
            if event.name is EventName.REJECTED:
                recorded.append(Recorded(self._write_event(event), None))
                continue
            change = changes.get(event.job_id)
            before = change.job if change is not None else self.job(event.job_id)
            if event.name is EventName.REQUESTED and event.request is not None:
                if before is not None:
                    continue
                job = Job.opened(event.request, event.source_names)
            elif before is not None:
                job = before.apply(event)
            else:
                raise SpoolError(f"the ledger knows no job {event.job_id} for {event.name}")
            written = self._write_event(event)
            if before is None:
                self._write_new(written, job)
                change = _Change(job, job)
            changes[event.job_id] = (change or _Change(before or job, job)).followed_by(written, job)
            recorded.append(Recorded(written, job))
        for change in changes.values():
            self._write_change(change)
        return recorded

    def _write_event(self, event: Event) -> Event:
        cursor = self._connection.execute(
            "INSERT INTO events (job_id, name, at, body) VALUES (?, ?, ?, ?)",
            (event.job_id, event.name.value, event.at, msgspec.json.encode(event)),
        )
        return msgspec.structs.replace(event, seq=cursor.lastrowid)

    def _write_new(self, event: Event, job: Job) -> None:
        assert event.request is not None, "a job begins with its request"
        execute = self._connection.execute
        row = (job.id, job.state.value, job.created_at, "", job.deadline, job.owner, 0, 0, _searched(job))
        cursor = execute(
            "INSERT INTO jobs (id, state, created, finished, deadline, owner, packets, bytes, text, fingerprint)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, fingerprint(event.request)),
        )
        n = cursor.lastrowid
        bodies = (msgspec.json.encode(job), msgspec.json.encode(event.request))
        execute("INSERT INTO job_bodies VALUES (?, ?, ?, ?)", (n, event.seq, *bodies))
        execute_many = self._connection.executemany
        execute_many("INSERT INTO job_sources VALUES (?, ?)", [(name, n) for name in event.source_names])

    def _write_change(self, change: _Change) -> None:
        """Bring a job's row up to date, once for all events of a commit: each of its columns stands in an index."""
        if change.seq is None:
            return
        execute, job = self._connection.execute, change.job
        if _listed(job) != _listed(change.before):
            execute(
                "UPDATE jobs SET state = ?, finished = ?, deadline = ?, packets = ?, bytes = ? WHERE id = ?",
                (*_listed(job), job.id),
            )
        if change.annotated:
            execute("UPDATE jobs SET text = ? WHERE id = ?", (_searched(job), job.id))
        request = None if change.request is None else msgspec.json.encode(change.request)
        execute(
            "UPDATE job_bodies SET seq = ?, snapshot = ?, request = coalesce(?, request)"
            " WHERE n = (SELECT n FROM jobs WHERE id = ?)",
            (change.seq, msgspec.json.encode(job), request, job.id),
        )

    def _job(self, sql: str, *values: object) -> Job | None:
        row = self._row(sql, *values)
        return None if row is None else msgspec.json.decode(row[0], type=Job)

    def _row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._execute(sql, values)

    def _execute(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise ledger_error(error) from error

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise ledger_error(error) from error


def _listed(job: Job) -> tuple[str, str, str, int, int]:
    """What lists are sorted and filtered by, as far as it changes."""
    return job.state.value, job.finished_at or "", job.deadline, job.packets, job.bytes


def _searched(job: Job) -> str:
    """What lists search."""
    return "\n".join((job.query, job.asked, job.note, job.owner, job.id, job.case, *job.tags)).lower()


prepare(Request, Job, SourceStatus, Event, CollectorHealth)
