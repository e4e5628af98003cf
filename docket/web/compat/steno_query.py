"""A query in stenographer's own words as a question to Docket. Pure; for `docket1_handlers` and `stenoread`.

At stenographer, a query without times is about everything on disk, and it never waits for packets that are still to
be written. The same holds here: what such a question cannot mean is no shortcoming of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docket.domain.job import FULL, Job, Verdict
from docket.domain.query.canonical import split_time
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us, parse_time_us
from docket.errors import Fault, InvalidRequest

_LIMITS = {"Steno-Limit-Packets": "packets", "Steno-Limit-Bytes": "bytes"}


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """What is asked, and which verdicts are as good as whole."""

    fields: dict[str, Any]
    """As `POST api/v1/jobs` takes it."""
    expected: frozenset[Verdict]
    is_open: bool
    """Whether the window ends now: no other request can have asked for it."""

    def is_whole(self, job: Job) -> bool:
        """Whether the job holds all that was asked for."""
        verdicts = [answer.verdict for answer in job.sources]
        return bool(verdicts) and all(verdict in self.expected for verdict in verdicts)


def raw_question(text: str, headers: Mapping[str, str], sources: Sequence[SourceStatus], now_us: int) -> RawQuestion:
    """Read a query and the limits in the headers. Raises InvalidRequest with all faults."""
    query, after, before = split_time(text)
    faults: list[Fault] = []
    limits = {field: _limit(name, headers.get(name), faults) for name, field in _LIMITS.items()}
    if faults:
        raise InvalidRequest(faults)
    now = format_us(now_us)
    fields: dict[str, Any] = {"query": query, "asked": text.strip(), "requested_at": now, "before": before or now}
    expected = set(FULL)
    if after is not None:
        fields["after"] = after
    before_us = _time_us(before, now_us)
    if after is None:
        oldest = [source.oldest for source in sources if source.oldest]
        if oldest and min(oldest) < format_us(before_us):
            fields["after"] = min(oldest)
        expected.add(Verdict.AGED_OUT)
    is_open = before_us >= now_us
    if is_open:
        fields["wait_for_flush"] = False
        expected.add(Verdict.NOT_YET)
    if any(limits.values()):
        fields["limits"] = limits
        expected.add(Verdict.LIMITED)
    else:
        # A question to stenographer without a limit means none.
        fields["force"] = True
    return RawQuestion(fields, frozenset(expected), is_open)


def _time_us(before: str | None, now_us: int) -> int:
    try:
        return now_us if before is None else parse_time_us(before, now_us)
    except ValueError:
        return now_us  # the check of the question says what is wrong with it


def _limit(name: str, text: str | None, faults: list[Fault]) -> int | None:
    if text is None or not text.strip() or text.strip() == "0":
        return None  # stenographer takes 0 for no limit
    if not (text.strip().isascii() and text.strip().isdigit()) or len(text.strip()) > 18:
        faults.append(Fault("bad-number", f"{name} must be a whole number", name))
        return None
    return int(text.strip())
