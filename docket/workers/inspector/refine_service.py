"""Takes questions that have a parent from their own queue and has them answered out of the spool. For `inspector`.

The job runner is the one of every worker; only the reading is another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from docket.bus.interface import Broker
from docket.bus.topology import source_queue
from docket.config.model import Config
from docket.domain.clock import Clock
from docket.domain.refinement import SPOOL_SOURCE
from docket.spool.layout import Spool
from docket.workers.inspector.refine_reader import RefineReader, SpoolSource
from docket.workers.interface.job_messages import CLOSING, JobMessages
from docket.workers.interface.job_runner import JobRunner
from docket.workers.interface.jobs_in_hand import MOST_JOBS
from docket.workers.publisher_pool import PublisherPool

log = logging.getLogger(__name__)

PREFETCH = MOST_JOBS + 64
LOOK_UP_S = 0.2
AT_ONCE = 2
MOST_AT_ONCE = 8
"""Where those that are read take long; their dissectors run with a lower priority than what people look at."""


class RefineService:
    """One per inspector; `work` runs in a thread until asked to stop."""

    def __init__(self, config: Config, broker: Broker, spool: Spool, declare: Callable[[], None]) -> None:
        self._broker = broker
        self._publishers = PublisherPool(broker, "docket inspector, refinements")
        self._clock = Clock()
        self._job_runner = JobRunner(
            SpoolSource(spool),
            self._publishers,
            queries_at_once=AT_ONCE,
            most_at_once=MOST_AT_ONCE,
            most_bytes=config.jobs.max_bytes,
            patience_s=config.jobs.patience_s,
            declare=declare,
            read=RefineReader,
        )

    def work(self, stop: threading.Event) -> None:
        queue = source_queue(SPOOL_SOURCE)
        messages = JobMessages({queue: self._job_runner})
        listen = [name.value for name in CLOSING]
        receiver = self._broker.receiver("docket inspector, refinements", [queue], prefetch=PREFETCH, listen=listen)
        try:
            while not stop.is_set():
                delivery = receiver.receive(LOOK_UP_S)
                if delivery is not None:
                    messages.handle(delivery)
                self._job_runner.look()
        finally:
            self._job_runner.leave()
            receiver.close()
            self._publishers.close()
