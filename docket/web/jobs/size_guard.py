"""Refuses what looks like a mistyped value: a query without a limit that would bring more than a job may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docket.domain.request import Request
from docket.domain.source import SourceStatus
from docket.domain.survey import refined
from docket.domain.units import size_text
from docket.web.http.api_errors import ApiError, api_error
from docket.web.jobs.job_history import JobHistory
from docket.web.jobs.surveys import Surveys


class SizeGuard:
    """Rests on counts where there are some, else on answers to queries of the same kind: others prove nothing."""

    def __init__(self, most_bytes: int, job_history: JobHistory, surveys: Surveys) -> None:
        self._most_bytes = most_bytes
        self._job_history = job_history
        self._surveys = surveys

    async def refusal(self, request: Request, raw: Mapping[str, Any], known: list[SourceStatus]) -> ApiError | None:
        """The error for the asker, None if the request may go on."""
        limits = raw.get("limits") or {}
        if any(limits.values()):
            return None
        asked = [status for status in known if status.name in (request.sources or ())]
        expected_bytes = await self._expected_bytes(request, asked)
        if expected_bytes is None or expected_bytes <= self._most_bytes:
            return None
        message = (
            f"this may be about {size_text(expected_bytes)} and a job ends at {size_text(self._most_bytes)}: "
            "narrow the window or the query, set a limit, or insist (force)"
        )
        return api_error(409, "too-big", message)

    async def _expected_bytes(self, request: Request, asked: Sequence[SourceStatus]) -> int | None:
        query, window = request.parsed_query, request.window
        expected = await self._job_history.expected(query, window, asked)
        if expected.bytes is None or expected.bytes <= self._most_bytes:
            return expected.bytes
        # The indexes are asked only now: a request that passes need not wait for them.
        surveys = await self._surveys.ask(query, window, asked, request.owner)
        return refined(expected, surveys, [status.name for status in asked]).bytes
