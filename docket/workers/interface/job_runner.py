"""Runs the jobs of one source: each waits for its place, is read in a thread of its own, and is settled.

For `interface`, whose one thread calls every public method here. What makes a job end early is written down in
`Ending`, because it decides what becomes of the message that brought the job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from docket.bus.interface import Delivery
from docket.bus.messages import Fragment, FragmentKind, fragment_headers
from docket.bus.replies import trace_headers
from docket.bus.senders import sender
from docket.bus.topology import FRAGMENTS, fragment_shard
from docket.domain.clock import Clock, DeadlineClock
from docket.domain.event import EventMessage
from docket.domain.job import FULL, EventName
from docket.domain.request import Request
from docket.domain.timewindow import US_PER_S
from docket.errors import BusError, BusLost, Unroutable
from docket.runtime.traces import traceparent_of
from docket.workers.interface import verdict_texts
from docket.workers.interface.announcer import Announcer
from docket.workers.interface.fragment_publisher import Publish, refusal
from docket.workers.interface.jobs_in_hand import PLACES, ActiveJob, Ending, WaitingJobs
from docket.workers.interface.reader import Lane, Stopped, Task, latest_begin_us
from docket.workers.interface.reading_figures import READING_FAILURES, READING_SECONDS, READINGS
from docket.workers.interface.scheduler import QUICK_S, CostModel, Scheduler
from docket.workers.interface.verdict_texts import Finding
from docket.workers.publisher_pool import PublisherPool

log = logging.getLogger(__name__)

STATUS_S = 1.0
"""A status that the bus does not take within this is left out."""
DECLARE_AGAIN_S = 1.0
READ_AGAIN_S = 1.0
"""Between an answer that the bus did not take and another reading."""
REMEMBERED = 10_000
"""Jobs that were finished here and whose request may come once more, because an acknowledgement got lost."""
LEAVE_S = 5.0
LATE_LOOK_S = 0.1
"""How often all jobs in hand are gone through for those that have come to their deadline."""


class Named(Protocol):
    """What the job service itself has to know of a source."""

    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


class Readable(Protocol):
    """One reading, which `run` carries out up to its confirmed end. Raises Stopped, BusError."""

    read_s: float

    def run(self) -> Finding: ...


Read = Callable[[S, Task, Publish, threading.Event, Lane], Readable]


class JobRunner(Generic[S]):
    """One source and its jobs."""

    def __init__(
        self,
        source: S,
        publishers: PublisherPool,
        *,
        queries_at_once: int,
        most_at_once: int = 0,
        most_bytes: int,
        patience_s: float,
        declare: Callable[[], None],
        read: Read[S],
    ) -> None:
        """`declare` brings back queues that vanished; it may raise BusError. `read` makes a reading of the source."""
        self.source = source
        self._read = read
        self._publishers = publishers
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._declare = declare
        self._clock = Clock()
        self._deadline_clock = DeadlineClock(self._clock)
        self._scheduler = Scheduler(queries_at_once, most_at_once)
        self._cost_model = CostModel()
        self._lock = threading.Lock()
        self._active: dict[str, ActiveJob] = {}
        self._waiting: WaitingJobs[ActiveJob] = WaitingJobs(PLACES)
        self._announcer = Announcer(source.name, self._publish_status, self._waits_for)
        self._leaving = False
        self._taking = False
        """Messages come one after the other: what begins now would hold them up, and the next user's with them."""
        self._late_looked_s = 0.0
        self._finished: OrderedDict[str, int] = OrderedDict()

    @property
    def in_hand(self) -> int:
        """Jobs that are read or wait here."""
        with self._lock:
            return len(self._active)

    def load(self) -> dict[str, int]:
        """How busy the source is kept."""
        reading = self._scheduler.reading
        return {"queries": reading, "waiting": max(self.in_hand - reading, 0)}

    def take(self, request: Request, base: int, delivery: Delivery) -> None:
        """Have it read, unless it is being read, was read, or it is too late. Settles the delivery in time.

        It begins with the next `look`: of thousands that come at once, the last may be of the user who is next.
        """
        log_as = (request.id, self.source.name)
        if self._deadline_clock.now_us() >= request.deadline_us:
            log.info("job %s: %s leaves it, its deadline has passed", *log_as)
            delivery.ack()
            return
        with self._lock:
            running = self._active.get(request.id)
            if running is not None and base <= running.base and running.ending is Ending.DONE:
                running.deliveries.append(delivery)
                return
            if self._finished.get(request.id, 0) >= base:
                log.info("job %s: %s has done with it, the message came again", *log_as)
                delivery.ack()
                return
            if running is not None:
                self._stop(running, Ending.SUPERSEDED)
            self._taking = True
            owner = sender(delivery.user_id, request.owner, delivery.account)
            active = ActiveJob(request, base, base + delivery.count - 1, [delivery], owner=owner)
            self._active[request.id] = active
            surplus = self._waiting.put(
                request.id, active, owner=owner, size_bytes=len(delivery.body), due_us=self._due_us(request)
            )
        if surplus is not None:
            self._start(surplus, self._turn_away)
        self._announcer.add(request.id, active.attempt)

    def on_event(self, event: EventMessage) -> None:
        """Stop reading a job that has ended, unless the event is older than a retry that is being read."""
        job_id = event.job.id if event.job is not None else event.job_id
        if job_id is None:
            return
        answer = event.job.answer(self.source.name) if event.job is not None else None
        with self._lock:
            active = self._active.get(job_id)
            older = active is not None and answer is not None and 0 < answer.attempt < active.attempt
            if older and event.event is not EventName.CANCELLED:
                return
            if active is not None:
                self._stop(active, Ending.FINAL)
            # Its request may come late; it is read no more.
            self._remember(job_id, active.base if active else 1)
        self._scheduler.wake()

    def look(self) -> None:
        """Stop what has come to its deadline, and begin what has a place and has come to its time."""
        now_us = self._deadline_clock.now_us()
        with self._lock:
            self._taking = False
            late: list[ActiveJob] = []
            if self._clock.monotonic_s() - self._late_looked_s >= LATE_LOOK_S:
                self._late_looked_s = self._clock.monotonic_s()
                late = [one for one in self._active.values() if now_us >= one.request.deadline_us]
            for active in late:
                self._stop(active, Ending.LATE)
        if late:
            self._scheduler.wake()
        self._begin()

    def leave(self) -> None:
        """Stop everything; what waits or is being read is given back to the queue."""
        self._announcer.close()
        with self._lock:
            self._leaving = True
            threads = [active.thread for active in self._active.values()]
            for active in list(self._active.values()):
                self._stop(active, Ending.LEAVING)
        self._scheduler.wake()
        give_up_s = time.monotonic() + LEAVE_S
        for thread in threads:
            if thread is not None:
                thread.join(max(give_up_s - time.monotonic(), 0.0))

    def _stop(self, active: ActiveJob, ending: Ending) -> None:
        """Under the lock."""
        if active.ending is not Ending.DONE:
            return
        active.ending = ending
        active.stop.set()
        if self._waiting.discard(active.request.id) is not None:
            self._settle(active, "")

    def _begin(self) -> None:
        """Start the jobs that have a place now."""
        while True:
            with self._lock:
                active = None if self._leaving else self._waiting.begin(self._clock.now_us())
            if active is None:
                return
            self._start(active, self._work)

    def _start(self, active: ActiveJob, work: Callable[[ActiveJob], None]) -> None:
        name = f"{self.source.name} {active.request.id}"
        thread = threading.Thread(target=work, args=(active,), name=name, daemon=True)
        thread.start()
        active.thread = thread

    def _due_us(self, request: Request) -> int:
        """When a job may begin: what has not been recorded cannot be read, except shortly before the deadline."""
        if not request.wait_for_flush:
            return 0
        return min(request.window.before_us, latest_begin_us(request))

    def _waits_for(self, job_id: str) -> str:
        """What a job waits for; nothing if it does not."""
        now_us = self._clock.now_us()
        with self._lock:
            if job_id not in self._waiting:
                return ""
            place, request = self._waiting.place(job_id, now_us), self._active[job_id].request
        if place is None:
            return verdict_texts.waiting_for_window(request.window, self._due_us(request))
        return verdict_texts.waiting_for_place(place.own_ahead, place.others, self.source.name)

    def _publish_status(self, fragment: Fragment) -> None:
        """Raises BusError."""
        self._send(fragment, persistent=False, mandatory=False, wait_s=STATUS_S, give_up=threading.Event())

    def _turn_away(self, active: ActiveJob) -> None:
        """Refuse a job for which there is no room: its owner has more that wait than anybody else."""
        log.warning(
            "job %s: %s has no room for it, %d jobs wait", active.request.id, self.source.name, len(self._waiting)
        )
        self._answer_refused(
            active, verdict_texts.no_room(self.source.name), "Ask again when your other jobs are done."
        )
        self._end(active, "")

    def _work(self, active: ActiveJob) -> None:
        """The life of one job here."""
        request, name = active.request, self.source.name
        task = Task(request, active.attempt, self._most_bytes, self._patience_s)
        quick = self._cost_model.guess_s(request) <= QUICK_S
        reading = self._read(
            self.source,
            task,
            partial(self._publish, active),
            active.stop,
            lambda on_place: self._scheduler.turn(quick=quick, stop=active.stop, on_place=on_place, owner=active.owner),
        )
        reason = ""
        try:
            finding = reading.run()
            active.answered = True
            log.info("job %s: %s: %s, %s", request.id, name, finding.verdict.value, finding.sentence)
            READINGS.labels(name, finding.verdict.value).inc()
            READING_SECONDS.labels(name).observe(reading.read_s)
            if finding.verdict in FULL:
                self._cost_model.learn(request, reading.read_s)
        except Stopped:
            log.info("job %s: %s stopped reading: %s", request.id, name, active.ending.name.lower())
        except BusError as error:
            log.warning("job %s: %s could not publish its answer: %s", request.id, name, error)
        except Exception as error:
            # The one broad net: whatever a thread dies of, its job must end, and with a word about it.
            log.exception("job %s: reading %s failed", request.id, name)
            READING_FAILURES.labels(name).inc()
            reason = f"the worker of {name} failed: {type(error).__name__}: {error}"
            self._answer_refused(active, f"{reason[:1].upper()}{reason[1:]}.", "See the worker's log.")
        self._end(active, reason, placed=True)

    def _end(self, active: ActiveJob, reason: str, *, placed: bool = False) -> None:
        """The thread of a job is done with it."""
        if not active.answered:
            active.stop.wait(READ_AGAIN_S)  # whatever the bus has, it is not asked for ever more
        with self._lock:
            self._settle(active, reason)
            if placed:
                self._waiting.end(active.owner)
            taking = self._taking
        if placed and not taking:
            self._begin()

    def _settle(self, active: ActiveJob, reason: str) -> None:
        """Decide in one place what becomes of the message: back, dead, or done. Under the lock."""
        if self._active.get(active.request.id) is active:
            del self._active[active.request.id]
        if active.ending is Ending.LEAVING and not active.answered:
            return  # the receiver gives back what is in hand when it closes
        if active.ending is Ending.DONE and not active.answered:
            log.warning("job %s: %s reads it again", active.request.id, self.source.name)
            for delivery in active.deliveries:
                delivery.requeue()
            return
        for delivery in active.deliveries:
            if reason:
                delivery.dead(reason)
            else:
                delivery.ack()
        self._remember(active.request.id, active.base)

    def _remember(self, job_id: str, base: int) -> None:
        self._finished[job_id] = max(base, self._finished.pop(job_id, 0))
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def _publish(self, active: ActiveJob, fragment: Fragment) -> None:
        """Return when the bus has it; a status may get lost, the rest waits until the deadline. Raises BusError."""
        if fragment.kind is FragmentKind.STATUS:
            try:
                self._send(fragment, persistent=False, mandatory=False, wait_s=STATUS_S, give_up=active.stop)
            except BusError as error:
                log.debug("job %s: a status was left out: %s", fragment.job, error)
            return
        lasting = fragment.kind is not FragmentKind.DATA
        level = logging.WARNING
        while True:
            wait_s = max((active.request.deadline_us - self._deadline_clock.now_us()) / US_PER_S, STATUS_S)
            try:
                self._send(fragment, persistent=lasting, mandatory=True, wait_s=wait_s, give_up=active.stop)
                return
            except Unroutable as error:
                if active.stop.wait(DECLARE_AGAIN_S):
                    raise
                log.log(level, "job %s: %s; declaring the queues again", fragment.job, error)
                level = logging.DEBUG  # one line per outage
                self._declare_again()

    def _declare_again(self) -> None:
        """A queue on a node that is away can neither be used nor declared until the node is back."""
        try:
            self._declare()
        except BusLost as error:
            log.debug("the queues cannot be declared yet: %s", error)

    def _send(
        self, fragment: Fragment, *, persistent: bool, mandatory: bool, wait_s: float, give_up: threading.Event
    ) -> None:
        with self._publishers.lend() as publisher:
            publisher.publish(
                FRAGMENTS,
                fragment_shard(fragment.job, fragment.source),
                fragment.body,
                headers=fragment_headers(fragment) | trace_headers(traceparent_of(fragment.job)),
                persistent=persistent,
                mandatory=mandatory,
                wait_s=wait_s,
                give_up=give_up,
            )

    def _answer_refused(self, active: ActiveJob, sentence: str, next_step: str) -> None:
        """An answer in place of a reading, of a later run than one that failed."""
        try:
            self._publish(active, refusal(active.request.id, self.source.name, active.attempt, sentence, next_step))
            active.answered = True
        except BusError as error:
            log.warning("job %s: the failure could not be published: %s", active.request.id, error)
