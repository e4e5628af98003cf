"""The ledger as everybody but the collector sees it: read-only, from any thread. For web, inspector and tools."""

from __future__ import annotations

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from threading import Lock, local
from typing import Any, NamedTuple

import msgspec

from docket.domain.decoding import prepare
from docket.domain.event import EventMessage
from docket.domain.job import Event, EventName, Job, State
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.source import SourceStatus
from docket.errors import Fault, InvalidRequest
from docket.spool.collector_health import CollectorHealth
from docket.spool.schema import PCAP_SHA256, file_identity, ledger_error, open_for_reading

prepare(Job, Event, SourceStatus, CollectorHealth)

MOST_PER_PAGE = 1_000

SORTS = ("created", "finished", "packets", "bytes", "state", "owner")
"""What lists can be sorted by; with a leading "-" the greatest comes first."""

NEWEST_FIRST = "-created"

_CHILDREN = (
    "n IN (SELECT n FROM job_sources JOIN job_bodies USING (n)"
    " WHERE source = ? AND json_extract(CAST(request AS TEXT), '$.parent') = ?)"
)
"""Only what was read from the spool can have a parent, so the questions of those few are looked into."""

_TAGGED = (
    "EXISTS (SELECT 1 FROM job_bodies, json_each(CAST(snapshot AS TEXT), '$.tags') AS one"
    " WHERE job_bodies.n = jobs.n AND one.value = ?)"
)

_WITH_SHA256 = f"n IN (SELECT n FROM job_bodies WHERE {PCAP_SHA256} = ?)"


class Page(NamedTuple):
    """Some jobs of a list."""

    jobs: list[Job]
    next_cursor: str | None
    """What to ask for the next page with; None: this was the last one."""
    total: int
    """How many jobs the filters let through, on all pages."""


class Holding(NamedTuple):
    """What one owner has."""

    open_jobs: int
    result_bytes: int


_EVENTS = (
    "SELECT events.seq, body, snapshot FROM events LEFT JOIN jobs ON jobs.id = events.job_id"
    " LEFT JOIN job_bodies USING (n)"
)
"""Events, each with its job as it stands now; for `_message`."""


class LedgerReader:
    """Reads what the collector has committed. Every thread gets a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: the collector may start later. Each method raises SpoolError until then."""
        self._path = path
        self._mine = local()
        self._all: list[sqlite3.Connection] = []
        self._lock = Lock()

    def close(self) -> None:
        """Close the connections of all threads. No thread may be reading any more."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._mine = local()

    def job(self, job_id: str) -> Job | None:
        rows = self._rows("SELECT snapshot FROM jobs JOIN job_bodies USING (n) WHERE id = ?", job_id)
        return _jobs(rows)[0] if rows else None

    def jobs(
        self,
        *,
        state: str | None = None,
        owner: str | None = None,
        source: str | None = None,
        text: str | None = None,
        parent: str | None = None,
        sha256: str | None = None,
        tag: str | None = None,
        sort: str = NEWEST_FIRST,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of the jobs that pass all filters.

        `state` may name several, separated by commas. `text` is looked for in query, note, owner, id, case
        and tags, in any case of letters. `parent` is the job from whose result others were taken, `sha256` that of
        the result, `tag` one of its tags, whole. `limit` is brought into 1 to 1,000. Raises InvalidRequest for
        a state, sort or cursor that does not exist, SpoolError.
        """
        where, values = _filters(state, owner, source, text, parent, sha256, tag)
        column, descending = _sorting(sort)
        total = self._rows(f"SELECT count(*) FROM jobs{where}", *values)[0][0]
        if cursor is not None:
            place = _decode_cursor(cursor, sort)
            where += (" AND" if where else " WHERE") + f" ({column}, n) {'<' if descending else '>'} (?, ?)"
            values += place
        limit = min(max(limit, 1), MOST_PER_PAGE)
        direction = "DESC" if descending else "ASC"
        rows = self._rows(
            f"SELECT snapshot, page.{column}, n FROM (SELECT n, {column} FROM jobs{where}"
            f" ORDER BY {column} {direction}, n {direction} LIMIT ?) AS page JOIN job_bodies USING (n)"
            f" ORDER BY page.{column} {direction}, n {direction}",
            *values,
            limit + 1,
        )
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(_jobs(rows), _encode_cursor(sort, rows[-1][1], rows[-1][2]) if more else None, total)

    def find_same(self, fingerprint: str, owner: str | None = None) -> Job | None:
        """The newest job, of one owner if one is named, that asks the same question and is running, waiting, or
        complete and still there."""
        rows = self._rows(
            "SELECT snapshot FROM jobs JOIN job_bodies USING (n)"
            " WHERE fingerprint = ? AND state IN ('queued', 'running', 'completed') AND owner = coalesce(?, owner)"
            " ORDER BY created DESC LIMIT 1",
            fingerprint,
            owner,
        )
        return _jobs(rows)[0] if rows else None

    def events(self, job_id: str) -> list[Event]:
        """The history of one job, oldest first."""
        rows = self._rows("SELECT seq, body FROM events WHERE job_id = ? ORDER BY seq", job_id)
        return [msgspec.structs.replace(msgspec.json.decode(body, type=Event), seq=seq) for seq, body in rows]

    def events_since(self, seq: int, limit: int = 1_000) -> list[EventMessage]:
        """What happened after `seq`, oldest first, each with its job as it stands now."""
        rows = self._rows(f"{_EVENTS} WHERE events.seq > ? ORDER BY events.seq LIMIT ?", seq, limit)
        return [_message(*row) for row in rows]

    def messages(self, job_id: str) -> list[EventMessage]:
        """What happened to one job, oldest first, each with the job as it stands now; also to a rejected question."""
        rows = self._rows(f"{_EVENTS} WHERE events.job_id = ? ORDER BY events.seq", job_id)
        return [_message(*row) for row in rows]

    def last_seq(self) -> int:
        """Sequence number of the newest event; 0 in an empty ledger."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def states(self) -> dict[State, int]:
        """How many jobs are in each state."""
        rows = self._rows("SELECT state, count(*) FROM jobs GROUP BY state")
        return dict.fromkeys(State, 0) | {State(state): count for state, count in rows}

    def open_of(self, owner: str) -> int:
        """How many jobs of this owner have not ended."""
        sql = "SELECT count(*) FROM jobs WHERE owner = ? AND state IN ('queued', 'running')"
        return int(self._rows(sql, owner)[0][0])

    def holdings(self) -> dict[str, Holding]:
        """What each owner has: open jobs, and bytes of results that are still there."""
        rows = self._rows(
            "SELECT owner, sum(state IN ('queued', 'running')), sum(bytes) FROM jobs WHERE state != 'expired'"
            " GROUP BY owner"
        )
        return {owner: Holding(open_jobs, result_bytes) for owner, open_jobs, result_bytes in rows}

    def sources(self) -> list[SourceStatus]:
        """Every source that ever said a word, by name."""
        rows = self._rows("SELECT status FROM sources ORDER BY name")
        return [msgspec.json.decode(row[0], type=SourceStatus) for row in rows]

    def collector(self) -> CollectorHealth | None:
        """The collector's last heartbeat."""
        rows = self._rows("SELECT health FROM services WHERE name = 'collector'")
        return msgspec.json.decode(rows[0][0], type=CollectorHealth) if rows else None

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise ledger_error(error) from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        file = file_identity(self._path)
        if connection is not None and self._mine.file != file:
            # The ledger was moved, or begun again; SQLite itself would go on reading the file that is gone.
            self._mine.connection = None
            with self._lock:
                self._all.remove(connection)
            connection.close()
            connection = None
        if connection is None:
            connection = open_for_reading(self._path)
            self._mine.connection, self._mine.file = connection, file
            with self._lock:
                self._all.append(connection)
        return connection


