"""Jobs that this process has asked for and the ledger does not have yet. For the event loop only.

The collector writes a job down when it reads its request, which is usually milliseconds after the broker took
it, and later while the collector is away. Until then the asker's process vouches for the job.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from docket.domain.clock import now_text, now_us
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, State
from docket.domain.request import Request

MOST_PENDING = 5_000
"""More means that no collector reads them; new questions are refused then."""

KEPT_AFTER_DEADLINE_US = 60_000_000


@dataclass(slots=True)
class PendingJob:
    request: Request
    fingerprint: str
    job: Job
    confirmed: asyncio.Future[None] = field(default_factory=asyncio.Future)
    """Done when the broker has taken the request, failed when it has not."""


class Pending:
    """Filled when a request is published, emptied by events."""

    def __init__(self) -> None:
        self._by_id: dict[str, PendingJob] = {}
        self._by_question: dict[str, PendingJob] = {}
        self._of: Counter[str] = Counter()
        self._rejected_of: Counter[str] = Counter()
        """Those of them that the collector has refused: it has read them, and they stay here for who asks."""
        self.departures = 0
        """Counts the jobs that went into the ledger. While it stands still, ledger and `Pending` together know
        every job that was asked here."""

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> tuple[str, ...]:
        """Of the jobs that are waited for."""
        return tuple(self._by_id)

    def unread(self, owner: str) -> int:
        """How many of this owner the collector has not read, as far as is known here."""
        return self._of[owner] - self._rejected_of[owner]

    def is_full_for(self, owner: str) -> bool:
        """Whether this owner has as many here as he may: half of what the others leave."""
        self._forget_late()
        own = self._of[owner]
        return own >= max((MOST_PENDING - (len(self._by_id) - own)) // 2, 1)

    def add(self, pending: PendingJob) -> None:
        self.remove(pending.job.id)
        self._by_id[pending.job.id] = pending
        self._of[pending.job.owner] += 1
        self._by_question[pending.fingerprint] = pending

    def find(self, job_id: str) -> Job | None:
        pending = self._by_id.get(job_id)
        return pending.job if pending is not None else None

    def same(self, request: Request, fingerprint: str, *, fresh: bool) -> PendingJob | None:
        """The pending job that has this request's id or, unless it must be `fresh`, asks the same question."""
        pending = self._by_id.get(request.id)
        if pending is None and not fresh:
            pending = self._by_question.get(fingerprint)
            if pending is not None and pending.job.is_final:
                return None
        return pending

    def remove(self, job_id: str) -> None:
        pending = self._by_id.pop(job_id, None)
        if pending is None:
            return
        owner = pending.job.owner
        self._of[owner] -= 1
        self._rejected_of[owner] -= pending.job.is_final
        if not self._of[owner]:
            del self._of[owner], self._rejected_of[owner]
        if self._by_question.get(pending.fingerprint) is pending:
            del self._by_question[pending.fingerprint]

    def on_event(self, message: EventMessage) -> None:
        """The ledger has the job now, or the collector refused it."""
        if message.job is not None:
            self.departures += message.job.id in self._by_id
            self.remove(message.job.id)
        elif message.event is EventName.REJECTED and message.job_id in self._by_id:
            pending = self._by_id[message.job_id]
            self._rejected_of[pending.job.owner] += not pending.job.is_final
            pending.job = msgspec.structs.replace(
                pending.job, state=State.FAILED, finished_at=now_text(), reason=message.reason
            )

    def _forget_late(self) -> None:
        oldest_us = now_us() - KEPT_AFTER_DEADLINE_US
        for job_id in [key for key, one in self._by_id.items() if one.request.deadline_us < oldest_us]:
            self.remove(job_id)
