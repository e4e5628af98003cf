"""What is asked: one query over one window, of some sources. Pure; anybody above may import it.

A question reaches Docket as a mapping, from HTTP or from the bus, and leaves here as a `Request` that holds
only checked values: there is one door. Every fault of a question is reported at once.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from docket.domain.annotation import LONGEST_NOTE, check_tags
from docket.domain.plain_text import shortened
from docket.domain.query.canonical import Query, parse, parse_fields
from docket.domain.refinement import SPOOL_SOURCE, Refinement, check_refinement
from docket.domain.request_message import REQUEST_FIELDS, Limits
from docket.domain.timewindow import EARLIEST_US, LATEST_US, US_PER_S, Window, format_us, make_window, parse_time_us
from docket.errors import Fault, InvalidRequest

LONGEST_DEADLINE_S = 86_400
"""No job may stay open longer; the source queues drop requests that are older than this."""

DEFAULT_DEADLINE_S = 1_200
DEFAULT_WINDOW_S = 86_400
LONGEST_ASKED = 8_192
"""Characters of a query as it came that are kept beside its canonical text; the rest is cut off with a mark."""
LONGEST_OWNER = 200
MOST_NAMED = 20
"""Of the faults of one kind: what a question is refused for is kept and shown to others."""

SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}:[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
"""`sensor:interface`. It becomes a file name and a queue name, so nothing else is let through."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A checked question. Times are microseconds since 1970 UTC; the window is `[after, before)`."""

    id: str
    query: str
    """Canonical text; empty means every packet."""
    asked: str
    """The query as it came, for people to recognise."""
    after_us: int
    before_us: int
    requested_at_us: int
    sources: tuple[str, ...] | None = None
    """None: every source that is known when the collector reads the request."""
    limits: Limits = Limits()
    deadline_s: int = DEFAULT_DEADLINE_S
    wait_for_flush: bool = True
    owner: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    """Written on the job from its beginning."""
    parent: str | None = None
    """The job from whose result this is read; no sensor is asked then."""
    refine: Refinement | None = None

    @property
    def window(self) -> Window:
        return Window(self.after_us, self.before_us)

    @property
    def parsed_query(self) -> Query:
        return parse(self.query)

    @property
    def deadline_us(self) -> int:
        return self.requested_at_us + self.deadline_s * US_PER_S

    def to_message(self) -> dict[str, Any]:
        """The `docket.job.request/1` message that says exactly this request."""
        return (
            {
                "schema": "docket.job.request/1",
                "id": self.id,
                "query": self.query,
                "asked": self.asked,
                "after": format_us(self.after_us),
                "before": format_us(self.before_us),
                "requested_at": format_us(self.requested_at_us),
                "sources": list(self.sources) if self.sources is not None else None,
                "limits": {"bytes": self.limits.bytes, "packets": self.limits.packets},
                "deadline_s": self.deadline_s,
                "wait_for_flush": self.wait_for_flush,
                "owner": self.owner,
                "note": self.note,
            }
            | ({"tags": list(self.tags)} if self.tags else {})
            | self._of_parent()
        )

    def _of_parent(self) -> dict[str, Any]:
        if self.parent is None:
            return {}
        return {"parent": self.parent, "refine": msgspec.to_builtins(self.refine or Refinement())}


def check_request(
    raw: Mapping[str, Any],
    *,
    arrived_at_us: int | None = None,
    stamp: bool = False,
    default_deadline_s: int = DEFAULT_DEADLINE_S,
    default_window_s: int = DEFAULT_WINDOW_S,
) -> Request:
    """Turn a mapping (HTTP body or `job.request` message) into a `Request`.

    Where `requested_at` is missing, the deadline counts from `arrived_at_us`. A relative time counts from it only
    with `stamp`, which is for the web app alone: it stamps requests itself, while "15m ago" in a message must be
    the same instant to everybody who reads it. Raises InvalidRequest with all faults.
    """
    faults: list[Fault] = []
    check = _Checks(raw, faults)
    check.unknown_fields()
    job_id = check.job_id()
    requested_at_us = check.requested_at(arrived_at_us if stamp else None)
    query, asked = check.query()
    window = check.window(requested_at_us, default_window_s)
    parent, refine = check.parent()
    if requested_at_us is None:
        requested_at_us = window.before_us if arrived_at_us is None else arrived_at_us
    request = Request(
        id=job_id,
        query=query,
        asked=asked,
        after_us=window.after_us,
        before_us=window.before_us,
        requested_at_us=requested_at_us,
        sources=check.sources(parent),
        limits=check.limits(),
        deadline_s=check.integer("deadline_s", 1, LONGEST_DEADLINE_S) or default_deadline_s,
        wait_for_flush=check.flag("wait_for_flush", default=True),
        owner=check.text("owner", LONGEST_OWNER),
        note=check.text("note", LONGEST_NOTE),
        tags=check_tags(raw.get("tags"), faults) or (),
        parent=parent,
        refine=refine,
    )
    check.query_given()
    if faults:
        raise InvalidRequest(faults)
    return request


def fingerprint(request: Request) -> str:
    """The same for two requests that ask the same question, regardless of the asker, the moment and the deadline."""
    sources = None if request.sources is None else sorted(request.sources)
    question: tuple[object, ...] = (request.query, request.after_us, request.before_us, sources, request.limits)
    if request.parent is not None:
        question += (request.parent, request.refine)
    return hashlib.sha256(msgspec.json.encode(question)).hexdigest()


