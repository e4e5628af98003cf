"""Takes questions that have a parent from their own queue and has them answered out of the spool. For `inspector`.

The job runner is the one of every worker; only the reading is another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from docket.bus.addressing import is_for
from docket.bus.interface import Broker, Delivery
from docket.bus.messages import Retry, decode_event, decode_job_message
from docket.bus.replies import TRACE_HEADER
from docket.bus.topology import source_queue
from docket.config.model import Config
from docket.domain.clock import Clock
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import Request
from docket.errors import InvalidRequest, MessageError
from docket.runtime.traces import remember
from docket.spool.layout import Spool
from docket.workers.inspector.refine_reader import RefineReader, SpoolSource
from docket.workers.interface.job_runner import JobRunner
from docket.workers.interface.service import CLOSING
from docket.workers.interface.waiting_jobs import MOST_JOBS
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
        listen = [name.value for name in CLOSING]
        receiver = self._broker.receiver("docket inspector, refinements", [queue], prefetch=PREFETCH, listen=listen)
        try:
            while not stop.is_set():
                delivery = receiver.receive(LOOK_UP_S)
                if delivery is not None:
                    try:
                        self._handle(delivery)
                    except (MessageError, InvalidRequest) as error:
                        # The collector has the same message; it dead-letters and reports it.
                        log.warning("a message is not valid: %s", error)
                        delivery.ack()
                self._job_runner.look()
        finally:
            self._job_runner.leave()
            receiver.close()
            self._publishers.close()

    def _handle(self, delivery: Delivery) -> None:
        """Raises MessageError, InvalidRequest."""
        if not delivery.queue:
            self._job_runner.on_event(decode_event(bytes(delivery.body), delivery.routing_key))
            return
        if not is_for(delivery.headers, SPOOL_SOURCE):
            delivery.ack()
            return
        message = decode_job_message(bytes(delivery.body), delivery.routing_key, self._clock.now_us())
        if isinstance(message, Request) and message.parent is not None:
            remember(message.id, delivery.headers.get(TRACE_HEADER))
            self._job_runner.take(message, 1, delivery)
        elif isinstance(message, Retry) and message.order is not None and SPOOL_SOURCE in message.order.attempts:
            self._job_runner.take(message.order.request, message.order.attempts[SPOOL_SOURCE], delivery)
        else:
            delivery.ack()
