"""The job that a history leads to, event by event, as the ledger arrives at its record of it."""

from __future__ import annotations

from collections.abc import Iterable

from docket.domain.job import Event, EventName, Job


def fold(events: Iterable[Event]) -> Job:
    """The job that a whole history tells of. The first event must be `job.requested`."""
    job: Job | None = None
    for event in events:
        if event.name is EventName.REQUESTED and event.request is not None:
            job = Job.opened(event.request, event.source_names)
        elif job is not None:
            job = job.apply(event)
    if job is None:
        raise ValueError("a history begins with job.requested")
    return job
