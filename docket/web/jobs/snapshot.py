"""What a socket gets first: the events that it missed, or a snapshot of how things stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.web.http.urls import Urls
from docket.web.jobs.service import JobService
from docket.web.live.async_ledger import Ledger
from docket.web.live.messages import EventFrame, Snapshot, encode

MOST_MISSED_EVENTS = 1_000
MOST_MISSED_BYTES = 4 * 1024 * 1024
"""A socket that missed more than this is given a snapshot, which is shorter."""

SNAPSHOT_JOBS = 200
MOST_OPEN_JOBS = 1_000
SNAPSHOT_KEPT_S = 1.0
"""A snapshot serves everybody for this long while no event comes: after a restart all browsers want one at once."""

Wants = Callable[[EventMessage], bool]


class SnapshotBuilder:
    """What a socket gets first."""

    def __init__(self, ledger: Ledger, job_service: JobService, urls: Urls) -> None:
        self._ledger = ledger
        self._job_service = job_service
        self._urls = urls
        self._lock = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._made_at_s = 0.0

    async def beginning(self, since: int | None, user: str, wants: Wants | None = None) -> tuple[list[bytes], int]:
        """Messages for this user, and the number of the last event that they tell of.

        With `wants`, which says what is for this user, only the user's own jobs are sent. Raises SpoolError.
        """
        missed = await self._missed(since, wants) if since is not None else None
        if missed is not None:
            return missed
        if wants is not None:
            snapshot = await self._own_snapshot(user)
        else:
            async with self._lock:
                snapshot = await self._current_snapshot()
        return [encode(msgspec.structs.replace(snapshot, time=now_text(), user=user))], snapshot.seq

    async def _missed(self, since: int, wants: Wants | None) -> tuple[list[bytes], int] | None:
        """The events after `since`, or None if they are too many or the number is not one of this ledger."""
        last = await self._ledger.last_seq()
        if not last - MOST_MISSED_EVENTS <= since <= last:
            return None
        events = await self._ledger.events_since(since, MOST_MISSED_EVENTS + 1)
        if len(events) > MOST_MISSED_EVENTS:
            return None
        heard = [event for event in events if wants is None or wants(event)]
        messages = [encode(EventFrame.of(event, self._urls)) for event in heard]
        if sum(map(len, messages)) > MOST_MISSED_BYTES:
            return None
        return messages, max([since, *(event.seq or 0 for event in events)])

    async def _own_snapshot(self, user: str) -> Snapshot:
        """A snapshot with the jobs of one owner; none without a user."""
        seq = await self._ledger.last_seq()
        jobs = await self._ledger.newest_of(user, SNAPSHOT_JOBS) if user else []
        shown = [self._urls.shown(self._job_service.freshest(job)) for job in jobs]
        return Snapshot(seq=seq, time="", jobs=shown, sources=await self._job_service.sources())

    async def _current_snapshot(self) -> Snapshot:
        now_s = asyncio.get_running_loop().time()
        seq = await self._ledger.last_seq()
        known = self._snapshot
        if known is None or known.seq != seq or now_s - self._made_at_s > SNAPSHOT_KEPT_S:
            # The number is read before the jobs: what happens between the two is sent twice rather than never.
            jobs = await self._ledger.newest_and_open(SNAPSHOT_JOBS, MOST_OPEN_JOBS)
            shown = [self._urls.shown(self._job_service.freshest(job)) for job in jobs]
            sources = await self._job_service.sources()
            # Written once for all sockets: it may be a megabyte, and there may be a thousand of them.
            known = Snapshot(seq=seq, time="", jobs=_written(shown), sources=_written(sources))
            self._snapshot, self._made_at_s = known, now_s
        return known


def _written(values: Sequence[object]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(values))
