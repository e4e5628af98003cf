"""The body of a request: what was not said is left to the server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from docket.domain.ids import new_id

Moment = str | datetime
"""RFC 3339, a duration before now such as `15m`, or a time of Python's; without a zone it is UTC."""


def new_question(
    query: str,
    *,
    after: Moment | None = None,
    before: Moment | None = None,
    sources: Sequence[str] | None = None,
    limit_packets: int | None = None,
    limit_bytes: int | None = None,
    deadline_s: int | None = None,
    wait_for_flush: bool = True,
    note: str | None = None,
    fresh: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """A question with an id of its own, so that asking it twice by mistake makes one job."""
    said: dict[str, Any] = {
        "id": new_id(),
        "query": query,
        "after": moment(after),
        "before": moment(before),
        "sources": list(sources) if sources else None,
        "deadline_s": deadline_s,
        "note": note or None,
    }
    limits = {name: limit for name, limit in (("packets", limit_packets), ("bytes", limit_bytes)) if limit}
    said |= {"limits": limits} if limits else {}
    said |= {} if wait_for_flush else {"wait_for_flush": False}
    said |= {name: True for name, flag in (("fresh", fresh), ("force", force)) if flag}
    return {name: value for name, value in said.items() if value is not None}


def moment(value: Moment | None) -> str | None:
    """As the server reads it."""
    if not isinstance(value, datetime):
        return value
    return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).isoformat()
