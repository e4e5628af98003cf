"""Which trace each job belongs to, as far as this process knows: for log lines, and for the messages it publishes."""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock

from docket.domain.provenance import checked_traceparent, trace_id

MOST_REMEMBERED = 10_000

_JOB = re.compile(r"\bjob ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")

_of_job: OrderedDict[str, str] = OrderedDict()
_lock = Lock()


def remember(job_id: str, traceparent: object) -> str:
    """Note it if it is one; gives it, or an empty text."""
    checked = checked_traceparent(traceparent)
    if checked:
        with _lock:
            _of_job[job_id] = checked
            _of_job.move_to_end(job_id)
            if len(_of_job) > MOST_REMEMBERED:
                _of_job.popitem(last=False)
    return checked


def traceparent_of(job_id: str) -> str:
    """Empty where none is known."""
    return _of_job.get(job_id, "")


def with_trace(line: str) -> str:
    """The log line, with the trace of the job that it is about at its end."""
    found = _JOB.search(line) if _of_job else None
    traceparent = traceparent_of(found[1]) if found is not None else ""
    return f"{line} trace={trace_id(traceparent)}" if traceparent else line
