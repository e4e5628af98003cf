"""What waits to be delivered and what could not be: a small SQLite file, so that a restart loses nothing.

One writer, the service; `docket webhooks --dead` reads beside it, and `--again` writes one statement.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any, NamedTuple

from docket.errors import DocketError

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Of one hook; what comes beyond is left out and counted."""
MOST_DEAD = 1_000
"""Of one hook; the oldest go."""
BUSY_S = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, hook TEXT NOT NULL, id TEXT NOT NULL, event TEXT NOT NULL, subject TEXT NOT NULL,
    body BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at_s INTEGER NOT NULL,
    dead INTEGER NOT NULL DEFAULT 0,
    last_failure TEXT NOT NULL DEFAULT '', UNIQUE (hook, id)
) STRICT;
CREATE INDEX IF NOT EXISTS due ON deliveries (hook, dead, next_at_s);
"""


class StoreFailed(DocketError):
    """Raised when the file cannot be read or written; the event stays on the bus."""


class Waiting(NamedTuple):
    """One event for one hook."""

    number: int
    hook: str
    id: str
    event: str
    subject: str
    body: bytes
    attempts: int
    next_at_s: int
    last_failure: str


_COLUMNS = ", ".join(Waiting._fields)


class DeliveryStore:
    """Every method may be called from any thread, and raises StoreFailed."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._connection, self._inode = self._opened()

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
            connection.executescript(_SCHEMA)
            return connection, self._path.stat().st_ino
        except (OSError, sqlite3.Error) as error:
            raise StoreFailed(f"{self._path}: {error}") from error

    def add(self, hook: str, event_id: str, event: str, subject: str, body: bytes, at_s: int) -> bool:
        """Keep it until it is delivered; one that is there already stays. False: too many wait already."""
        if self.count(hook, dead=False) >= MOST_WAITING:
            return False
        statement = (
            "INSERT OR IGNORE INTO deliveries (hook, id, event, subject, body, next_at_s) VALUES (?, ?, ?, ?, ?, ?)"
        )
        self._run(statement, hook, event_id, event, subject, body, at_s)
        return True

    def due(self, hook: str, at_s: int) -> Waiting | None:
        """The one that waits for longest, if its time has come."""
        statement = f"SELECT {_COLUMNS} FROM deliveries WHERE hook = ? AND NOT dead AND next_at_s <= ?"
        found = self._run(f"{statement} ORDER BY next_at_s, number LIMIT 1", hook, at_s)
        return Waiting(*found[0]) if found else None

    def delivered(self, waiting: Waiting) -> None:
        self._run("DELETE FROM deliveries WHERE number = ?", waiting.number)

    def later(self, waiting: Waiting, next_at_s: int, last_failure: str) -> None:
        """Try again at that time."""
        statement = "UPDATE deliveries SET attempts = attempts + 1, next_at_s = ?, last_failure = ? WHERE number = ?"
        self._run(statement, next_at_s, last_failure, waiting.number)

    def earlier(self, hook: str, by_s: int) -> None:
        """The clock was set back by so much: what waits is due as long from now as it was."""
        self._run("UPDATE deliveries SET next_at_s = next_at_s - ? WHERE hook = ? AND NOT dead", by_s, hook)

    def bring_forward(self, hook: str, latest_s: int, now_s: int) -> None:
        """What is due only after the latest time that can be is due now."""
        statement = "UPDATE deliveries SET next_at_s = ? WHERE hook = ? AND NOT dead AND next_at_s > ?"
        self._run(statement, now_s, hook, latest_s)

    def dead(self, waiting: Waiting, last_failure: str) -> None:
        """Keep it for people to look at."""
        statement = "UPDATE deliveries SET attempts = attempts + 1, dead = 1, last_failure = ? WHERE number = ?"
        self._run(statement, last_failure, waiting.number)
        old = "SELECT number FROM deliveries WHERE hook = ? AND dead ORDER BY number DESC LIMIT -1 OFFSET ?"
        self._run(f"DELETE FROM deliveries WHERE number IN ({old})", waiting.hook, MOST_DEAD)

    def count(self, hook: str, *, dead: bool) -> int:
        found = self._run("SELECT count(*) FROM deliveries WHERE hook = ? AND dead = ?", hook, int(dead))
        return int(found[0][0])

    def dead_ones(self) -> list[Waiting]:
        """The oldest first."""
        return [Waiting(*row) for row in self._run(f"SELECT {_COLUMNS} FROM deliveries WHERE dead ORDER BY number")]

    def again(self, at_s: int) -> int:
        """Have the dead ones tried again; gives their number."""
        statement = "UPDATE deliveries SET dead = 0, attempts = 0, next_at_s = ? WHERE dead RETURNING number"
        return len(self._run(statement, at_s))

    def close(self) -> None:
        """A hook's thread that is still waiting for its receiver then gets StoreFailed."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            self._follow_file()
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreFailed(f"deliveries: {error}") from error

    def _follow_file(self) -> None:
        """Open the file again where it was moved or removed: no restart would find what went into the old one."""
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = 0
        if inode == self._inode:
            return
        log.warning("%s was moved or removed, and is opened again", self._path)
        connection, inode = self._opened()
        self._connection.close()
        self._connection, self._inode = connection, inode
