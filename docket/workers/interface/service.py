"""The interface worker: takes jobs from the queues of its sources and has them read. For the command line.

One thread waits on the bus for all sources; the reading, the publishing and the announcing happen in threads of
their own, so that one slow or dead source delays no other. Stopping gives back what is being read.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence

from docket.bus.addressing import is_for
from docket.bus.declaring import declare_when_possible
from docket.bus.interface import Broker, Consumer, Delivery
from docket.bus.messages import Retry, decode_event, decode_job_message
from docket.bus.permissions import WORKER
from docket.bus.replies import TRACE_HEADER
from docket.bus.survey_messages import ASKED_KEY
from docket.bus.topology import source_queue
from docket.config.model import Config
from docket.domain.clock import Clock
from docket.domain.job import EventName
from docket.domain.request import Request
from docket.errors import InvalidRequest, MessageError
from docket.runtime.traces import remember
from docket.workers.interface.heartbeat import Heartbeat
from docket.workers.interface.job_runner import JobRunner
from docket.workers.interface.reader import JobReading
from docket.workers.interface.surveyor import Surveyor
from docket.workers.interface.waiting_jobs import MOST_JOBS
from docket.workers.publisher_pool import PublisherPool
from docket.workers.sources.base import Source

log = logging.getLogger(__name__)

PREFETCH = MOST_JOBS + 64
"""Messages in hand per source, so that the jobs of one user do not hide those of the others in the queue."""
SWITCH_S = 0.0005
"""How long a thread of Python may run before another has its turn. With the usual 5 ms, the thread that takes messages
waits for that long at every look at the socket while others read packets: two thousand messages take half a minute."""
LOOK_UP_S = 0.2
"""How often the loop looks at deadlines and at the order to stop."""

BUSY_LOOK_S = 2.0
"""The same while one message follows the other."""

CLOSING = (
    EventName.CANCELLED,
    EventName.PARTIAL,
    EventName.FAILED,
    EventName.COMPLETED,
    EventName.REJECTED,
    EventName.EXPIRED,
)
"""Events after which a job's packets are not wanted any more."""


class InterfaceWorker:
    """The worker of one or several sources."""

    def __init__(self, config: Config, broker: Broker, sources: Sequence[Source]) -> None:
        self._broker = broker
        self._names = [source.name for source in sources]
        self._title = _title(self._names)
        self._publishers = PublisherPool(broker, self._title)
        at_once = {source.name: source.queries_at_once for source in config.sources}
        self._job_runners = {
            source.name: JobRunner(
                source,
                self._publishers,
                queries_at_once=at_once.get(source.name, 1),
                most_bytes=config.jobs.max_bytes,
                patience_s=config.jobs.patience_s,
                declare=lambda: broker.declare(self._names, WORKER),
                read=JobReading,
            )
            for source in sources
        }
        self._surveyor = Surveyor({source.name: source for source in sources}, self._publishers)
        self._by_queue = {source_queue(name): job_runner for name, job_runner in self._job_runners.items()}
        self._heartbeats = [
            Heartbeat(job_runner.source, self._publishers, job_runner.load) for job_runner in self._job_runners.values()
        ]

    @property
    def in_hand(self) -> int:
        """Jobs that were taken from the bus and are not settled."""
        return sum(job_runner.in_hand for job_runner in self._job_runners.values())

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Raises TopologyMismatch."""
        if not declare_when_possible(self._broker, self._names, WORKER, stop):
            return
        sys.setswitchinterval(SWITCH_S)
        receiver = self._broker.receiver(
            self._title,
            list(self._by_queue),
            prefetch=PREFETCH,
            listen=[*(name.value for name in CLOSING), ASKED_KEY],
        )
        for heartbeat in self._heartbeats:
            heartbeat.start()
        try:
            self._serve(receiver, stop)
        finally:
            self._leave(receiver)

    def _serve(self, receiver: Consumer, stop: threading.Event) -> None:
        generation, wait_s, looked_s = 0, LOOK_UP_S, time.monotonic()
        while not stop.is_set():
            delivery = receiver.receive(wait_s)
            if receiver.generation != generation:
                if generation:
                    for heartbeat in self._heartbeats:
                        heartbeat.announce()
                generation = receiver.generation
            if delivery is not None:
                self._cope(delivery)
            # While messages wait they are taken first: what is read meanwhile would hold them up.
            wait_s = LOOK_UP_S if delivery is None else 0.0
            if delivery is None or time.monotonic() - looked_s > BUSY_LOOK_S:
                for job_runner in self._job_runners.values():
                    job_runner.look()
                looked_s = time.monotonic()

    def _cope(self, delivery: Delivery) -> None:
        """Handle a message; what cannot be handled must not come back for ever."""
        try:
            self._handle(delivery)
        except (MessageError, InvalidRequest) as error:
            # The collector has the same message; it dead-letters and reports it.
            log.warning("a message from %s is not valid: %s", delivery.queue or "the events", error)
            delivery.ack()
        except Exception as error:
            log.exception("a message from %s could not be handled", delivery.queue or "the events")
            delivery.dead(f"the worker failed at it: {type(error).__name__}: {error}")

    def _handle(self, delivery: Delivery) -> None:
        """Raises MessageError, InvalidRequest."""
        if delivery.routing_key == ASKED_KEY and not delivery.queue:
            self._surveyor.take(delivery.body)
            return
        if not delivery.queue:
            event = decode_event(delivery.body, delivery.routing_key)
            for job_runner in self._job_runners.values():
                job_runner.on_event(event)
            return
        job_runner = self._by_queue[delivery.queue]
        name = job_runner.source.name
        if not is_for(delivery.headers, name):
            delivery.ack()
            return
        message = decode_job_message(delivery.body, delivery.routing_key, Clock().now_us())
        if isinstance(message, Request) and (message.sources is None or name in message.sources):
            remember(message.id, delivery.headers.get(TRACE_HEADER))
            job_runner.take(message, 1, delivery)
        elif isinstance(message, Retry) and message.order is not None and name in message.order.attempts:
            remember(message.id, delivery.headers.get(TRACE_HEADER))
            job_runner.take(message.order.request, message.order.attempts[name], delivery)
        else:
            delivery.ack()

    def _leave(self, receiver: Consumer) -> None:
        """The order of leaving: no new jobs, give back what is read, announce the end, close the connections."""
        for job_runner in self._job_runners.values():
            job_runner.leave()
        for heartbeat in self._heartbeats:
            heartbeat.leave()
        receiver.close()
        self._surveyor.leave()
        self._publishers.close()
        for job_runner in self._job_runners.values():
            job_runner.source.close()


def _title(names: Sequence[str]) -> str:
    """What the broker lists. It becomes part of a queue's name, which may have 255 bytes, so not all are named."""
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"docket worker {names[0]}{others}"
