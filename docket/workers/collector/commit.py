"""What one turn of the collector gathers: it is committed as one transaction, and only then settled and published."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from docket.bus.interface import Delivery
from docket.spool.ledger_writer import Entries
from docket.workers.collector.open_job import OpenJob


@dataclass(slots=True)
class Batch:
    """One turn's doings."""

    entries: Entries = field(default_factory=Entries)
    settled: list[tuple[Delivery, str]] = field(default_factory=list)
    """Deliveries to acknowledge after the commit, each with the reason if it is to be a dead letter."""
    concluded: list[OpenJob] = field(default_factory=list)
    """Jobs whose closing event is among the entries."""
    removals: list[str] = field(default_factory=list)
    """Jobs whose files go after the commit."""
    adopted: list[str] = field(default_factory=list)
    """Jobs that the ledger gets from their manifests."""
    freed_bytes: int = 0
    """What those files take up."""
    open_bytes: int | None = None
    """What open jobs take up, once it was asked for: adding it up for each of many questions would take seconds."""
    open_of: Counter[str] | None = None
    """How many open jobs each owner has, likewise."""
