"""Answers in the shapes of the original Docket 1.0.3. Pure; for `docket1_handlers`.

Its words for states are kept, and none of them claims more than is known: `Completed` is a job that every source
answered in full, `Error` one whose packets are there but not all of them, `Failed` one without packets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docket.domain.job import FULL, Event, EventName, Job, SourceAnswer, State
from docket.domain.source import SourceStatus

CREATED, REQUESTING, RECEIVED, MERGING = "Created", "Requesting", "Request Complete", "Merging"
COMPLETED, FAILED, ERROR = "Completed", "Failed", "Error"

_FINAL = {State.COMPLETED: COMPLETED, State.PARTIAL: ERROR, State.FAILED: FAILED, State.CANCELLED: FAILED}
_REPORTED = {
    EventName.REQUESTED: CREATED,
    EventName.STARTED: REQUESTING,
    EventName.COMPLETED: COMPLETED,
    EventName.PARTIAL: ERROR,
    EventName.FAILED: FAILED,
    EventName.CANCELLED: FAILED,
    EventName.EXPIRED: FAILED,
}


def state_word(job: Job) -> str:
    """The job's state in the original's words."""
    if job.is_final:
        return _FINAL.get(job.state, FAILED)
    if job.state is State.QUEUED:
        return CREATED
    return MERGING if all(answer.verdict is not None for answer in job.sources) else REQUESTING


def url(job_id: str) -> str:
    return f"/results/{job_id}/merged.pcap"


def created(job: Job) -> dict[str, Any]:
    """The answer to a question, and an entry of `jobs`."""
    return {
        "id": job.id,
        "state": state_word(job),
        "query": query_text(job),
        "url": url(job.id),
        "time": job.created_at,
    }


def query_text(job: Job) -> str:
    """The whole question as one text in stenographer's words."""
    filter_ = f"({job.query})" if " or " in job.query else job.query
    return " and ".join([*([filter_] if filter_ else []), f"after {job.after}", f"before {job.before}"])


def urls(jobs: Iterable[Job]) -> dict[str, str]:
    """The results that can be downloaded, partial ones among them."""
    return {job.id: url(job.id) for job in jobs if job.pcap is not None}


def status(job: Job, events: Iterable[Event]) -> dict[str, Any]:
    """One job in full."""
    answered_at = _answered_at(events := list(events))
    requests = {answer.name: _request(answer, answered_at.get(answer.name, job.created_at)) for answer in job.sources}
    return {
        "state": state_word(job),
        "requests": requests,
        "events": [entry for event in events for entry in _events(event)],
        "successes": [one for one in requests.values() if one["state"] == RECEIVED],
    }


def stats(sources: Iterable[SourceStatus], free_bytes: int, jobs: int) -> dict[str, Any]:
    """The counters of every source, and Docket's own."""
    figures: dict[str, Any] = {
        source.name: {**source.stats, "oldest_timestamp": source.oldest, "state": source.state} for source in sources
    }
    return figures | {"docket": {"Free space": f"{free_bytes / 1e6:,.0f} MB", "free_bytes": free_bytes, "jobs": jobs}}


def _request(answer: SourceAnswer, at: str) -> dict[str, Any]:
    return {
        "datetime": at,
        "name": answer.name,
        "msg": answer.sentence,
        "state": _source_word(answer),
        "value": answer.packets,
    }


def _source_word(answer: SourceAnswer) -> str:
    if answer.verdict is None:
        return REQUESTING
    return RECEIVED if answer.verdict in FULL else ERROR


def _answered_at(events: Iterable[Event]) -> dict[str, str]:
    return {answer.name: event.at for event in events for answer in event.answers if answer.verdict is not None}


def _events(event: Event) -> Iterable[dict[str, Any]]:
    if event.name is EventName.SOURCE:
        for answer in event.answers:
            yield _event(event, answer.name, answer.sentence, _source_word(answer))
    elif event.name in _REPORTED:
        yield _event(event, event.name.value, event.reason or None, _REPORTED[event.name])


def _event(event: Event, name: str, message: str | None, state: str) -> dict[str, Any]:
    return {"datetime": event.at, "name": name, "msg": message, "state": state}
