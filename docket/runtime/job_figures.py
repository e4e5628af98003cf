"""Figures about jobs for Prometheus, counted from their events: verdicts, durations, packets, retries, deadlines.

The collector counts what it publishes, a web process what it receives; each has figures of its own.
"""

from __future__ import annotations

from collections import OrderedDict

from prometheus_client import CollectorRegistry, Counter, Histogram

from docket.domain.event import EventMessage
from docket.domain.job import CLOSING, EventName, Job, Verdict
from docket.domain.timewindow import US_PER_S, parse_time_us

BUCKETS_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
"""Upper edges of the time from question to end; the usual deadline is 1200 s."""

MOST_REMEMBERED = 10_000
"""Jobs that may be retried without their first answers being counted twice."""

_CLOSING = frozenset(CLOSING.values())


class JobFigures:
    """One set of figures in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._finished = Counter("docket_jobs_finished", "Jobs that ended, by state.", ["state"], registry=registry)
        self._rejected = Counter("docket_jobs_rejected", "Messages that were no valid request.", registry=registry)
        self._retries = Counter("docket_job_retries", "Retries of jobs that fell short.", registry=registry)
        self._seconds = Histogram(
            "docket_job_seconds", "Time from question to end.", ["state"], buckets=BUCKETS_S, registry=registry
        )
        self._verdicts = Counter(
            "docket_verdicts", "Answers of sources, by verdict.", ["source", "verdict"], registry=registry
        )
        self._packets = Counter("docket_source_packets", "Packets in results.", ["source"], registry=registry)
        self._bytes = Counter("docket_source_bytes", "Bytes in results.", ["source"], registry=registry)
        self._misses = Counter(
            "docket_deadline_misses", "Answers that the job's deadline cut off.", ["source"], registry=registry
        )
        self._counted: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._begun: set[str] = set()

    def on_event(self, message: EventMessage) -> None:
        """Count one event."""
        if message.source is not None:
            self._begin(message.source.name)
        elif message.event is EventName.REJECTED:
            self._rejected.inc()
        elif message.job is None:
            return
        elif message.event is EventName.STARTED and message.job.revision > 1:
            self._retries.inc()
        elif message.event in _CLOSING:
            self._on_end(message.job)

    def _begin(self, source: str) -> None:
        """Every series of a source begins with 0: Prometheus sees no increase in a series that was not there."""
        if source in self._begun or len(self._begun) >= MOST_REMEMBERED:
            return
        self._begun.add(source)
        for verdict in Verdict:
            self._verdicts.labels(source, verdict.value)
        for of_source in (self._packets, self._bytes, self._misses):
            of_source.labels(source)

    def _on_end(self, job: Job) -> None:
        self._finished.labels(job.state.value).inc()
        if job.finished_at is not None and job.revision == 1:
            took_us = parse_time_us(job.finished_at, None) - parse_time_us(job.created_at, None)
            self._seconds.labels(job.state.value).observe(max(0, took_us) / US_PER_S)
        counted = self._counted.pop(job.id, {})
        for answer in job.sources:
            self._begin(answer.name)
            if answer.verdict is None or counted.get(answer.name) == answer.attempt:
                continue
            self._verdicts.labels(answer.name, answer.verdict.value).inc()
            self._packets.labels(answer.name).inc(answer.packets)
            self._bytes.labels(answer.name).inc(answer.bytes)
            if answer.verdict is Verdict.TIMED_OUT:
                self._misses.labels(answer.name).inc()
        self._counted[job.id] = {answer.name: answer.attempt for answer in job.sources}
        if len(self._counted) > MOST_REMEMBERED:
            self._counted.popitem(last=False)
