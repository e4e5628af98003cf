"""How a request came: where its asker wants to be answered, and the trace that it belongs to. Pure.

The trace is W3C's `traceparent` (https://www.w3.org/TR/trace-context/), which names the request of a larger whole.
"""

from __future__ import annotations

import re

import msgspec

LONGEST_NAME_BYTES = 255
"""Of a queue or a correlation id: a short string of AMQP 0-9-1."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message on the bus says besides its body. Empty where it says nothing."""

    reply_to: str = ""
    """The queue that gets the events of the job."""
    correlation_id: str = ""
    """What each of them carries, in the words of the asker."""
    traceparent: str = ""

    def __bool__(self) -> bool:
        return bool(self.reply_to or self.traceparent)


def checked_traceparent(value: object) -> str:
    """The value if it is a `traceparent`, otherwise an empty text: a broken one is to be ignored, says W3C."""
    if not isinstance(value, str) or len(value) > LONGEST_NAME_BYTES:
        return ""
    found = _TRACEPARENT.fullmatch(value)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[4]):
        return ""
    return "" if not found[2].strip("0") or not found[3].strip("0") else value


def trace_id(traceparent: str) -> str:
    """What every part of a trace has in common."""
    return traceparent[3:35]
