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
from functools import partial

from docket.bus.declaring import declare_when_possible
from docket.bus.interface import Broker, Consumer
from docket.bus.permissions import WORKER
from docket.bus.survey_messages import ASKED_KEY
from docket.bus.topology import source_queue
from docket.config.model import Config
from docket.workers.interface.handover import handing_over
from docket.workers.interface.heartbeat import Heartbeat
from docket.workers.interface.job_messages import CLOSING, JobMessages
from docket.workers.interface.job_runner import JobRunner
from docket.workers.interface.jobs_in_hand import MOST_JOBS
from docket.workers.interface.reader import JobReading
from docket.workers.interface.surveyor import Surveyor
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


class InterfaceWorker:
    """The worker of one or several sources."""

    def __init__(self, config: Config, broker: Broker, sources: Sequence[Source]) -> None:
        self._broker = broker
        self._names = [source.name for source in sources]
        self._title = _title(self._names)
        self._publishers = PublisherPool(broker, self._title)
        hand_over = handing_over(config.spool, broker)
        at_once = {source.name: source.queries_at_once for source in config.sources}
        self._job_runners = {
            source.name: JobRunner(
                source,
                self._publishers,
                queries_at_once=at_once.get(source.name, 1),
                most_bytes=config.jobs.max_bytes,
                patience_s=config.jobs.patience_s,
                declare=lambda: broker.declare(self._names, WORKER),
                read=partial(JobReading, hand_over=hand_over),
            )
            for source in sources
        }
        self._surveyor = Surveyor({source.name: source for source in sources}, self._publishers)
        self._by_queue = {source_queue(name): job_runner for name, job_runner in self._job_runners.items()}
        self._messages = JobMessages(self._by_queue, {ASKED_KEY: self._surveyor.take})
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
                self._messages.handle(delivery)
            # While messages wait they are taken first: what is read meanwhile would hold them up.
            wait_s = LOOK_UP_S if delivery is None else 0.0
            if delivery is None or time.monotonic() - looked_s > BUSY_LOOK_S:
                for job_runner in self._job_runners.values():
                    job_runner.look()
                looked_s = time.monotonic()

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