def _message(seq: int, body: bytes, snapshot: bytes | None) -> EventMessage:
    event = msgspec.structs.replace(msgspec.json.decode(body, type=Event), seq=seq)
    # A rejected question may carry an id that a good job has: it says nothing about that job.
    if snapshot is None or event.name is EventName.REJECTED:
        return EventMessage.of(event, None)
    return EventMessage.of(event, msgspec.json.decode(snapshot, type=Job))


def _jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    return [msgspec.json.decode(row[0], type=Job) for row in rows]


def _filters(
    state: str | None,
    owner: str | None,
    source: str | None,
    text: str | None,
    parent: str | None,
    sha256: str | None,
    tag: str | None,
) -> tuple[str, list[object]]:
    clauses: list[str] = []
    values: list[object] = []
    if state:
        names = [name.strip() for name in state.split(",")]
        unknown = [name for name in names if name not in set(State)]
        if unknown:
            raise InvalidRequest([Fault("bad-state", f"there is no state {unknown[0][:80]!r}", "state")])
        clauses.append(f"state IN ({', '.join('?' * len(names))})")
        values += names
    if owner:
        clauses.append("owner = ?")
        values.append(owner)
    if source:
        clauses.append("n IN (SELECT n FROM job_sources WHERE source = ?)")
        values.append(source)
    if text:
        clauses.append("instr(text, ?) > 0")
        values.append(text.lower())
    if parent:
        clauses.append(_CHILDREN)
        values += [SPOOL_SOURCE, parent.lower()]
    if sha256:
        clauses.append(_WITH_SHA256)
        values.append(sha256.lower())
    if tag:
        # The narrow table says first which jobs may have it.
        clauses.append(f"instr(text, ?) > 0 AND {_TAGGED}")
        values += [tag.lower(), tag]
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), values


def _sorting(sort: str) -> tuple[str, bool]:
    column = sort.removeprefix("-")
    if column not in SORTS:
        raise InvalidRequest([Fault("bad-sort", f"sort must be one of {', '.join(SORTS)}, or -…", "sort")])
    return column, sort.startswith("-")


def _encode_cursor(sort: str, value: object, n: int) -> str:
    return urlsafe_b64encode(msgspec.json.encode((sort, value, n))).decode().rstrip("=")


def _decode_cursor(cursor: str, sort: str) -> list[object]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        of_sort, value, n = msgspec.json.decode(urlsafe_b64decode(padded), type=tuple[str, int | str, int])
        whole = all(abs(number) < 2**63 for number in (value, n) if isinstance(number, int))
        if isinstance(value, str):
            value.encode()  # what is no text is no value of SQLite's either
    except (ValueError, msgspec.DecodeError):
        of_sort, value, n, whole = "", 0, 0, False
    if of_sort != sort or not whole:
        raise InvalidRequest([Fault("bad-cursor", "the cursor does not belong to this list", "cursor")])
    return [value, n]
