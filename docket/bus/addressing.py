"""Says in a header which sources a message is for, so that a worker need not read what is not for it.

A tool may leave the header out: then the worker reads the message. All workers are bound to the same routing keys,
because that is the contract with tools (docs/bus.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docket.bus.messages import JobMessage, Retry
from docket.domain.request import Request

HEADER = "docket-sources"
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
    return {HEADER: line} if line and len(line) <= LONGEST_BYTES else {}


def is_for(headers: Mapping[str, Any], source: str) -> bool:
    """Whether the message may be for this source; only reading it tells for certain."""
    line = headers.get(HEADER)
    return not isinstance(line, str) or source in line.split(",")
