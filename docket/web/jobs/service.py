"""Where requests are handed in, and jobs are looked up, watched and waited for: the one class that answers for them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec

from docket.bus import topology
from docket.bus.addressing import address
from docket.bus.async_interface import AsyncBusClient
from docket.bus.messages import encode
from docket.bus.replies import trace_headers
from docket.config.model import Config
from docket.domain.clock import now_us
from docket.domain.event import EventMessage
from docket.domain.ids import is_new, new_id
from docket.domain.job import Event, EventName, Job, State
from docket.domain.request import SOURCE_NAME, Request, check_request, fingerprint
from docket.domain.request_message import Limits
from docket.domain.source import SourceStatus
from docket.domain.timewindow import US_PER_S, parse_time_us
from docket.domain.units import size_text
from docket.errors import BusError, Fault, InvalidRequest, NoSuchJob, SpoolError, SpoolFull
from docket.runtime.traces import remember
from docket.spool.layout import Spool
from docket.web.http.api_errors import RETRY_AFTER_S, ApiError, api_error
from docket.web.http.executor import Executor
from docket.web.jobs.admission import Admission
from docket.web.jobs.known_sources import known_sources
from docket.web.jobs.pending import Pending, PendingJob
from docket.web.jobs.size_guard import SizeGuard
from docket.web.live.async_ledger import Ledger
from docket.web.live.event_feed import EventFeed, Watch

PUBLISH_S = 5.0
"""How long an asker waits for the broker before the error: a short restart passes unnoticed."""

CLOCK_SLACK_S = 300
"""How far a client's own `requested_at` may be from this machine's clock."""

ARRIVAL_S = 2.0
"""How long a job that was asked of another process just now may take to come into the ledger; usually milliseconds."""

RECORDED_S = 1.0
"""How long the ledger's list of sources serves for new questions; news of a source comes over the bus besides."""

MOST_AWAITED = 100
"""Lookups that wait for that at once. An id with today's time in it is easily made up: the rest is answered at once."""


