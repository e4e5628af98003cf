"""What earlier jobs brought, for estimates: the newest finished ones of the ledger, kept up to date by events."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from docket.domain.estimate import Capacity, Estimate, Sample, estimate, kindred, learn
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, State
from docket.domain.query.canonical import Query
from docket.domain.source import SourceStatus
from docket.domain.timewindow import Window, parse_time_us
from docket.errors import SpoolError
from docket.spool.ledger_reader import NEWEST_FIRST
from docket.web.live.async_ledger import Ledger
from docket.web.live.event_feed import EventFeed

logger = logging.getLogger(__name__)

MOST_JOBS = 300
"""Enough to know what is usual, few enough to be gone through while a user types."""

DISK_BYTES = "disk_bytes"
"""The counter in which a source tells how much it holds, if it does."""

_LEARNED_FROM = f"{State.COMPLETED},{State.PARTIAL},{State.EXPIRED}"
_ENDS = frozenset({EventName.COMPLETED, EventName.PARTIAL})


class JobHistory:
    """One per process, for the event loop only."""

    def __init__(self, ledger: Ledger, event_feed: EventFeed) -> None:
        self._ledger = ledger
        self._past: dict[str, Sample] = {}
        self._loaded = False
        event_feed.add_listener(self._on_event)

    async def estimate(self, query: Query, window: Window, sources: Iterable[SourceStatus]) -> Estimate:
        """Roughly what the question would bring from these sources."""
        await self._load()
        stocks = {status.name: _stock(status, window) for status in sources}
        return estimate(query, stocks, tuple(self._past.values()))

    async def expected(self, query: Query, window: Window, sources: Iterable[SourceStatus]) -> Estimate:
        """The same from answers to like queries, and to those for everything: what a refusal may rest on."""
        await self._load()
        stocks = {status.name: _stock(status, window) for status in sources}
        return estimate(query, stocks, kindred(query, self._past.values()))

    async def _load(self) -> None:
        if self._loaded:
            return
        try:
            page = await self._ledger.page(
                state=_LEARNED_FROM,
                owner=None,
                source=None,
                text=None,
                sort=NEWEST_FIRST,
                limit=MOST_JOBS,
                cursor=None,
            )
        except SpoolError as error:
            logger.info("nothing can be learned from earlier jobs yet: %s", error)
            return
        self._loaded = True
        newer, self._past = self._past, {}
        for job in reversed(page.jobs):
            self._remember(job)
        self._past |= newer

    def _on_event(self, message: EventMessage) -> None:
        if message.event in _ENDS and message.job is not None:
            self._remember(message.job)

    def _remember(self, job: Job) -> None:
        self._past.pop(job.id, None)
        self._past[job.id] = learn(job)
        if len(self._past) > MOST_JOBS:
            del self._past[next(iter(self._past))]


def _stock(status: SourceStatus, window: Window) -> Capacity:
    """What the source can give; what is older than its oldest packet is gone."""
    if status.oldest is None:
        return Capacity(window.length_us)
    oldest_us = parse_time_us(status.oldest, None)
    length_us = max(0, window.before_us - max(window.after_us, oldest_us))
    held_us = parse_time_us(status.readable_until, None) - oldest_us if status.readable_until else 0
    held_bytes = status.stats.get(DISK_BYTES)
    return Capacity(length_us, held_bytes / held_us if held_bytes is not None and held_us > 0 else None)
