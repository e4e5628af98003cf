"""`api/v1/jobs`: ask, list, look up, cancel, retry, delete."""

from __future__ import annotations

import re
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

import msgspec

from docket.bus.messages import AuditAction
from docket.domain.annotation import Annotation, check_annotation
from docket.domain.api import JobList, JobStory
from docket.domain.event import StoryEvent
from docket.domain.job import Job
from docket.domain.plain_text import shortened
from docket.domain.request import LONGEST_DEADLINE_S
from docket.domain.request_message import RequestBody
from docket.errors import Fault, InvalidRequest
from docket.spool.ledger_reader import NEWEST_FIRST, SORTS
from docket.web.handlers.base import Handler
from docket.web.http.api_errors import api_error, no_such_job
from docket.web.http.route_spec import Operation, Operations, Param

MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
T = TypeVar("T")

_FILTERS = ("state", "owner", "source", "text", "parent", "sha256", "tag")


class CancelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keep: bool = True


class RetryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deadline_s: int | None = None


class JobsHandler(Handler):
    """All jobs."""

    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Ask a question; an identical one that runs or is still in the spool is the same job",
            takes=RequestBody,
            gives={201: Job, 200: Job},
            refuses=(400, 403, 409, 413, 415, 429, 503, 507),
        ),
        "GET": Operation(
            "List jobs, newest first",
            gives={200: JobList},
            params=(
                Param("state", "One state, or several separated by commas"),
                Param("owner", "Who asked"),
                Param("source", "A source that was asked"),
                Param("text", "Looked for in query, note, owner, id, case and tags"),
                Param("tag", "One of its tags, whole"),
                Param("parent", "The job from whose result they were taken"),
                Param("sha256", "That of the result"),
                Param(
                    "sort",
                    "What to sort by; with a leading - the greatest first",
                    {"type": "string", "enum": [sign + name for name in SORTS for sign in ("", "-")]},
                ),
                Param(
                    "limit",
                    "Jobs per page",
                    {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": USUAL_PER_PAGE},
                ),
                Param("cursor", "The cursor that the page before gave"),
            ),
            refuses=(400, 503),
        ),
    }

    async def post(self) -> None:
        job, is_new = await self.services.access.ask(self.json_body(), self.principal, self.traceparent)
        self.record(AuditAction.ASKED, job.id, asked(job, is_new=is_new))
        self.set_header("Location", self.services.urls.job(job.id))
        self.write_json(self.services.urls.shown(job), 201 if is_new else 200)

    async def get(self) -> None:
        filters = {name: self.get_query_argument(name, "") for name in _FILTERS}
        sort = self.get_query_argument("sort", "") or NEWEST_FIRST
        limit = self._limit()
        owner = self.services.access.owner_filter(self.principal, filters["owner"])
        if owner is None:
            self.write_json(JobList(jobs=(), total=0, cursor=None, next=None))
            return
        filters["owner"] = owner
        page = await self.services.ledger.page(
            **{name: text or None for name, text in filters.items()},
            sort=sort,
            limit=limit,
            cursor=self.get_query_argument("cursor", "") or None,
        )
        following = {**filters, "sort": sort, "limit": str(limit), "cursor": page.next_cursor or ""}
        query = urlencode({name: text for name, text in following.items() if text})
        shown = self.services.urls.shown
        self.write_json(
            JobList(
                jobs=tuple(shown(self.services.job_service.freshest(job)) for job in page.jobs),
                total=page.total,
                cursor=page.next_cursor,
                next=f"{self.services.urls.jobs}?{query}" if page.next_cursor else None,
            )
        )

    head = get

    def _limit(self) -> int:
        text = self.get_query_argument("limit", "") or str(USUAL_PER_PAGE)
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_PER_PAGE):
            raise api_error(400, "bad-number", f"limit must be a whole number from 1 to {MOST_PER_PAGE}", "limit")
        return int(text)


