"""What comes from the queues of sources and from the events, for the job runners that it concerns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from docket.bus.addressing import is_for, reading_for
from docket.bus.interface import Delivery
from docket.bus.messages import decode_event, decode_job_message
from docket.bus.replies import TRACE_HEADER
from docket.domain.clock import Clock
from docket.domain.job import EventName
from docket.errors import InvalidRequest, MessageError
from docket.runtime.traces import remember
from docket.workers.interface.job_runner import JobRunner

log = logging.getLogger(__name__)

CLOSING = (
    EventName.CANCELLED,
    EventName.PARTIAL,
    EventName.FAILED,
    EventName.COMPLETED,
    EventName.REJECTED,
    EventName.EXPIRED,
)
"""Events after which a job's packets are not wanted any more."""


class JobMessages:
    """Hands on each message, and settles those that no job runner takes."""

    def __init__(
        self, by_queue: Mapping[str, JobRunner[Any]], others: Mapping[str, Callable[[bytes], None]] | None = None
    ) -> None:
        """`others`: what takes the events with these routing keys, which say nothing about a job."""
        self._by_queue = by_queue
        self._others = others or {}
        self._clock = Clock()

    def handle(self, delivery: Delivery) -> None:
        """What cannot be handled must not come back for ever."""
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
        if delivery.queue:
            self._take(delivery, self._by_queue[delivery.queue])
        elif delivery.routing_key in self._others:
            self._others[delivery.routing_key](delivery.body)
        else:
            event = decode_event(delivery.body, delivery.routing_key)
            for job_runner in self._by_queue.values():
                job_runner.on_event(event)

    def _take(self, delivery: Delivery, job_runner: JobRunner[Any]) -> None:
        name = job_runner.source.name
        wanted = None
        if is_for(delivery.headers, name):
            message = decode_job_message(delivery.body, delivery.routing_key, self._clock.now_us())
            wanted = reading_for(message, name)
        if wanted is None:
            delivery.ack()
            return
        request, attempt = wanted
        remember(request.id, delivery.headers.get(TRACE_HEADER))
        job_runner.take(request, attempt, delivery)
