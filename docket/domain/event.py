"""An event as bus and WebSocket carry it, with the whole job or source, and as the story of a job shows it. Pure."""

from __future__ import annotations

import msgspec

from docket.domain.annotation import Annotation
from docket.domain.job import Event, EventName, Job, PcapFile, SourceAnswer
from docket.domain.source import SourceStatus


class EventMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on `docket.events`. `job.*` carries the whole job, `source.*` the whole source."""

    schema: str = "docket.event/1"
    event: EventName
    at: str
    seq: int | None = None
    job: Job | None = None
    source: SourceStatus | None = None
    job_id: str | None = None
    reason: str = ""
    user: str = ""
    annotation: Annotation | None = None
    """`job.annotated`: what was written."""

    @classmethod
    def of(cls, event: Event, job: Job | None) -> EventMessage:
        """An event of the ledger, with its job as it stands; None for a request that was rejected."""
        return cls(
            event=event.name,
            at=event.at,
            seq=event.seq,
            job=job,
            job_id=event.job_id,
            reason=event.reason,
            user=event.user,
            annotation=event.annotation,
        )


class StoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the history of a job."""

    seq: int | None
    name: EventName
    at: str
    reason: str
    user: str
    answers: tuple[SourceAnswer, ...]
    packets: int | None
    bytes: int | None
    revision: int | None
    pcap: PcapFile | None
    annotation: Annotation | None = None

    @classmethod
    def of(cls, event: Event) -> StoryEvent:
        return cls(**{name: getattr(event, name) for name in cls.__struct_fields__})
