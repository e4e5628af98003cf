"""Orders about a job that exists: cancel, retry, delete. Each is a message, and a short wait for its effect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from docket.bus import topology
from docket.bus.async_interface import AsyncBusClient
from docket.bus.messages import Annotate, Cancel, Delete, Forget, Retry, encode
from docket.domain.annotation import Annotation
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, State
from docket.web.http.api_errors import api_error
from docket.web.jobs.service import PUBLISH_S, JobService
from docket.web.live.event_feed import EventFeed

PATIENCE_S = 2.0
"""How long an answer waits for the event that shows the effect. After that the order stands, but not its result."""


class JobCommands:
    """Checks an order against the job's state, so that the client learns at once what makes no sense; the
    collector checks again. Each method gives the job and whether the order has taken effect yet, and raises
    NoSuchJob, BusError, SpoolError, ApiError (409)."""

    def __init__(self, link: AsyncBusClient, job_service: JobService, event_feed: EventFeed) -> None:
        self._link = link
        self._job_service = job_service
        self._event_feed = event_feed

    async def cancel(self, job_id: str, user: str, *, keep: bool) -> tuple[Job, bool]:
        """Stop reading; with `keep` the packets that arrived stay downloadable."""
        job = await self._job_service.job(job_id)
        if job.is_final:
            raise api_error(409, "not-running", f"the job is {job.state} already", "id")
        order = encode(Cancel(id=job_id, keep=keep, user=user))
        return await self._give(job, topology.CANCEL_KEY, order, lambda after: after.is_final)

    async def retry(self, job_id: str, user: str, deadline_s: int | None) -> tuple[Job, bool]:
        """Ask the sources that fell short again."""
        job = await self._job_service.job(job_id)
        if job.state is State.EXPIRED:
            raise api_error(409, "expired", "the packets of the other sources are gone; ask again", "id")
        if not job.is_final:
            raise api_error(409, "not-final", f"the job is {job.state}; it can be retried when it has ended", "id")
        if not job.worth_retrying:
            reason = "what was not recorded cannot be read" if job.fell_short else "every source has answered in full"
            raise api_error(409, "nothing-to-retry", reason, "id")
        order = encode(Retry(id=job_id, user=user, deadline_s=deadline_s))
        return await self._give(job, topology.RETRY_KEY, order, lambda after: after.revision > job.revision)

    async def delete(self, job_id: str, user: str) -> tuple[Job, bool]:
        """Remove the result; the record stays. A job whose result is gone already is answered as it is."""
        job = await self._job_service.job(job_id)
        if job.state is State.EXPIRED:
            return job, True
        if not job.is_final:
            raise api_error(409, "still-running", f"the job is {job.state}; cancel it first", "id")
        order = encode(Delete(id=job_id, user=user))
        return await self._give(job, topology.DELETE_KEY, order, lambda after: after.state is State.EXPIRED)

    async def annotate(self, job_id: str, user: str, annotation: Annotation) -> tuple[Job, bool]:
        """Write a note, tags or a case number on it."""
        job = await self._job_service.job(job_id)
        changes = annotation.changes()
        order = encode(Annotate(id=job_id, user=user, **changes))

        def done(after: Job) -> bool:
            return all(getattr(after, name) == value for name, value in changes.items())

        return (job, True) if done(job) else await self._give(job, topology.ANNOTATE_KEY, order, done)

    async def forget(self, name: str, user: str) -> bool:
        """Have a source that is gone for good asked no more; gives whether that has taken effect yet.

        Raises BusError, SpoolError, ApiError (404, 409).
        """
        known = {status.name: status for status in await self._job_service.sources()}
        if name not in known:
            raise api_error(404, "no-source", f"there is no source {name}", "name")
        if known[name].state == "online":
            raise api_error(409, "source-online", f"{name} is online; stop its worker first", "name")
        if self._job_service.is_configured(name):
            raise api_error(409, "source-configured", f"{name} is in the configuration; remove it there", "name")
        forgotten = asyncio.Event()

        def on_event(message: EventMessage) -> None:
            if message.event is EventName.SOURCE_FORGOTTEN and message.source and message.source.name == name:
                forgotten.set()

        with self._event_feed.listening(on_event):
            body = encode(Forget(name=name, user=user))
            await self._link.publish(topology.JOBS, topology.FORGET_KEY, body, mandatory=True, timeout_s=PUBLISH_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(forgotten.wait(), PATIENCE_S)
        return forgotten.is_set()

    async def _give(self, job: Job, key: str, order: bytes, done: Callable[[Job], bool]) -> tuple[Job, bool]:
        with self._job_service.watch(job.id) as watch:
            await self._link.publish(topology.JOBS, key, order, mandatory=True, timeout_s=PUBLISH_S)
            after = await self._job_service.wait_for(watch, job.id, done, PATIENCE_S)
        return after, done(after)
