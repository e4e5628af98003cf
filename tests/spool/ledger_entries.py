"""Questions and events for the tests of the ledger."""

from __future__ import annotations

import uuid
from typing import Any

from docket.domain.job import Event, EventName, PcapFile
from docket.domain.request import Request
from docket.domain.timewindow import format_us
from docket.spool.ledger_writer import Ledger

US = 1_000_000
NOW_US = 1_795_530_120 * US
PCAP = PcapFile(name="x.pcap", size=24, sha256="00")
SOURCES = ("rock01:em1", "rock01:em2")


def question(n: int = 0, **facts: Any) -> Request:
    values: dict[str, Any] = {
        "id": str(uuid.UUID(int=n + 1)),
        "query": "port 53",
        "asked": "port 53",
        "after_us": NOW_US - 600 * US,
        "before_us": NOW_US,
        "requested_at_us": NOW_US + n * US,
    }
    return Request(**(values | facts))


def requested(request: Request, sources: tuple[str, ...] = SOURCES) -> Event:
    at = format_us(request.requested_at_us)
    return Event(name=EventName.REQUESTED, job_id=request.id, at=at, request=request, source_names=sources)


def event(name: EventName, of: Request, second: int = 0, **facts: Any) -> Event:
    return Event(name=name, job_id=of.id, at=format_us(NOW_US + second * US), **facts)


def ask(ledger: Ledger, n: int, sources: tuple[str, ...] = SOURCES, **facts: Any) -> str:
    request = question(n, **facts)
    ledger.append(requested(request, sources))
    return request.id
