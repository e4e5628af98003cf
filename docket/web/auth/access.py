"""Who may see a job and who may change it. The one place for that; every handler and every socket asks here.

Everybody may ask. Everybody may see and download every job, unless `web.own_jobs_only` is set: then a job is for
its owner and for the admins, and does not exist for anybody else. Cancelling, retrying and deleting is for the
owner and the admins, and for everybody where a job has no owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docket.bus.messages import EventMessage
from docket.config.model import WebConfig
from docket.config.values import UNIX
from docket.domain.job import Event, Job
from docket.errors import NoSuchJob
from docket.web.auth.authenticator import Visitor
from docket.web.http.api_errors import Refusal, refuse
from docket.web.jobs.service import Desk


class Access:
    """The rules, and jobs looked up under them. Made once from the configuration."""

    def __init__(self, web: WebConfig, desk: Desk) -> None:
        self._desk = desk
        self._own_only = web.own_jobs_only
        self._names_users = bool(
            web.trusted_proxies or web.tokens or any(address.startswith(UNIX) for address in web.listen)
        )

    def sees_all(self, visitor: Visitor) -> bool:
        """Whether no job is hidden from the visitor."""
        return not self._own_only or visitor.is_admin

    def may_see(self, visitor: Visitor, job: Job) -> bool:
        return self.sees_all(visitor) or (visitor.user != "" and job.owner == visitor.user)

    def may_change(self, visitor: Visitor, job: Job) -> bool:
        if visitor.is_admin or (visitor.user != "" and job.owner == visitor.user):
            return True
        # Where nobody can be named, as with `docket run` on a laptop, there are no owners to be protected.
        nameless = not self._names_users and not visitor.proxied
        return not self._own_only and (job.owner == "" or nameless)

    def hears(self, visitor: Visitor, message: EventMessage) -> bool:
        """Whether an event is for the visitor. What has no job left, a rejected question, is for the admins."""
        if message.job is not None:
            return self.may_see(visitor, message.job)
        return message.job_id is None or self.sees_all(visitor)

    async def ask(self, raw: Mapping[str, Any], visitor: Visitor) -> tuple[Job, bool]:
        """Hand in a question; its job, and whether that is a new one: nobody is given a job that he may not see.

        Raises what `Desk.ask` raises, NoSuchJob for a parent that is hidden, and Refusal (403) where nobody would
        own the job.
        """
        if self._own_only and not visitor.user:
            raise refuse(403, "no-user", "jobs are for their owners here, and the proxy did not say who you are")
        parent = raw.get("parent")
        if isinstance(parent, str):
            await self.job(parent, visitor)
        return await self._desk.ask(raw, visitor, None if self.sees_all(visitor) else visitor.user)

    async def job(self, job_id: str, visitor: Visitor) -> Job:
        """The job, for somebody who may see it. Raises NoSuchJob (also for what is hidden), SpoolError."""
        return self._visible(await self._desk.job(job_id), visitor)

    async def story(self, job_id: str, visitor: Visitor) -> tuple[Job, tuple[Event, ...]]:
        """The job and its events, under the same rule."""
        job, events = await self._desk.story(job_id)
        return self._visible(job, visitor), events

    async def changeable(self, job_id: str, visitor: Visitor) -> Job:
        """The job, for somebody who may change it. Raises NoSuchJob, SpoolError, Refusal (403)."""
        job = await self.job(job_id, visitor)
        if not self.may_change(visitor, job):
            raise not_owner(job)
        return job

    def owner_filter(self, visitor: Visitor, asked: str) -> str | None:
        """The owner whose jobs a list shows: the one asked for, or the visitor himself; None: nothing is shown."""
        if self.sees_all(visitor):
            return asked
        if not visitor.user or asked not in ("", visitor.user):
            return None
        return visitor.user

    def _visible(self, job: Job, visitor: Visitor) -> Job:
        if not self.may_see(visitor, job):
            raise NoSuchJob(job.id)
        return job


def not_owner(job: Job) -> Refusal:
    """The answer to somebody who wants to change the job of somebody else."""
    return refuse(403, "not-owner", f"the job belongs to {job.owner or 'somebody else'}; an admin may change it", "id")
