"""What the collector says on the bus: what it has written down, what is to be read again, how far open jobs are.

Nothing is published before it is in the ledger. What cannot be published now waits and follows later, in order.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from threading import Event as Flag

from docket.bus.addressing import address
from docket.bus.cloud_events import attributes
from docket.bus.interface import Publication, Publisher
from docket.bus.messages import Order, Retry, encode
from docket.bus.replies import trace_headers
from docket.bus.topology import EVENTS, JOBS, RETRY_KEY
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.provenance import Provenance
from docket.domain.source import SourceStatus
from docket.errors import BusError
from docket.runtime.job_figures import JobFigures
from docket.runtime.traces import remember
from docket.spool.ledger_writer import Ledger, Recorded
from docket.workers.collector.open_job import OpenJob
from docket.workers.collector.reply_publisher import ReplyPublisher

log = logging.getLogger(__name__)

PROGRESS_S = 0.25
"""At most four times a second per job."""

PUBLISH_WAIT_S = 2.0
PUBLISH_AGAIN_S = 1.0

MOST_AT_ONCE = 64
"""Events that are published together, and are published once more if the bus is lost meanwhile."""

MOST_REMEMBERED = 10_000
"""Jobs of which is remembered how they came."""

MARK_AGAIN_S = 0.2
"""How long it may take until the ledger knows what was published."""

_UNKNOWN = Provenance()

_TELLS_PROGRESS = frozenset({EventName.STARTED, EventName.SOURCE})
"""Events after which a word of how far their job is need not follow at once."""


class Outbox:
    """For the collector's thread."""

    def __init__(
        self,
        publisher: Publisher,
        clock: Clock,
        give_up: Flag,
        ledger: Ledger,
        figures: JobFigures | None,
        replies: ReplyPublisher,
    ) -> None:
        """Begins with what the ledger has, but the bus perhaps not."""
        self._publisher = publisher
        self._clock = clock
        self._give_up = give_up
        self._unpublished = deque(ledger.unpublished())
        self._published: list[int] = []
        self._figures = figures
        self._replies = replies
        self._look_up = ledger.provenance
        self._provenances: dict[str, Provenance] = {}
        self._again_at_s = 0.0
        self._progress_published_s: dict[str, float] = {}

    def add(self, recorded: Iterable[Recorded]) -> None:
        """These are in the ledger now and are to be published."""
        self._unpublished.extend(recorded)

    def take_published(self) -> list[int]:
        """The numbers of the events published since the last call, for the ledger to note."""
        published, self._published = self._published, []
        return published + self._replies.take_done()

    def close(self) -> None:
        """Send the replies that wait."""
        self._replies.close()

    def forget(self, job_id: str) -> None:
        """The job is open no more."""
        self._progress_published_s.pop(job_id, None)
        self._provenances.pop(job_id, None)

    def due_s(self, jobs: Collection[OpenJob], now_s: float) -> list[float]:
        """When there will be something to tell, as far as that is known now."""
        due_s = [self._next_progress_s(job) for job in jobs if job.changed]
        if self._unpublished or self._published:
            due_s.append(max(self._again_at_s, now_s + MARK_AGAIN_S))
        return due_s

    def tell(self, jobs: Collection[OpenJob]) -> None:
        """Publish whatever waits. While the bus is away, that is tried once a second."""
        now_s = self._clock.monotonic_s()
        if now_s < self._again_at_s:
            return
        try:
            while self._unpublished:
                self._publish_recorded(list(islice(self._unpublished, MOST_AT_ONCE)))
            for job in jobs:
                self._publish_attempts(job)
            self._publish_progress([job for job in jobs if job.changed and now_s >= self._next_progress_s(job)], now_s)
        except BusError as error:
            log.warning("events wait for the bus: %s", error)
            self._again_at_s = self._clock.monotonic_s() + PUBLISH_AGAIN_S

    def tell_offline(self, status: SourceStatus) -> None:
        """Say on behalf of a source that it is offline. Not worth waiting for: it is in the ledger."""
        self._publish_source(EventName.SOURCE_OFFLINE, status)

    def tell_forgotten(self, name: str) -> None:
        """Say that a source is not asked any more."""
        status = SourceStatus(name=name, kind="", state="offline", last_seen=self._clock.now())
        self._publish_source(EventName.SOURCE_FORGOTTEN, status)

    def _publish_source(self, event: EventName, status: SourceStatus) -> None:
        message = EventMessage(event=event, at=self._clock.now(), source=status)
        try:
            self._publish_all([_publication(message, persistent=False)])
        except BusError as error:
            log.info("%s of %s is not published: %s", event.value, status.name, error)

    def _publish_recorded(self, several: Sequence[Recorded]) -> None:
        """Publish events that are in the ledger. The bus confirms them together: a wait for each takes longer than all
        else that the collector does for a small job."""
        messages = [EventMessage.of(one.event, one.job) for one in several]
        provenances = [one.event.provenance or self._provenance(one.event.job_id) for one in several]
        self._publish_all(map(_publication, messages, provenances))
        now_s = self._clock.monotonic_s()
        if len(self._progress_published_s) > MOST_REMEMBERED:
            self._progress_published_s.clear()
        for message, provenance in zip(messages, provenances, strict=True):
            if self._figures is not None:
                self._figures.on_event(message)
            self._unpublished.popleft()
            if message.event in _TELLS_PROGRESS and message.job_id:
                self._progress_published_s[message.job_id] = now_s
            self._reply(message, provenance)

    def _publish_attempts(self, job: OpenJob) -> None:
        if job.to_ask and (attempts := job.orders()):
            order = Retry(id=job.id, order=Order(request=job.request, attempts=attempts))
            headers = address(order) | trace_headers(self._provenance(job.id).traceparent)
            self._publish_all([Publication(JOBS, RETRY_KEY, encode(order), headers)])
            job.ordered(attempts)

    def _publish_progress(self, jobs: Sequence[OpenJob], now_s: float) -> None:
        publications = []
        for job in jobs:
            self._progress_published_s[job.id] = now_s
            snapshot = job.snapshot()
            message = EventMessage(event=EventName.PROGRESS, at=self._clock.now(), job=snapshot, job_id=job.id)
            publications.append(_publication(message, self._provenance(job.id), persistent=False))
        self._publish_all(publications)

    def _next_progress_s(self, job: OpenJob) -> float:
        return self._progress_published_s.get(job.id, 0.0) + PROGRESS_S

    def _reply(self, message: EventMessage, provenance: Provenance) -> None:
        """Send it to the asker's queue, if there is one; then it is published."""
        if provenance.reply_to:
            self._replies.send(message.seq, provenance, encode(message), _headers(message, provenance))
        elif message.seq is not None:
            self._published.append(message.seq)

    def _provenance(self, job_id: str) -> Provenance:
        """How the request of a job came, as the ledger has it."""
        known = self._provenances.get(job_id)
        if known is None:
            known = self._look_up(job_id) or _UNKNOWN
            remember(job_id, known.traceparent)
            if len(self._provenances) >= MOST_REMEMBERED:
                self._provenances.clear()
            self._provenances[job_id] = known
        return known

    def _publish_all(self, publications: Iterable[Publication]) -> None:
        self._publisher.publish_all(list(publications), wait_s=PUBLISH_WAIT_S, give_up=self._give_up)


def _publication(message: EventMessage, provenance: Provenance = _UNKNOWN, *, persistent: bool = True) -> Publication:
    return Publication(EVENTS, message.event.value, encode(message), _headers(message, provenance), persistent)


def _headers(message: EventMessage, provenance: Provenance) -> dict[str, str]:
    return attributes(message, "collector") | trace_headers(provenance.traceparent)
