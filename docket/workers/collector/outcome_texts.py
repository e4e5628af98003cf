"""The collector's own sentences for verdicts: what happened, in a person's words, and what to do next. Pure."""

from __future__ import annotations

from docket.domain.request_message import Limits
from docket.domain.timewindow import format_us
from docket.workers.collector.part import Part

LOST_ON_THE_BUS = "A piece of its answer was lost on the bus; it is read again."


def clock_time(time: str) -> str:
    """`2026-11-24T14:02:00.000000Z` as `14:02:00 UTC`."""
    return f"{time[11:19]} UTC"


def timed_out(part: Part, deadline: str, silence: str) -> tuple[str, str]:
    """Sentence and next step for a source that the deadline overtook; `silence` from `SourceRegistry`, or empty."""
    sentence, next_step = _overtaken(part, deadline)
    return (f"{sentence} It {silence}.", "Retry when the source is back.") if silence else (sentence, next_step)


def _overtaken(part: Part, deadline: str) -> tuple[str, str]:
    at = f"The job's deadline ({clock_time(deadline)}) came "
    cause = f" Its last report: {part.sentence}" if part.sentence else ""
    if part.begun and part.last_us is not None:
        reached = clock_time(format_us(part.last_us))
        return f"{at}while {part.source} was being read; it had come to {reached}.{cause}", "Retry, or ask for less."
    if part.begun:
        return f"{at}while {part.source} was being read; no packet had come.{cause}", "Retry with a later deadline."
    return f"{at}before {part.source} began to read.{cause}", "Retry with a later deadline."


def gone(part: Part, absence: str) -> str:
    """For a source whose worker is away; `absence` as `SourceRegistry` words it."""
    if part.begun and part.last_us is not None:
        reached = clock_time(format_us(part.last_us))
        return f"The worker of {part.source} went away in mid-answer, at {reached}: it {absence}."
    return f"The worker of {part.source} {absence}."


def limited(limits: Limits) -> str:
    """For a source of which more was there than the job's limits let into the result."""
    bounds = [f"{number:,} {unit}" for number, unit in ((limits.packets, "packets"), (limits.bytes, "bytes")) if number]
    return f"Only its earliest packets are in the result: the job stops at {' or '.join(bounds)}."


def disk(trouble: str) -> str:
    """For a source whose packets could not all be kept."""
    return f"Not all of its packets could be kept: {trouble}."


def not_records(fault: str) -> str:
    """For a source that sent bytes which are no packets."""
    return f"Its answer could be used only up to a point: {fault}."
