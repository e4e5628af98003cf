"""Says in headers which sources a message is for, so that no other source is sent it.

A tool may leave them out: then every worker gets the message and reads it, because that is the contract with tools
(docs/bus.md). The headers only route: what a source reads, the message itself says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docket.bus.messages import JobMessage, Retry
from docket.bus.topology import ROUTED, source_header
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import Request

HEADER = "docket-sources"
"""All sources in one line: lets a worker put away unread what came to it without being for it."""
LONGEST_BYTES = 8_192
"""Headers are one frame at the broker; a message for more sources than fit in here goes without."""


def address(message: JobMessage) -> dict[str, str]:
    """The headers of a message on `docket.jobs`; none where it is for every source or for the collector alone."""
    names: tuple[str, ...] | None = None
    if isinstance(message, Request):
        names = message.sources
    elif isinstance(message, Retry) and message.order is not None:
        names = tuple(message.order.attempts)
    line = ",".join(names or ())
    if not line or len(line) > LONGEST_BYTES:
        return {}
    return {HEADER: line} | {source_header(name): ROUTED for name in names or ()}


def is_for(headers: Mapping[str, Any], source: str) -> bool:
    """Whether the message may be for this source; only reading it tells for certain."""
    line = headers.get(HEADER)
    return not isinstance(line, str) or source in line.split(",")


def reading_for(message: JobMessage, source: str) -> tuple[Request, int] | None:
    """What the message has this source read, and in which attempt; None where it is for others.

    A request without names is for every sensor.
    """
    if isinstance(message, Request):
        named = source != SPOOL_SOURCE if message.sources is None else source in message.sources
        return (message, 1) if named else None
    if isinstance(message, Retry) and message.order is not None and source in message.order.attempts:
        return message.order.request, message.order.attempts[source]
    return None
