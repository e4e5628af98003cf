"""A ledger of an older Docket is brought up to date when the collector opens it, wholly or not at all."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from docket.domain.job import EventName
from docket.errors import SpoolError
from docket.spool import schema
from docket.spool.ledger_reader import LedgerReader
from docket.spool.ledger_writer import Ledger
from docket.spool.schema import MIGRATIONS, PCAP_SHA256, SCHEMA_VERSION
from tests.spool.ledger_entries import PCAP, ask, event, question

RELEASED = {
    1: "02f32ae9a1e9250b4cb4c10be0d1a0b30819be1abeabfa37b8c1c7a2687b80fd",
    2: "275b27f97ea9182f42d92d20d6fb1ff9c22d6fba438e2c4c4a79fa3e45542bf8",
    3: "69961ac674440b180cec3ef185bcea733df272e304e5d2b1a67cdb78755397fc",
}
"""Version to the SHA-256 of its step. A new version gets a line; a line that is here stays."""


def make_ledger(path: Path, version: int) -> None:
    """An empty ledger as the Docket of that version made it."""
    with closing(sqlite3.connect(path)) as connection:
        for step in range(1, version + 1):
            connection.executescript(MIGRATIONS[step])
        connection.execute(f"PRAGMA user_version={version}")


def tables(path: Path) -> tuple[int, list[str]]:
    """Version and definitions of a ledger."""
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        rows: Iterable[tuple[str]] = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        return version, sorted(row[0] for row in rows)


def take_back(path: Path) -> None:
    """Make a ledger of today one of version 1."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP INDEX job_bodies_sha256; DROP TABLE parked_fragments; PRAGMA user_version=1;")


def test_released_steps_never_change() -> None:
    """What has run on ledgers out there must stay the same for those that come later."""
    sums = {version: hashlib.sha256(sql.encode()).hexdigest() for version, sql in MIGRATIONS.items()}
    assert sums == RELEASED


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_every_older_version_becomes_that_of_today(tmp_path: Path, version: int) -> None:
    """Its tables are then those of a new ledger."""
    old, new = tmp_path / "old.sqlite3", tmp_path / "new.sqlite3"
    make_ledger(old, version)
    Ledger(old).close()
    Ledger(new).close()
    assert tables(old) == tables(new)
    assert tables(new)[0] == SCHEMA_VERSION


def test_jobs_of_an_older_ledger_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They can be looked up by the SHA-256 of their result, which version 2 made an index of."""
    path, first = tmp_path / "ledger.sqlite3", tmp_path / "first.sqlite3"
    ledger = Ledger(path)
    ask(ledger, 0)
    ledger.append(event(EventName.COMPLETED, question(), pcap=PCAP))
    ledger.close()
    take_back(path)
    make_ledger(first, 1)
    assert tables(path) == tables(first)
    with caplog.at_level("INFO"):
        ledger = Ledger(path)
    job = ledger.job(question().id)
    ledger.close()
    reader = LedgerReader(path)
    assert [job] == reader.jobs(sha256=PCAP.sha256).jobs
    reader.close()
    assert f"from schema 1 to {SCHEMA_VERSION}" in caplog.text


def test_a_reader_takes_a_ledger_that_is_not_upgraded_yet(tmp_path: Path) -> None:
    """The web app may be restarted before the collector is."""
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path)
    ask(ledger, 0)
    ledger.close()
    take_back(path)
    reader = LedgerReader(path)
    assert [question().id] == [job.id for job in reader.jobs().jobs]
    reader.close()
    assert tables(path)[0] == 1


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps before it are taken back as well, and the fault is an error of ours."""
    path = tmp_path / "ledger.sqlite3"
    make_ledger(path, 1)
    before = tables(path)
    later = SCHEMA_VERSION + 1
    monkeypatch.setattr(schema, "MIGRATIONS", {**MIGRATIONS, later: "CREATE TABLE one (n); CREATE TABLE jobs (n);"})
    monkeypatch.setattr(schema, "SCHEMA_VERSION", later)
    with pytest.raises(SpoolError, match="table jobs already exists"):
        Ledger(path)
    assert before == tables(path)


def test_the_sha256_of_a_result_is_found_by_its_index(tmp_path: Path) -> None:
    """Both are written with the very same expression, or SQLite would go through all jobs."""
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT n FROM job_bodies WHERE {PCAP_SHA256} = ?", ("00",))
        assert "USING INDEX job_bodies_sha256" in plan.fetchone()[-1]
