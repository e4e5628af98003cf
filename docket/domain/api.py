"""What the HTTP API answers, as server and clients see it: each shape stands once. Pure.

A client ignores fields that it does not know. What the inspector answers stands in its `rpc_messages`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from docket.domain.estimate import Estimate
from docket.domain.event import StoryEvent
from docket.domain.job import Job
from docket.domain.source import GapStatus, SourceStatus
from docket.domain.survey import Survey
from docket.errors import Fault


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer from 400 on. `error` is the first of `errors`."""

    error: Fault
    errors: tuple[Fault, ...]


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of jobs."""

    jobs: tuple[Job, ...]
    total: int
    """How many jobs the filters let through, on all pages."""
    cursor: str | None
    """For the next page; null on the last one."""
    next: str | None
    """The address of the next page; null on the last one."""


class JobStory(Job, frozen=True, kw_only=True):
    """A job with its events."""

    events: tuple[StoryEvent, ...] = ()


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    """Every source that is known."""

    sources: tuple[SourceStatus, ...]
    """By name. `last_seen` is empty for a configured source that was never heard of."""


class Reach(StrEnum):
    """How a source stands to a window."""

    FULL = "full"
    PART = "part"
    GAP = "gap"
    """Readable, but in some of it there is no sign of recording."""
    NOT_YET = "not-yet"
    """Nothing or not all of it is on the disk yet; what is missing will be."""
    AGED_OUT = "aged-out"
    """All of it is older than the oldest packet."""
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class SourceCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What of a window one source can answer for right now."""

    source: str
    state: Reach
    begins: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    """The part of the window that can be read, `[from, until)`; null where there is none or it is not known."""
    sentence: str


class SourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One source's share of a question."""

    source: str
    asked: str
    """What the store selects, as a query; empty for everything in the window."""
    kept: str
    """What the worker keeps of that; empty for all of it."""
    reads_everything: bool
    """The store has to send all of the window for a part of it."""
    sentence: str


class CheckedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window as the server has read it: absolute, RFC 3339 UTC."""

    after: str
    before: str
    sentence: str
    notes: tuple[str, ...] = ()
    """How a time was read that could be meant otherwise."""


class CheckAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A question with faults is an answer like any other here (`ok` false, status 200): it has not been asked yet."""

    ok: bool
    canonical: str | None = None
    explanation: str | None = None
    stenographer: str | None = None
    bpf: str | None = None
    window: CheckedWindow | None = None
    coverage: tuple[SourceCoverage, ...] = ()
    """What of the window each source can answer, also while the query has faults."""
    plans: tuple[SourcePlan, ...] = ()
    """What each source is asked, and what is kept of its answer."""
    hints: tuple[str, ...] = ()
    """Why the query can match nothing, where that is so."""
    estimate: Estimate | None = None
    """Roughly how much would be kept; null while there are faults."""
    surveys: tuple[Survey, ...] = ()
    """What the index of each capture directory says; sources without one, and late ones, are left out."""
    reads: Estimate | None = None
    """Roughly how much the sources would send for that, where it is more."""
    error: Fault | None = None
    errors: tuple[Fault, ...] = ()


class TimelineBucket(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time with packets."""

    begins: str
    packets: int
    bytes: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What the index of one source knows of a window."""

    source: str
    bucket_s: int
    """Length of a bucket; those without a packet are left out."""
    packets: int
    bytes: int
    exact: bool
    """Whether `packets` and `bytes` are those of the window, or those of whole stretches of the files."""
    sentence: str
    buckets: tuple[TimelineBucket, ...]
    gaps: tuple[GapStatus, ...] = ()
    """Where in the window the source shows no sign of recording."""


class Timelines(msgspec.Struct, frozen=True, kw_only=True):
    """Of every source that has an index and answered in time."""

    after: str
    before: str
    sources: tuple[Timeline, ...]


class Status(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    """Questions are taken; not all of them can be answered in full or at once."""
    DOWN = "down"
    """Questions are refused."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the server's health looks at."""

    name: str
    ok: bool
    message: str
    advice: str = ""
    """What to do; empty where all is well."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: Status
    ready: bool
    """Whether questions are taken; the HTTP status says the same (200 or 503)."""
    version: str
    checks: tuple[Check, ...]
