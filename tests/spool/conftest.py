"""A ledger, its reader, and thirty jobs in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.domain.job import EventName
from docket.spool.ledger_reader import LedgerReader
from docket.spool.ledger_writer import Ledger
from tests.spool.ledger_entries import PCAP, SOURCES, ask, event, question


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
