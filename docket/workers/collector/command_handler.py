"""What people and tools ask of the collector: new jobs, cancel, retry, delete. It alone judges.

Each doing is noted in the batch. A message that comes twice does nothing the second time. The answer to each is
the reason why it cannot be done, for `docket.dead`, or an empty text.
"""

from __future__ import annotations

import logging
from collections import Counter, deque

import msgspec

from docket.bus.interface import Delivery
from docket.bus.messages import Annotate, Cancel, Delete, Forget, Retry, decode_job_message, job_id_of
from docket.bus.replies import provenance_of
from docket.bus.senders import sender
from docket.config.model import Config
from docket.domain.job import Event, EventName, Job, State, Verdict
from docket.domain.plain_text import shortened
from docket.domain.provenance import Provenance
from docket.domain.request import Request
from docket.errors import InvalidRequest, MessageError, SpoolError
from docket.runtime.traces import remember
from docket.spool.ledger_writer import Ledger
from docket.workers.collector.commit import Batch
from docket.workers.collector.open_job import JobContext, OpenJob
from docket.workers.collector.part import Part, decode_part
from docket.workers.collector.source_registry import SourceRegistry
from docket.workers.collector.space import SpaceManager

log = logging.getLogger(__name__)

_REMEMBERED_REJECTIONS = 10_000
MOST_EVENTS = 20_000
"""Of one job, from whose notes and retries come more and more."""
LONGEST_REASON = 2_000
"""Of a rejection: the ledger keeps it, and every listener receives it."""


