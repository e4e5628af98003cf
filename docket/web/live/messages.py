"""The messages on the WebSocket. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from docket.domain.annotation import Annotation
from docket.domain.event import EventMessage
from docket.domain.job import Job
from docket.domain.source import SourceStatus
from docket.web.http.urls import Urls

_FINAL_TEXT = 0x81


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="event"):
    """One event. The whole job comes each time, so that a message that was lost is healed by the next."""

    event: str
    at: str
    seq: int | None = None
    """Absent for progress and for `source.*`, which are not in the ledger."""
    job: Job | None = None
    source: SourceStatus | None = None
    job_id: str | None = None
    reason: str = ""
    user: str = ""
    annotation: Annotation | None = None

    @classmethod
    def of(cls, message: EventMessage, urls: Urls) -> EventFrame:
        return cls(
            event=message.event.value,
            at=message.at,
            seq=message.seq,
            job=urls.shown(message.job) if message.job is not None else None,
            source=message.source,
            job_id=message.job_id,
            reason=message.reason,
            user=message.user,
            annotation=message.annotation,
        )


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """How things stand: the newest jobs and all that run, every source, and the number to resume from."""

    seq: int
    time: str
    """The server's clock, from which a browser learns how far its own is off."""
    jobs: Sequence[Any] | msgspec.Raw
    """Jobs, newest first."""
    sources: Sequence[SourceStatus] | msgspec.Raw
    user: str = ""
    """Whom the proxy says this is; empty without a proxy's word."""


def encode(message: EventFrame | Snapshot) -> bytes:
    """The message as a whole WebSocket frame: text, final, not masked, not compressed (RFC 6455 5.2).

    Frames of a server are the same for every client, so they are made once and sent as they are.
    """
    text = msgspec.json.encode(message)
    if len(text) < 126:
        return struct.pack("!BB", _FINAL_TEXT, len(text)) + text
    if len(text) <= 0xFFFF:
        return struct.pack("!BBH", _FINAL_TEXT, 126, len(text)) + text
    return struct.pack("!BBQ", _FINAL_TEXT, 127, len(text)) + text