class JobService:
    """One per process, for the event loop only."""

    def __init__(
        self,
        config: Config,
        link: AsyncBusClient,
        ledger: Ledger,
        event_feed: EventFeed,
        spool: Spool,
        files: Executor,
        size_guard: SizeGuard,
    ) -> None:
        self._config = config
        self._link = link
        self._ledger = ledger
        self._event_feed = event_feed
        self._spool = spool
        self._files = files
        self._size_guard = size_guard
        self.pending = Pending()
        self._awaited = 0
        self._admission = Admission(self.pending.unread)
        self._recorded: tuple[SourceStatus, ...] = ()
        self._recorded_s = -math.inf
        """When the ledger was asked for its sources last."""
        event_feed.add_listener(self.pending.on_event)
        event_feed.add_listener(self._on_event)
        event_feed.expect(self.pending.ids)

    def _on_event(self, message: EventMessage) -> None:
        if message.event is EventName.SOURCE_FORGOTTEN:
            self._recorded_s = -math.inf
        self._admission.look()

    async def job(self, job_id: str) -> Job:
        """The job as it stands. Raises NoSuchJob, SpoolError."""
        pending = self.pending.find(job_id)
        try:
            job = await self._ledger.find(job_id)
        except SpoolError:
            if pending is None:
                raise
            return pending
        if job is None and pending is None and await self._arrives(job_id):
            job = await self._ledger.find(job_id)
        if job is not None:
            return self.freshest(job)
        if pending is not None:
            return pending
        raise NoSuchJob(job_id)

    async def story(self, job_id: str) -> tuple[Job, tuple[Event, ...]]:
        """The job and what happened to it. Raises NoSuchJob, SpoolError."""
        pending = self.pending.find(job_id)
        try:
            job, events = await self._ledger.story(job_id)
        except (NoSuchJob, SpoolError) as error:
            if pending is not None:
                return pending, ()
            if isinstance(error, SpoolError) or not await self._arrives(job_id):
                raise
            job, events = await self._ledger.story(job_id)
        return self.freshest(job), tuple(events)

    def watch(self, job_id: str) -> AbstractContextManager[Watch]:
        """What becomes of the job within the block."""
        return self._event_feed.watch(job_id)

    async def wait_for(self, watch: Watch, job_id: str, wanted: Callable[[Job], bool], timeout_s: float) -> Job:
        """The first state of a watched job that is wanted; after the time-out the job as it stands.

        Raises NoSuchJob, SpoolError.
        """
        # An event may be late or lost on the bus; the ledger knows.
        return await watch.until(wanted, timeout_s) or await self.job(job_id)

    async def _arrives(self, job_id: str) -> bool:
        """Wait a little for an unknown job; False, at once, if its id does not look like one of just now.

        A process that answered 201 and died at once vouches for its job no more, and the collector may need a moment.
        """
        if self._awaited >= MOST_AWAITED or not is_new(job_id):
            return False
        self._awaited += 1
        try:
            with self.watch(job_id) as watch:
                # Its event may have come between the first look into the ledger and this watch.
                if await self._ledger.find(job_id) is None:
                    await watch.news(ARRIVAL_S)
        finally:
            self._awaited -= 1
        return True

    def freshest(self, job: Job) -> Job:
        """The ledger's job, with the progress that the bus has brought since."""
        progress = self._event_feed.progress.get(job.id)
        if progress is None or job.state is not State.RUNNING or progress.revision != job.revision:
            return job
        return progress

    def is_configured(self, name: str) -> bool:
        return any(source.name == name for source in self._config.sources)

    async def sources(self) -> list[SourceStatus]:
        """Every source that is known. Raises SpoolError."""
        return known_sources(self._config.sources, await self._ledger.sources(), self._event_feed.sources, now_us())

    async def ask(
        self, raw: Mapping[str, Any], user: str, only_of: str | None = None, traceparent: str = ""
    ) -> tuple[Job, bool]:
        """Hand in a question; gives its job, and whether that is a new one.

        A `user` is the job's owner, whatever the question says; with `only_of`, only a job of that owner may stand
        for the new one; `traceparent` goes with the request.
        Raises InvalidRequest with every fault, SpoolFull, BusError, SpoolError, ApiError.
        """
        known = await self._recent_sources(raw.get("sources"))
        request, will = self._check(raw, user, [source.name for source in known])
        async with self._admission.turn(request.owner):
            await self._check_space()
            too_big = None if will.force else await self._size_guard.refusal(request, raw, known)
            return await self._ask(request, will, too_big, only_of, traceparent)

    async def _ask(
        self, request: Request, will: _Will, too_big: ApiError | None, only_of: str | None, traceparent: str
    ) -> tuple[Job, bool]:
        print_ = fingerprint(request)
        departures = -1
        while departures != self.pending.departures:
            departures = self.pending.departures
            existing = await self._known(request, print_, only_of, fresh=will.fresh)
            if existing is not None:
                return existing, False
        # Nothing is awaited between this look and the entry below: two identical questions cannot pass each other.
        same = self.pending.same(request, print_, fresh=will.fresh)
        if same is not None:
            is_ours = only_of in (None, same.job.owner)
            if same.fingerprint != print_ or (same.request.id == request.id and not is_ours):
                raise _id_taken()
            if is_ours:
                await same.confirmed
                return same.job, False
        if self.pending.is_full_for(request.owner):
            raise _busy()
        if too_big is not None:
            raise too_big
        return await self._publish(request, print_, remember(request.id, traceparent)), True

    async def sources_or_configured(self) -> list[SourceStatus]:
        """Every source that is known; without a ledger those of the configuration and the bus."""
        try:
            return await self.sources()
        except SpoolError:
            return known_sources(self._config.sources, (), self._event_feed.sources, now_us())

    async def _recent_sources(self, wanted: object) -> list[SourceStatus]:
        """The same, as far as the ledger is concerned of a moment ago, unless one is wanted that it did not have."""
        now_s = asyncio.get_running_loop().time()
        names = set(wanted) if isinstance(wanted, list) and all(isinstance(one, str) for one in wanted) else set()
        known = known_sources(self._config.sources, self._recorded, self._event_feed.sources, now_us())
        if now_s - self._recorded_s < RECORDED_S and names <= {source.name for source in known}:
            return known
        try:
            self._recorded, self._recorded_s = tuple(await self._ledger.sources()), now_s
        except SpoolError:
            self._recorded = ()
        return known_sources(self._config.sources, self._recorded, self._event_feed.sources, now_us())

    def _check(self, raw: Mapping[str, Any], user: str, known: list[str]) -> tuple[Request, _Will]:
        question = dict(raw)
        faults: list[Fault] = []
        flags = {name: question.pop(name, False) for name in _Will._fields}
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                faults.append(Fault("bad-flag", f"{name} must be true or false", name))
        if question.get("id") is None:
            question["id"] = new_id()
        if user:
            question["owner"] = user
        at_us = now_us()
        faults += _clock_faults(question.get("requested_at"), at_us)
        faults += _unknown_sources(question.get("sources"), known)
        request: Request | None = None
        try:
            request = check_request(
                question,
                arrived_at_us=at_us,
                stamp=True,
                default_deadline_s=self._config.jobs.deadline_s,
                default_window_s=self._config.jobs.default_window_s,
            )
        except InvalidRequest as error:
            faults = [*error.faults, *faults]
        if faults or request is None:
            raise InvalidRequest(faults)
        return self._with_defaults(request, known), _Will(**flags)

    def _with_defaults(self, request: Request, known: list[str]) -> Request:
        if request.sources is None and not known:
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            raise api_error(503, "no-sources", "no source is known yet: is a worker running?", headers=wait)
        most = self._config.jobs.max_bytes
        limits = Limits(bytes=min(request.limits.bytes or most, most), packets=request.limits.packets)
        return msgspec.structs.replace(request, sources=request.sources or tuple(known), limits=limits)

    async def _check_space(self) -> None:
        least_bytes = self._config.spool.min_free_bytes
        free_bytes = await self._files.run(self._spool.free_bytes)
        if free_bytes < least_bytes:
            raise SpoolFull(
                f"the spool has {size_text(free_bytes)} left, new jobs need {size_text(least_bytes)}; "
                "delete results or make room"
            )

    def _check_open(self, count: int) -> None:
        most = self._config.jobs.open_per_user
        if count >= most:
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            message = (
                f"{count:,} of your jobs have not ended, and {most:,} is the most; wait for some of them, or cancel"
            )
            raise api_error(429, "too-many-jobs", message, headers=wait)

    async def _known(self, request: Request, print_: str, only_of: str | None, *, fresh: bool) -> Job | None:
        """The job that this request already is, or that asks the same. Raises ApiError (409, 429)."""
        try:
            standing = await self._ledger.standing(request.id, request.owner, None if fresh else print_, only_of)
        except SpoolError:
            # Without a ledger the collector, which has one, counts open jobs and finds doubles by their id.
            return None
        self._check_open(standing.open_jobs)
        job = standing.job
        if job is None:
            return standing.same
        opened = Job.opened(request, request.sources or ())
        is_ours = only_of in (None, job.owner)
        if not is_ours or (job.query, job.after, job.before) != (opened.query, opened.after, opened.before):
            raise _id_taken()
        return job

    async def _publish(self, request: Request, print_: str, traceparent: str) -> Job:
        pending = PendingJob(request, print_, Job.opened(request, request.sources or ()))
        self.pending.add(pending)
        try:
            await self._link.publish(
                topology.JOBS,
                topology.REQUEST_KEY,
                encode(request),
                mandatory=True,
                timeout_s=PUBLISH_S,
                headers=address(request) | trace_headers(traceparent),
            )
        except BusError as error:
            self.pending.remove(request.id)
            pending.confirmed.set_exception(error)
            pending.confirmed.exception()  # marks it as seen: often nothing else waits for it
            raise
        pending.confirmed.set_result(None)
        return pending.job


class _Will(NamedTuple):
    """What the asker insists on."""

    fresh: bool
    force: bool


def _clock_faults(requested_at: object, at_us: int) -> list[Fault]:
    """A request from another clock would get a window and a deadline that was not meant."""
    if not isinstance(requested_at, str):
        return []
    try:
        apart_us = abs(parse_time_us(requested_at, None) - at_us)
    except ValueError:
        return []  # `check_request` says so
    if apart_us <= CLOCK_SLACK_S * US_PER_S:
        return []
    message = f"requested_at is more than {CLOCK_SLACK_S} s from the server's clock; leave it out"
    return [Fault("bad-time", message, "requested_at")]


def _unknown_sources(names: object, known: list[str]) -> list[Fault]:
    if not isinstance(names, list):
        return []
    return [
        Fault("unknown-source", f"there is no source {name}", "sources")
        for name in names
        if isinstance(name, str) and SOURCE_NAME.fullmatch(name) and name not in known
    ]


def _id_taken() -> ApiError:
    return api_error(409, "id-taken", "another question has this id", "id")


def _busy() -> ApiError:
    wait = {"Retry-After": str(RETRY_AFTER_S)}
    return api_error(503, "busy", "too many questions wait for the collector; try again later", headers=wait)
