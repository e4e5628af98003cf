"""The ledger's tables, how an older ledger is brought up to date, and how a connection is opened. For `spool` only."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from docket.errors import SpoolError, SpoolFull
from docket.runtime.whole_file import FILE_MODE

logger = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 1.0
"""How long one attempt waits for another program's lock; the collector then tries again by itself."""

_TABLES = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    name TEXT NOT NULL,
    at TEXT NOT NULL,
    body BLOB NOT NULL,
    published INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX events_of_job ON events (job_id, seq);
CREATE INDEX events_unpublished ON events (seq) WHERE published = 0;

-- Narrow on purpose: lists filter and search here, and fetch the wide rows of job_bodies only for one page.
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    created TEXT NOT NULL,
    finished TEXT NOT NULL,
    deadline TEXT NOT NULL,
    owner TEXT NOT NULL,
    packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    text TEXT NOT NULL,
    fingerprint TEXT NOT NULL
);
CREATE INDEX jobs_created ON jobs (created, n);
CREATE INDEX jobs_state ON jobs (state, created, n);
CREATE INDEX jobs_owner ON jobs (owner, created, n);
CREATE INDEX jobs_finished ON jobs (finished, n);
CREATE INDEX jobs_packets ON jobs (packets, n);
CREATE INDEX jobs_bytes ON jobs (bytes, n);
CREATE INDEX jobs_deadline ON jobs (deadline);
CREATE INDEX jobs_fingerprint ON jobs (fingerprint, created);
CREATE TABLE job_bodies (
    n INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    snapshot BLOB NOT NULL,
    request BLOB NOT NULL
);
CREATE TABLE job_sources (
    source TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (source, n)
) WITHOUT ROWID;

CREATE TABLE parts (
    job_id TEXT NOT NULL,
    source TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (job_id, source)
) WITHOUT ROWID;
CREATE TABLE sources (name TEXT PRIMARY KEY, status BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE services (name TEXT PRIMARY KEY, health BLOB NOT NULL) WITHOUT ROWID;
"""

PCAP_SHA256 = "json_extract(CAST(snapshot AS TEXT), '$.pcap.sha256')"
"""The SHA-256 of a job's result. An index serves a query only where both write the very same expression."""

_SHA256_INDEX = f"CREATE INDEX job_bodies_sha256 ON job_bodies ({PCAP_SHA256}) WHERE {PCAP_SHA256} IS NOT NULL;"

_PARKED_FRAGMENTS = """
CREATE TABLE parked_fragments (
    n INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    source TEXT NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX parked_fragments_of_job ON parked_fragments (job_id, n);
"""

MIGRATIONS: Mapping[int, str] = {
    1: _TABLES,
    2: _SHA256_INDEX,
    3: _PARKED_FRAGMENTS,
}
"""Schema version to the SQL that leads to it from the version before. What stands here is never changed: a new version
is a new step at the end. A step may only add, because readers of the version before run until they are restarted."""

SCHEMA_VERSION = max(MIGRATIONS)


def file_identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name; None without one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the ledger, making it or bringing it up to date first. Raises SpoolError.

    `synchronous=NORMAL`: a killed process loses nothing. A power loss may take the last transactions, never
    the ledger's soundness; what it takes, the bus delivers again or the job's deadline settles.
    """
    try:
        # Only a new file: to close one that this process reads drops the locks of SQLite's own descriptors (fcntl(2)),
        # and the next program that closes the ledger would take its log away under the collector.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise SpoolError(f"the ledger {path} cannot be opened: {os.strerror(errno.EACCES)}") from None
    except OSError as error:
        raise SpoolError(f"the ledger {path} cannot be opened: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, cached_statements=256)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        _upgrade(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise ledger_error(error) from error
    except SpoolError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a ledger that the collector has made. Raises SpoolError.

    The connection may be closed by another thread than the one that uses it.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            address, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        _check_version(connection, path)
        if _version(connection) == 0:
            raise SpoolError("the ledger is not there yet: has the collector been started?")
    except (sqlite3.Error, SpoolError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, SpoolError):
            raise
        if not path.exists():
            raise SpoolError("the ledger is not there yet: has the collector been started?") from error
        raise ledger_error(error) from error
    return connection


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Take every step that is missing, in one transaction: a killed collector leaves the ledger as it was."""
    _check_version(connection, path)
    found = _version(connection)
    if found == SCHEMA_VERSION:
        return
    steps = "".join(MIGRATIONS[version] for version in range(found + 1, SCHEMA_VERSION + 1))
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    if found:
        logger.info("the ledger %s was brought from schema %d to %d", path, found, SCHEMA_VERSION)


def ledger_error(error: sqlite3.Error) -> SpoolError:
    """The error of ours that says in a person's words what SQLite said."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL"):
        return SpoolFull("the ledger cannot grow: the spool's disk is full")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SpoolError("the ledger is locked by another program")
    if name.startswith("SQLITE_READONLY"):
        return SpoolError("the ledger cannot be written: the spool is read-only")
    return SpoolError(f"the ledger fails: {error}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = _version(connection)
    if found > SCHEMA_VERSION:
        raise SpoolError(
            f"the ledger {path} has schema {found}, written by a newer Docket; "
            f"this one knows up to {SCHEMA_VERSION}. Run the newer Docket, or move the ledger away."
        )