class JobHandler(Handler):
    """One job."""

    operations: ClassVar[Operations] = {
        "GET": Operation("One job with its events", gives={200: JobStory}, refuses=(404, 503)),
        "DELETE": Operation(
            "Delete the result; the record stays", gives={200: Job, 202: Job}, refuses=(403, 404, 409, 503)
        ),
    }

    async def get(self, text: str) -> None:
        job, events = await self.services.access.story(job_id(text), self.principal)
        shown = self.services.urls.shown(job)
        story = JobStory(**msgspec.structs.asdict(shown), events=tuple(StoryEvent.of(event) for event in events))
        self.write_json(story)

    head = get

    async def delete(self, text: str) -> None:
        job = await self.changeable_job(job_id(text))
        answer(self, *await self.services.job_commands.delete(job.id, self.principal.user))
        self.record(AuditAction.DELETED, job.id)


class AnnotationHandler(Handler):
    """What people write on a job."""

    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Write a note, tags or a case number on it; what is left out stays",
            takes=Annotation,
            gives={200: Job, 202: Job},
            refuses=(400, 404, 413, 415, 503),
        )
    }

    async def post(self, text: str) -> None:
        """For everybody who sees the job: its story says who wrote what."""
        annotation = check_annotation(self.json_body())
        job = await self.services.access.job(job_id(text), self.principal)
        answer(self, *await self.services.job_commands.annotate(job.id, self.principal.user, annotation))
        self.record(AuditAction.ANNOTATED, job.id, ", ".join(annotation.changes()))


class CancelHandler(Handler):
    """Stopping a job."""

    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Cancel; what arrived is kept unless keep is false",
            takes=CancelBody,
            gives={200: Job, 202: Job},
            refuses=(400, 403, 404, 409, 413, 415, 503),
        )
    }

    async def post(self, text: str) -> None:
        order = _order(self.json_body(optional=True), CancelBody)
        job = await self.changeable_job(job_id(text))
        answer(self, *await self.services.job_commands.cancel(job.id, self.principal.user, keep=order.keep))
        self.record(AuditAction.CANCELLED, job.id, "" if order.keep else "what arrived is thrown away")


class RetryHandler(Handler):
    """Asking again."""

    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Ask the sources that fell short once more",
            takes=RetryBody,
            gives={200: Job, 202: Job},
            refuses=(400, 403, 404, 409, 413, 415, 503),
        )
    }

    async def post(self, text: str) -> None:
        order = _order(self.json_body(optional=True), RetryBody)
        deadline_s = order.deadline_s
        if deadline_s is not None and not 1 <= deadline_s <= LONGEST_DEADLINE_S:
            message = f"deadline_s must be a whole number from 1 to {LONGEST_DEADLINE_S}"
            raise InvalidRequest([Fault("bad-number", message, "deadline_s")])
        job = await self.changeable_job(job_id(text))
        answer(self, *await self.services.job_commands.retry(job.id, self.principal.user, deadline_s))
        self.record(AuditAction.RETRIED, job.id)


LONGEST_AUDITED = 2_000
"""Characters of a question in the audit trail; the whole of it is in the job's record."""


def job_id(text: str) -> str:
    """An id as it stands in an address. Whatever is no UUID names no job. Raises ApiError (404)."""
    lower = text.lower()
    if not _ID.fullmatch(lower):
        raise no_such_job()
    return lower


def asked(job: Job, *, is_new: bool) -> str:
    """The question in the words of the audit trail."""
    query = shortened(job.query, LONGEST_AUDITED) or "every packet"
    words = f"{query} after {job.after} before {job.before}"
    return words if is_new else f"{words}, answered by a job that is there"


def answer(handler: Handler, job: Job, took_effect: bool) -> None:
    """The job after an order: 200 when it shows the effect, 202 when that is still to come."""
    handler.write_json(handler.services.urls.shown(job), 200 if took_effect else 202)


def _order(raw: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest([Fault("bad-field", str(error))]) from error
