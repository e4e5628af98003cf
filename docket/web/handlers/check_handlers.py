"""`POST api/v1/query/check`: a question as it is typed, explained, and what the sources hold for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from docket.domain.api import CheckAnswer, CheckedWindow
from docket.domain.clock import now_us
from docket.domain.estimate import Estimate
from docket.domain.query.canonical import Query, parse, parse_fields
from docket.domain.query.hints import hints
from docket.domain.query.render import explain, to_bpf, to_stenographer
from docket.domain.request import MOST_NAMED
from docket.domain.request_message import QueryFields
from docket.domain.source import SourceStatus
from docket.domain.survey import Survey, refined
from docket.domain.timewindow import US_PER_S, Window, format_us, lacks_zone, make_window
from docket.errors import Fault, InvalidRequest
from docket.web.handlers.base import Handler
from docket.web.http.route_spec import Operation, Operations
from docket.web.jobs.coverage import coverage
from docket.web.jobs.source_plan import plan_of, source_plan

LONGEST_BPF = 65_536
"""Characters of a packet filter that is sent while a user types."""
_FIELDS = ("query", "after", "before", "sources")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked; everything may be left out."""

    query: str | QueryFields = ""
    after: str | None = None
    before: str | None = None
    sources: list[str] | None = None
    """Default: every known source."""


class CheckHandler(Handler):
    """Checking while a user types."""

    logged_quietly = True
    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Check a question: canonical text, explanation, coverage per source, or the faults and their positions",
            takes=Checked,
            gives={200: CheckAnswer},
            refuses=(400, 403, 413, 415),
        )
    }

    async def post(self) -> None:
        raw = self.json_body()
        faults = [
            Fault("unknown-field", f"there is no field {name[:80]!r}", name[:80]) for name in raw if name not in _FIELDS
        ]
        query = _query(raw.get("query", ""), faults)
        window = self._window(raw.get("after"), raw.get("before"), faults)
        asked = await self._asked(raw.get("sources"), faults)
        estimate = reads = None
        surveys: tuple[Survey, ...] = ()
        if query and window and not faults:
            surveys = await self.services.surveys.ask(query, window, asked, self.principal.share)
            guess = await self.services.job_history.estimate(query, window, asked)
            estimate = refined(guess, surveys, [status.name for status in asked])
            reads = await self._reads(query, window, asked)
        self.write_json(
            CheckAnswer(
                ok=not faults,
                canonical=query.canonical if query else None,
                explanation=explain(query) if query else None,
                stenographer=to_stenographer(query, window.after_us, window.before_us) if query and window else None,
                bpf=_bpf(query) if query else None,
                window=_shown(window, raw) if window else None,
                coverage=tuple(coverage(status, window) for status in asked) if window else (),
                plans=tuple(source_plan(status, query) for status in asked) if query else (),
                hints=hints(query) if query else (),
                estimate=estimate,
                surveys=surveys,
                reads=reads,
                error=faults[0] if faults else None,
                errors=tuple(faults),
            )
        )

    async def _reads(self, query: Query, window: Window, asked: list[SourceStatus]) -> Estimate | None:
        """What the sources would send that are asked for more than is kept."""
        wider = [(status, plan) for status in asked if not (plan := plan_of(status, query)).is_exact]
        if not wider:
            return None
        # A source that looks inside is asked for everything where the others are not; the widest question counts.
        widest = min((plan.asked for _, plan in wider), key=lambda one: one.terms)
        return await self.services.job_history.estimate(widest, window, [status for status, _ in wider])

    def _window(self, after: object, before: object, faults: list[Fault]) -> Window | None:
        default_us = self.services.config.jobs.default_window_s * US_PER_S
        for name, value in (("after", after), ("before", before)):
            if value is not None and not isinstance(value, str):
                faults.append(Fault("bad-time", f"{name} must be a text: a time or a duration", name))
                return None
        try:
            return make_window(_text(after), _text(before), now_us(), default_us)
        except InvalidRequest as error:
            faults.extend(error.faults)
            return None

    async def _asked(self, names: object, faults: list[Fault]) -> list[SourceStatus]:
        """The sources that the question goes to."""
        known = await self.services.job_service.sources_or_configured()
        wanted = [status.name for status in known]
        if names is not None:
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                faults.append(Fault("bad-sources", "sources must be a list of sensor:interface names", "sources"))
                return []
            faults += [
                Fault("unknown-source", f"there is no source {name[:80]}", "sources")
                for name in [name for name in names if name not in wanted][:MOST_NAMED]
            ]
            wanted = names
        return [status for status in known if status.name in wanted]


def _query(value: Any, faults: list[Fault]) -> Query | None:
    try:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, dict):
            return parse_fields(value)
        faults.append(Fault("bad-query", "query must be a text or an object of fields", "query"))
    except InvalidRequest as error:
        faults.extend(error.faults)
    return None


def _bpf(query: Query) -> str | None:
    """The filter for tcpdump, where it can say the query and a person may use it."""
    text = to_bpf(query)
    return text if text is None or len(text) <= LONGEST_BPF else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _shown(window: Window, raw: Mapping[str, Any]) -> CheckedWindow:
    unzoned = [name for name in ("after", "before") if lacks_zone(_text(raw.get(name)))]
    return CheckedWindow(
        after=format_us(window.after_us),
        before=format_us(window.before_us),
        sentence=window.sentence(),
        notes=(f"{' and '.join(unzoned)} without a zone: read as UTC",) if unzoned else (),
    )
