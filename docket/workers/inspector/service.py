"""The inspector: looks into finished results, so that people see packets at once. For the command line.

Five threads: this one waits on the bus for jobs that have ended; two survey them, large and small ones apart; one
answers the web app; one reads refinements from results. Everything that touches packets runs outside the process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from docket.bus.cloud_events import attributes
from docket.bus.declaring import declare_when_possible
from docket.bus.interface import Broker, Consumer, Delivery
from docket.bus.messages import decode_event, encode
from docket.bus.permissions import INSPECTOR
from docket.bus.replies import TRACE_HEADER, trace_headers
from docket.bus.topology import EVENTS, INSPECTOR_QUEUE
from docket.config.model import Config
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.refinement import SPOOL_SOURCE
from docket.errors import BusError, DocketError, MessageError, SpoolError
from docket.runtime.traces import remember, traceparent_of
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.workers.inspector.index_pool import IndexPool
from docket.workers.inspector.refine_service import RefineService
from docket.workers.inspector.rpc_handlers import Answering
from docket.workers.inspector.rpc_server import RpcServer
from docket.workers.inspector.tshark.summary import Summary
from docket.workers.inspector.tshark.tshark_programs import has_tshark
from docket.workers.publisher_pool import PublisherPool

log = logging.getLogger(__name__)

PREFETCH = 64
"""Jobs in hand; most are done in a moment."""
LOOK_UP_S = 0.25
PUBLISH_S = 10.0
MOST_DELIVERIES = 10
"""A job that came back so often ended the inspector each time; clean restarts count as well (RabbitMQ 3.10)."""


class Inspector:
    """One per spool. Runs until it is asked to stop."""

    def __init__(self, config: Config, broker: Broker) -> None:
        """Opens nothing yet."""
        self._broker = broker
        self._spool = Spool(config.spool.path)
        self._index_pool = IndexPool(self._spool)
        self._ledger = LedgerReader(self._spool.ledger)
        self._publishers = PublisherPool(broker, "docket inspector")
        self._refine_service = RefineService(
            config, broker, self._spool, lambda: broker.declare([SPOOL_SOURCE], INSPECTOR)
        )
        self._clock = Clock()

    def run(self, stop: threading.Event) -> None:
        """Inspect until `stop` is set. Raises TopologyMismatch, SpoolError."""
        if not has_tshark():
            log.warning("tshark is not installed: results can be downloaded, but their packets cannot be shown")
        self._spool.create()
        if not declare_when_possible(self._broker, [SPOOL_SOURCE], INSPECTOR, stop):
            return
        own_stop = threading.Event()
        crew = _Crew(own_stop)
        crew.start("surveyor", lambda: self._index_pool.work(own_stop, self._tell, small=False))
        crew.start("surveyor of small results", lambda: self._index_pool.work(own_stop, self._tell, small=True))
        crew.start(
            "rpc", lambda: RpcServer(self._spool, Answering(self._index_pool, self._spool, own_stop)).serve(own_stop)
        )
        crew.start("refinery", lambda: self._refine_service.work(own_stop))
        receiver = self._broker.receiver("docket inspector", [INSPECTOR_QUEUE], prefetch=PREFETCH)
        try:
            while not stop.is_set() and crew.is_well():
                self._take(receiver)
        finally:
            own_stop.set()
            crew.join()
            receiver.close()
            self._index_pool.close()
            self._publishers.close()
            self._ledger.close()
        crew.raise_error()

    def _take(self, receiver: Consumer) -> None:
        """Put one job that has ended in line; its message is settled when it has been surveyed."""
        delivery = receiver.receive(LOOK_UP_S)
        if delivery is None:
            return
        try:
            job = decode_event(bytes(delivery.body), delivery.routing_key).job
        except MessageError as error:
            delivery.dead(str(error))
            return
        if job is not None:
            remember(job.id, delivery.headers.get(TRACE_HEADER))
        if job is None or job.pcap is None:
            delivery.ack()
        elif delivery.count > MOST_DELIVERIES:
            log.error("job %s: not inspected, it ended the inspector %d times", job.id, delivery.count - 1)
            delivery.dead("its inspection never came to an end")
        else:
            self._index_pool.want(
                job.id, job.packets, lambda job_id, summary: self._surveyed(delivery, job_id, summary)
            )

    def _surveyed(self, delivery: Delivery, job_id: str, summary: Summary | None) -> None:
        self._tell(job_id, summary)
        delivery.ack()

    def _tell(self, job_id: str, summary: Summary | None) -> None:
        """Publish `job.inspected` with the job as it stands, unless its result has gone meanwhile."""
        if summary is None:
            return
        try:
            job = self._ledger.job(job_id)
        except SpoolError as error:
            log.warning("job %s: the ledger cannot be read: %s", job_id, error)
            return
        if job is None or job.pcap is None or job.pcap.sha256 != summary.sha256:
            return
        message = EventMessage(
            event=EventName.INSPECTED, at=self._clock.now(), job=job, job_id=job_id, reason=summary.note
        )
        with self._publishers.lend() as publisher:
            try:
                headers = attributes(message, "inspector") | trace_headers(traceparent_of(job_id))
                publisher.publish(EVENTS, EventName.INSPECTED.value, encode(message), headers=headers, wait_s=PUBLISH_S)
            except BusError as error:
                log.warning("job %s: job.inspected could not be published: %s", job_id, error)


class _Crew:
    """Threads that work until the service ends, and end the service if one of them dies."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._errors: list[DocketError] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        def go() -> None:
            try:
                work()
            except DocketError as error:
                self._errors.append(error)

        thread = threading.Thread(target=go, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def is_well(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def raise_error(self) -> None:
        if self._errors:
            raise self._errors[0]