class _Checks:
    """One check per field; each adds its faults and returns a harmless value, so that all faults are found."""

    def __init__(self, raw: Mapping[str, Any], faults: list[Fault]) -> None:
        self.raw = raw
        self.faults = faults

    def fault(self, code: str, message: str, field: str) -> None:
        self.faults.append(Fault(code=code, message=message, field=field))

    def unknown_fields(self) -> None:
        for name in sorted(str(key) for key in self.raw if key not in REQUEST_FIELDS)[:MOST_NAMED]:
            self.fault("unknown-field", f"there is no field {name[:80]!r}", name[:80])

    def job_id(self) -> str:
        value = self.raw.get("id")
        if isinstance(value, str):
            try:
                return str(uuid.UUID(value))
            except ValueError:
                pass
        self.fault("bad-id", "id must be a UUID, chosen by the asker", "id")
        return ""

    def requested_at(self, stamp_us: int | None) -> int | None:
        value = self.raw.get("requested_at")
        if value is None:
            return stamp_us
        try:
            if not isinstance(value, str):
                raise ValueError("requested_at must be a text with an RFC 3339 time")
            time_us = parse_time_us(value, None)
            if not EARLIEST_US <= time_us <= LATEST_US:
                raise ValueError("requested_at must lie between 1990 and 2100")
            return time_us
        except ValueError as error:
            self.fault("bad-time", str(error), "requested_at")
            return stamp_us

    def query_given(self) -> None:
        """Everything is asked for in so many words, never by leaving something out."""
        if self.raw.get("query", {}) == {} and self.raw.get("parent") is None:
            message = 'a request needs a query; every packet is asked for with "query": ""'
            self.fault("missing-query", message, "query")

    def query(self) -> tuple[str, str]:
        value = self.raw.get("query", "")
        try:
            if isinstance(value, str):
                query, asked = parse(value), value
            elif isinstance(value, Mapping):
                query = parse_fields(value)
                asked = query.canonical
            else:
                raise InvalidRequest([Fault("bad-query", "query must be a text or an object of fields", "query")])
        except InvalidRequest as error:
            self.faults.extend(error.faults)
            return "", ""
        written = self.raw.get("asked")
        return query.canonical, shortened(
            written if isinstance(written, str) and _is_text(written) else asked, LONGEST_ASKED
        )

    def window(self, requested_at_us: int | None, default_window_s: int) -> Window:
        ends = [self.raw.get("after"), self.raw.get("before")]
        for name, value in zip(("after", "before"), ends, strict=True):
            if value is not None and not isinstance(value, str):
                self.fault("bad-time", f"{name} must be a text: a time or a duration", name)
                return Window(0, 1)
        try:
            return make_window(ends[0], ends[1], requested_at_us, default_window_s * US_PER_S)
        except InvalidRequest as error:
            self.faults.extend(error.faults)
            return Window(0, 1)

    def parent(self) -> tuple[str | None, Refinement | None]:
        """The job that is refined, and how."""
        value = self.raw.get("parent")
        if value is None:
            if self.raw.get("refine") is not None:
                self.fault("no-parent", "refine needs a parent: the job from whose result packets are taken", "refine")
            return None, None
        refinement = check_refinement(self.raw.get("refine"), self.faults)
        try:
            return str(uuid.UUID(value if isinstance(value, str) else "")), refinement
        except ValueError:
            self.fault("bad-id", "parent must be the id of a job", "parent")
            return None, None

    def sources(self, parent: str | None) -> tuple[str, ...] | None:
        value = self.raw.get("sources")
        if parent is not None:
            if value not in (None, [SPOOL_SOURCE]):
                self.fault("bad-sources", "a question with a parent is asked of no source", "sources")
            return (SPOOL_SOURCE,)
        if value is None:
            return None
        if not isinstance(value, list) or not value or len(value) > 1_000:
            self.fault("bad-sources", "sources must be a list of sensor:interface names, or left out", "sources")
            return None
        unfit = [name for name in value if not isinstance(name, str) or not SOURCE_NAME.fullmatch(name)]
        for name in unfit[:MOST_NAMED]:
            self.fault("bad-source-name", f"{str(name)[:80]!r} is not a sensor:interface name", "sources")
        if SPOOL_SOURCE in value:
            self.fault("bad-sources", f"{SPOOL_SOURCE} only answers questions with a parent", "sources")
        return tuple(dict.fromkeys(str(name) for name in value))

    def limits(self) -> Limits:
        value = self.raw.get("limits")
        if value is None:
            return Limits()
        if not isinstance(value, Mapping) or set(value) - {"bytes", "packets"}:
            self.fault("bad-limits", 'limits must be an object with "bytes" and "packets"', "limits")
            return Limits()
        inner = _Checks(value, self.faults)
        return Limits(
            bytes=inner.integer("bytes", 1, 2**62, field="limits.bytes"),
            packets=inner.integer("packets", 1, 2**62, field="limits.packets"),
        )

    def integer(self, name: str, low: int, high: int, field: str | None = None) -> int | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault("bad-number", f"{field or name} must be a whole number from {low} to {high}", field or name)
            return None
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw.get(name, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault("bad-flag", f"{name} must be true or false", name)
            return default
        return value

    def text(self, name: str, longest: int) -> str:
        value = self.raw.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest or not _is_text(value):
            self.fault("bad-text", f"{name} must be a text of at most {longest} characters", name)
            return ""
        return value


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: a str of Python may hold halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
