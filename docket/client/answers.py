"""What the server answers, as values with types. Fields that are not known here are ignored."""

from __future__ import annotations

import msgspec

from docket.domain.estimate import Estimate
from docket.domain.job import Job
from docket.domain.source import SourceStatus
from docket.errors import Fault


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of jobs."""

    jobs: tuple[Job, ...]
    total: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the server's health looks at."""

    name: str
    ok: bool
    message: str
    advice: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The server's word on itself."""

    status: str
    version: str
    checks: tuple[Check, ...]


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    sources: tuple[SourceStatus, ...]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What of a window one source can answer for right now."""

    source: str
    state: str
    """`full`, `part`, `gap`, `not-yet`, `aged-out`, `offline` or `unknown`."""
    begins: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    """The part that can be read, `[from, until)`."""
    sentence: str


class CheckedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window as the server has read it: absolute, RFC 3339 UTC."""

    after: str
    before: str
    sentence: str = ""


class QueryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a query means, or what is wrong with it."""

    ok: bool
    canonical: str | None = None
    explanation: str | None = None
    window: CheckedWindow | None = None
    coverage: tuple[Coverage, ...] = ()
    hints: tuple[str, ...] = ()
    estimate: Estimate | None = None
    errors: tuple[Fault, ...] = ()


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The one error shape of the API."""

    error: Fault
    errors: tuple[Fault, ...] = ()