class CommandHandler:
    """The door through which jobs come."""

    def __init__(
        self,
        context: JobContext,
        ledger: Ledger,
        source_registry: SourceRegistry,
        space: SpaceManager,
        jobs: dict[str, OpenJob],
        config: Config,
    ) -> None:
        self.touched: set[str] = set()
        """Jobs that may have something to do since the collector last looked."""
        self._most_open = config.jobs.open_per_user
        self._web = config.web
        self._context = context
        self._ledger = ledger
        self._source_registry = source_registry
        self._space = space
        self._jobs = jobs
        self._rejected: deque[str] = deque(maxlen=_REMEMBERED_REJECTIONS)

    def take(self, delivery: Delivery, batch: Batch) -> str:
        """Do what a message on `docket.jobs` asks for."""
        provenance = None
        try:
            provenance = provenance_of(delivery)
            message = decode_job_message(bytes(delivery.body), delivery.routing_key, self._context.clock.now_us())
        except (MessageError, InvalidRequest) as error:
            self._reject(job_id_of(bytes(delivery.body)) or "", str(error), batch, provenance=provenance)
            return str(error)
        user = sender(delivery.user_id, "", delivery.account)
        if isinstance(message, Request):
            remember(message.id, provenance.traceparent)
        match message:
            case Request():
                is_vouched = delivery.account is None or bool(delivery.user_id)
                return self._request(_owned(message, user), provenance, batch, is_vouched=is_vouched)
            case Cancel():
                return self._cancel(message if not user else msgspec.structs.replace(message, user=user), batch)
            case Retry():
                return self._retry(message, user or message.user, batch)
            case Delete():
                return self._delete(message.id, user or message.user, batch)
            case Annotate():
                return self._annotate(message, user or message.user, batch)
            case Forget():
                return self._forget(message.name, batch)

    def was_rejected(self, job_id: str) -> bool:
        return job_id in self._rejected

    def retry_by_itself(self, source: str, batch: Batch) -> None:
        """A source came back: ask it again for the jobs that closed without it and whose deadline is to come."""
        for job in self._ledger.short_of(source, self._context.clock.now()):
            answer = job.answer(source)
            request = self._ledger.request(job.id)
            if job.id in self._jobs or request is None or answer is None or answer.verdict != Verdict.UNREACHABLE:
                continue
            log.info("job %s: %s is back and is asked again", job.id, source)
            self._reopen(job, request, {source}, "", batch)

    def load(self) -> None:
        """Take up the jobs that were open when the collector ended. Raises SpoolError."""
        for job in self._ledger.open_jobs():
            request = self._ledger.request(job.id)
            if request is not None:
                self._jobs[job.id] = OpenJob(self._context, job, request, self._parts(job))

    def _request(self, request: Request, provenance: Provenance | None, batch: Batch, *, is_vouched: bool) -> str:
        """`is_vouched`: the broker, or the bus within the process, says whose request it is."""
        if request.id in self._jobs or self._ledger.job(request.id) is not None:
            return ""
        names = request.sources if request.sources is not None else self._source_registry.names()
        reason = ""
        if self._web.own_jobs_only and request.parent is not None and not (is_vouched and self._may_refine(request)):
            reason = f"there is no job {request.parent} that its owner may see"
        reason = reason or self._no_sources(names) or self._too_many(request.owner, batch) or self._space.refusal(batch)
        if not reason:
            job = Job.opened(request, names)
            try:
                self._open(OpenJob(self._context, job, request, [Part(source=name) for name in names]), batch)
            except SpoolError as error:
                reason = str(error)
        if reason:
            self._reject(request.id, reason, batch, user=request.owner, provenance=provenance)
            return reason
        batch.entries.events.append(
            Event(
                name=EventName.REQUESTED,
                job_id=request.id,
                at=self._context.clock.now(),
                request=request,
                source_names=names,
                user=request.owner,
                provenance=provenance or None,
            )
        )
        return ""

    def _may_refine(self, request: Request) -> bool:
        """Whether the owner may see the job whose packets he would take."""
        parent = self._ledger.job(request.parent or "")
        return parent is not None and request.owner != "" and request.owner in (parent.owner, *self._web.admins)

    def _too_many(self, owner: str, batch: Batch) -> str:
        """Why this owner may open no further job now; empty if he may."""
        if batch.open_of is None:
            batch.open_of = Counter(job.job.owner for job in self._jobs.values())
        if batch.open_of[owner] < self._most_open:
            return ""
        whose = f"{owner} has" if owner else "askers without a name have"
        return f"{whose} {self._most_open:,} open jobs, the most that are allowed at a time; wait for some to end"

    def _open(self, job: OpenJob, batch: Batch) -> None:
        self._jobs[job.id] = job
        self.touched.add(job.id)
        if batch.open_of is not None:
            batch.open_of[job.job.owner] += 1

    def _cancel(self, cancel: Cancel, batch: Batch) -> str:
        job = self._jobs.get(cancel.id)
        if job is not None:
            self.touched.add(job.id)
            job.cancel(cancel, batch.entries)
            return ""
        return "" if self._ledger.job(cancel.id) is not None else f"there is no job {cancel.id[:64]!r} to cancel"

    def _retry(self, retry: Retry, user: str, batch: Batch) -> str:
        if retry.order is not None or retry.id in self._jobs:
            return ""  # for the workers, or being done already
        job, request = self._ledger.job(retry.id), self._ledger.request(retry.id)
        if job is None or request is None:
            return f"there is no job {retry.id[:64]!r} to retry"
        if job.state is State.COMPLETED:
            return f"job {job.id} is complete: no source fell short"
        if self._is_long(job.id):
            return f"job {job.id} has {MOST_EVENTS:,} events; ask for its packets with a new one"
        reason = self._space.refusal(batch)
        if reason:
            return reason
        request = msgspec.structs.replace(
            request,
            requested_at_us=self._context.clock.now_us(),
            deadline_s=retry.deadline_s or request.deadline_s,
        )
        return self._reopen(job, request, set(job.worth_retrying), user, batch)

    def _reopen(self, job: Job, request: Request, sources: set[str], user: str, batch: Batch) -> str:
        try:
            opened = OpenJob(self._context, job, request, self._parts(job))
            short = [name for name, part in opened.parts.items() if name in sources or not part.closed]
            if job.state is State.EXPIRED:
                short = list(opened.parts)
            opened.begin_revision(short, user, batch.entries)
        except SpoolError as error:
            return str(error)
        self._open(opened, batch)
        self._space.retention.forget(job.id)
        return ""

    def _delete(self, job_id: str, user: str, batch: Batch) -> str:
        opened = self._jobs.get(job_id)
        if opened is not None:
            self.touched.add(job_id)
            opened.cancel(Cancel(id=job_id, keep=False, user=user), batch.entries)
            return ""
        job = self._ledger.job(job_id)
        if job is None:
            return f"there is no job {job_id[:64]!r} to delete"
        if job.state is not State.EXPIRED and job_id not in batch.removals:
            self._space.let_go(job_id, f"deleted by {user}" if user else "deleted", batch, user)
        return ""

    def _annotate(self, annotate: Annotate, user: str, batch: Batch) -> str:
        opened = self._jobs.get(annotate.id)
        job = opened.job if opened is not None else self._ledger.job(annotate.id)
        if job is None:
            return f"there is no job {annotate.id[:64]!r} to write on"
        annotation = annotate.annotation()
        if all(getattr(job, name) == value for name, value in annotation.changes().items()):
            return ""
        if self._is_long(job.id):
            return f"job {job.id} has {MOST_EVENTS:,} events, and no more is written on it"
        if opened is not None:
            opened.annotate(annotation, user, batch.entries)
            return ""
        event = Event(
            name=EventName.ANNOTATED,
            job_id=job.id,
            at=self._context.clock.now(),
            annotation=annotation,
            user=user,
        )
        batch.entries.events.append(event)
        return ""

    def _is_long(self, job_id: str) -> bool:
        """Whether the job's story is as long as one may be: who looks at a job is given all of it."""
        extent = self._ledger.extent(job_id)
        return extent is not None and extent.events >= MOST_EVENTS

    def _forget(self, name: str, batch: Batch) -> str:
        reason = self._source_registry.forget(name)
        if not reason:
            batch.entries.sources[name] = None
        return reason

    def _parts(self, job: Job) -> list[Part]:
        """The parts as the ledger has them; where it has none any more, as the job's record tells of them."""
        rows = self._ledger.parts(job.id)
        return [
            decode_part(rows[answer.name]) if answer.name in rows else Part.of_record(answer) for answer in job.sources
        ]

    def _no_sources(self, names: tuple[str, ...]) -> str:
        if not names:
            return "no source is known yet: is a worker running?"
        unknown = self._source_registry.unknown(names)
        if not unknown:
            return ""
        known = ", ".join(self._source_registry.names()) or "none"
        return f"there is no source {unknown!r}; known are: {known}"

    def _reject(
        self, job_id: str, reason: str, batch: Batch, user: str = "", provenance: Provenance | None = None
    ) -> None:
        reason = shortened(reason, LONGEST_REASON)
        log.warning("job %s is rejected: %s", job_id or "(without id)", reason)
        if job_id and (job_id in self._jobs or self._ledger.job(job_id) is not None):
            return  # a broken message must not speak of a good job
        if job_id:
            self._rejected.append(job_id)
        batch.entries.events.append(
            Event(
                name=EventName.REJECTED,
                job_id=job_id,
                at=self._context.clock.now(),
                reason=reason,
                user=user,
                provenance=provenance or None,
            )
        )


def _owned(request: Request, user: str) -> Request:
    """The broker's word on who published counts more than what the message says."""
    return msgspec.structs.replace(request, owner=user) if user else request
