"""Room in the spool while jobs come and go: who leaves, who is let in, and how things stand. For the collector."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping

from docket import __version__
from docket.domain.job import Event, EventName
from docket.errors import SpoolError
from docket.runtime.age_clock import AgeClock
from docket.spool.collector_health import CollectorHealth
from docket.spool.retention import RecordExpiry, Retention
from docket.workers.collector.commit import Batch
from docket.workers.collector.open_job import JobContext, OpenJob

log = logging.getLogger(__name__)

FEW_JOBS, SUM_AGE_S = 32, 0.2
"""Adding up what two thousand open jobs take up, for each question, would take as long as the question itself."""


class SpaceManager:
    """Applies the rules of `retention` to the spool as it is now."""

    def __init__(
        self, context: JobContext, retention: Retention, records: RecordExpiry, jobs: Mapping[str, OpenJob]
    ) -> None:
        """Raises SpoolError."""
        self.retention = retention
        self.bus = ""
        """The bus on which workers may say that they have left packets in the spool; empty: they may not."""
        self._records = records
        self._age_clock = AgeClock(context.clock, records.seen_us())
        self._context = context
        self._jobs = jobs
        self._started_at = context.clock.now()
        self._summed, self._summed_s = 0, -math.inf

    def announce(self) -> None:
        """Tell workers on this machine whether packets that they leave in the spool are taken."""
        incoming = self._context.spool.incoming
        try:
            if self.bus:
                incoming.announce(self.bus)
            else:
                incoming.withdraw()
        except SpoolError as error:
            log.debug("workers cannot see that their packets are taken here: %s", error)

    def tidy(self, batch: Batch) -> None:
        """Let go of what has to leave, and forget what is old."""
        try:
            self.expire(batch)
            self.erase_records(batch)
        except SpoolError as error:
            log.error("the spool cannot be tidied: %s", error)

    def expire(self, batch: Batch) -> None:
        """Let go of what has to leave. Raises SpoolError."""
        spool = self._context.spool
        spool.incoming.sweep()
        for job_id in list(self.retention.missing()):
            self.let_go(job_id, "its result was removed from the spool by another program", batch)
        free_bytes = spool.free_bytes() + batch.freed_bytes
        open_of: Counter[str] = Counter()
        for job in self._jobs.values():
            open_of[job.job.owner] += job.held_bytes
        now_us = self._age_clock.now_us()
        for job_id, reason in self.retention.leaving(now_us, free_bytes, open_of.total(), open_of):
            self.let_go(job_id, reason, batch)

    def erase_records(self, batch: Batch) -> None:
        """Forget jobs whose result has gone long ago. Raises SpoolError."""
        in_use = self._jobs.keys() | {event.job_id for event in batch.entries.events}
        jobs, events = self._records.choose(self._age_clock.now_us(), in_use)
        batch.entries.erased += jobs
        batch.entries.erased_events += events

    def let_go(self, job_id: str, reason: str, batch: Batch, user: str = "") -> None:
        """Note that a finished job's files go; the record stays."""
        log.info("job %s: its result goes: %s", job_id, reason)
        self.retention.forget(job_id)
        event = Event(name=EventName.EXPIRED, job_id=job_id, at=self._context.clock.now(), reason=reason, user=user)
        batch.entries.events.append(event)
        batch.entries.forgotten.add(job_id)
        batch.removals.append(job_id)
        batch.freed_bytes += self._context.spool.size_of(job_id)

    def refusal(self, batch: Batch) -> str:
        """Why no new job can be taken, though all that may go has been let go; empty if one can."""
        spool = self._context.spool
        try:
            free_bytes, free_inodes = spool.free_bytes(), spool.free_inodes()
            if batch.open_bytes is None:
                batch.open_bytes = self._open_bytes
            reason = self.retention.refusal(free_bytes + batch.freed_bytes, free_inodes, batch.open_bytes)
            if reason:
                self.expire(batch)
                reason = self.retention.refusal(free_bytes + batch.freed_bytes, free_inodes, batch.open_bytes)
        except SpoolError as error:
            return str(error)
        return reason

    def make_room(self, batch: Batch) -> None:
        """The disk is so full that the ledger cannot even say so: take files off first. A collector killed right
        now finds them missing when it starts again, and says it then."""
        try:
            self.expire(batch)
        except SpoolError as error:
            log.error("no room can be made: %s", error)
        for job_id in batch.removals:
            self._context.spool.remove_job(job_id)
        while self._context.spool.sweep():
            pass

    def health(self, trouble: str, queues: dict[str, tuple[int, int]]) -> CollectorHealth:
        """A heartbeat. Raises SpoolError."""
        spool = self._context.spool
        return CollectorHealth(
            at=self._context.clock.now(),
            started_at=self._started_at,
            version=__version__,
            open_jobs=len(self._jobs),
            free_bytes=spool.free_bytes(),
            free_inodes=spool.free_inodes(),
            used_bytes=self.retention.used_bytes + self._open_bytes,
            max_bytes=self.retention.max_bytes,
            min_free_bytes=self.retention.min_free_bytes,
            trouble=trouble,
            queues=queues,
            set_aside=spool.count_aside(),
        )

    @property
    def _open_bytes(self) -> int:
        """What open jobs take up; of many, what they took up a moment ago."""
        now_s = self._context.clock.monotonic_s()
        if len(self._jobs) <= FEW_JOBS or now_s - self._summed_s >= SUM_AGE_S:
            self._summed, self._summed_s = sum(job.held_bytes for job in self._jobs.values()), now_s
        return self._summed
