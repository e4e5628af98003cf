"""Who may see a job and who may change it. The one place for that; every handler and every socket asks here.

Everybody may ask. Everybody may see and download every job, unless `web.own_jobs_only` is set: then a job is for
its owner and for the admins, and does not exist for anybody else. Cancelling, retrying and deleting is for the
owner and the admins, and for everybody where a job has no owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docket.config.model import WebConfig
from docket.config.values import UNIX
from docket.domain.event import EventMessage
from docket.domain.job import Event, Job
from docket.errors import NoSuchJob
from docket.web.auth.authenticator import Principal
from docket.web.http.api_errors import ApiError, api_error
from docket.web.jobs.service import JobService


class Access:
    """The rules, and jobs looked up under them. Made once from the configuration."""

    def __init__(self, web: WebConfig, job_service: JobService) -> None:
        self._job_service = job_service
        self._own_only = web.own_jobs_only
        self._names_users = bool(
            web.trusted_proxies or web.tokens or any(address.startswith(UNIX) for address in web.listen)
        )

    def sees_all(self, principal: Principal) -> bool:
        """Whether no job is hidden from the principal."""
        return not self._own_only or principal.is_admin

    def may_see(self, principal: Principal, job: Job) -> bool:
        return self.sees_all(principal) or (principal.user != "" and job.owner == principal.user)

    def may_change(self, principal: Principal, job: Job) -> bool:
        if principal.is_admin or (principal.user != "" and job.owner == principal.user):
            return True
        # Where users have no names, as with `docket run` on a laptop, there are no owners to be protected.
        nameless = not self._names_users and not principal.proxied
        return not self._own_only and (job.owner == "" or nameless)

    def may_receive(self, principal: Principal, message: EventMessage) -> bool:
        """Whether an event is for the principal. What has no job left, a rejected question, is for the admins."""
        if message.job is not None:
            return self.may_see(principal, message.job)
        return message.job_id is None or self.sees_all(principal)

    async def ask(self, raw: Mapping[str, Any], principal: Principal, traceparent: str = "") -> tuple[Job, bool]:
        """Hand in a question; its job, and whether that is a new one: no user is given a job that he may not see.

        Raises what `JobService.ask` raises, NoSuchJob for a parent that is hidden, and Refusal (403) where the job
        would have no owner.
        """
        if self._own_only and not principal.user:
            raise api_error(403, "no-user", "jobs are for their owners here, and the proxy did not say who you are")
        parent = raw.get("parent")
        if isinstance(parent, str):
            await self.job(parent, principal)
        only_of = None if self.sees_all(principal) else principal.user
        return await self._job_service.ask(raw, principal.user, only_of, traceparent)

    async def job(self, job_id: str, principal: Principal) -> Job:
        """The job, for a user who may see it. Raises NoSuchJob (also for what is hidden), SpoolError."""
        return self._visible(await self._job_service.job(job_id), principal)

    async def story(self, job_id: str, principal: Principal) -> tuple[Job, tuple[Event, ...]]:
        """The job and its events, under the same rule."""
        job, events = await self._job_service.story(job_id)
        return self._visible(job, principal), events

    async def changeable(self, job_id: str, principal: Principal) -> Job:
        """The job, for a user who may change it. Raises NoSuchJob, SpoolError, ApiError (403)."""
        job = await self.job(job_id, principal)
        if not self.may_change(principal, job):
            raise not_owner(job)
        return job

    def owner_filter(self, principal: Principal, asked: str) -> str | None:
        """The owner whose jobs a list shows: the one asked for, or the principal himself; None: nothing is shown."""
        if self.sees_all(principal):
            return asked
        if not principal.user or asked not in ("", principal.user):
            return None
        return principal.user

    def _visible(self, job: Job, principal: Principal) -> Job:
        if not self.may_see(principal, job):
            raise NoSuchJob(job.id)
        return job


def not_owner(job: Job) -> ApiError:
    """The answer to a user who wants to change another's job."""
    return api_error(
        403, "not-owner", f"the job belongs to {job.owner or 'another user'}; an admin may change it", "id"
    )
