"""The collector's ledger, read without blocking the event loop. For the modules of `docket.web`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from docket.domain.event import EventMessage
from docket.domain.job import Event, Job, State
from docket.domain.source import SourceStatus
from docket.errors import NoSuchJob
from docket.spool.collector_health import CollectorHealth
from docket.spool.ledger_reader import Holding, LedgerReader, Page
from docket.web.http.executor import Executor

_OPEN = f"{State.QUEUED},{State.RUNNING}"


class Standing(NamedTuple):
    """What the ledger knows of a question and who asks it."""

    open_jobs: int = 0
    """Of the owner."""
    job: Job | None = None
    """The one with the question's id."""
    same: Job | None = None
    """One that asks the same and can stand for it."""


class Ledger:
    """`LedgerReader` in threads of its own. Every method raises SpoolError, or Refusal while too much waits."""

    def __init__(self, reader: LedgerReader, executor: Executor) -> None:
        self._reader = reader
        self._run = executor.run

    async def find(self, job_id: str) -> Job | None:
        return await self._run(self._reader.job, job_id)

    async def story(self, job_id: str) -> tuple[Job, Sequence[Event]]:
        """A job and its events. Raises NoSuchJob."""
        return await self._run(self._story, job_id)

    async def page(self, *, sort: str, limit: int, cursor: str | None, **filters: str | None) -> Page:
        """One page of the list; `filters` are those of `LedgerReader.jobs`. Raises InvalidRequest as well."""
        return await self._run(self._reader.jobs, sort=sort, limit=limit, cursor=cursor, **filters)

    async def newest_and_open(self, newest: int, most_open: int) -> list[Job]:
        """The newest jobs, and after them the older ones that are not final yet."""
        return await self._run(self._newest_and_open, newest, most_open)

    async def newest_of(self, owner: str, newest: int) -> list[Job]:
        """The newest jobs of one owner."""
        return (await self._run(self._reader.jobs, owner=owner, limit=newest)).jobs

    async def standing(self, job_id: str, owner: str, fingerprint: str | None, only_of: str | None) -> Standing:
        """What is to be known of a question before it is asked; without a fingerprint no job may stand for it."""
        return await self._run(self._standing, job_id, owner, fingerprint, only_of)

    async def events_since(self, seq: int, limit: int) -> list[EventMessage]:
        return await self._run(self._reader.events_since, seq, limit)

    async def messages(self, job_id: str) -> list[EventMessage]:
        return await self._run(self._reader.messages, job_id)

    async def last_seq(self) -> int:
        return await self._run(self._reader.last_seq)

    async def states(self) -> dict[State, int]:
        return await self._run(self._reader.states)

    async def holdings(self) -> dict[str, Holding]:
        return await self._run(self._reader.holdings)

    async def sources(self) -> list[SourceStatus]:
        return await self._run(self._reader.sources)

    async def collector(self) -> CollectorHealth | None:
        return await self._run(self._reader.collector)

    def _standing(self, job_id: str, owner: str, fingerprint: str | None, only_of: str | None) -> Standing:
        return Standing(
            self._reader.open_of(owner),
            self._reader.job(job_id),
            None if fingerprint is None else self._reader.find_same(fingerprint, only_of),
        )

    def _story(self, job_id: str) -> tuple[Job, Sequence[Event]]:
        job = self._reader.job(job_id)
        if job is None:
            raise NoSuchJob(job_id)
        return job, self._reader.events(job_id)

    def _newest_and_open(self, newest: int, most_open: int) -> list[Job]:
        jobs = {job.id: job for job in self._reader.jobs(limit=newest).jobs}
        for job in self._reader.jobs(state=_OPEN, limit=most_open).jobs:
            jobs.setdefault(job.id, job)
        return list(jobs.values())
