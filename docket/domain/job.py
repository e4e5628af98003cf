"""The words of the domain: states, verdicts, answers, events, and the job as a fold over its events. Pure.

`Job.apply(event)` is the one place where a job's state changes. `Job`, `SourceAnswer` and `PcapFile` have
exactly the shape that HTTP, WebSocket and bus show; times in them are RFC 3339 UTC with microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from docket.domain.annotation import Annotation
from docket.domain.provenance import Provenance
from docket.domain.query.canonical import Query
from docket.domain.query.render import explain
from docket.domain.refinement import Refinement, explain_refinement
from docket.domain.request import Request
from docket.domain.request_message import Limits
from docket.domain.timewindow import format_us


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL = frozenset({State.COMPLETED, State.PARTIAL, State.FAILED, State.CANCELLED, State.EXPIRED})
"""States in which nothing moves any more, unless a user retries."""


class Verdict(StrEnum):
    """What one source's answer is worth."""

    COMPLETE = "complete"
    EMPTY = "empty"
    LIMITED = "limited"
    CUT = "cut"
    GAP = "gap"
    AGED_OUT = "aged-out"
    NOT_YET = "not-yet"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


FULL = frozenset({Verdict.COMPLETE, Verdict.EMPTY})
"""The verdicts that need no second look. Everything else fell short."""

UNMENDABLE = frozenset({Verdict.GAP})
"""What falls short for ever: what was not recorded does not come by asking again."""

LASTING = frozenset({Verdict.AGED_OUT, Verdict.LIMITED})
"""What asking again hardly mends: it is gone from the disk, or beyond the job's limit."""


class EventName(StrEnum):
    REQUESTED = "job.requested"
    STARTED = "job.started"
    PROGRESS = "job.progress"
    SOURCE = "job.source"
    COMPLETED = "job.completed"
    PARTIAL = "job.partial"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"
    EXPIRED = "job.expired"
    REJECTED = "job.rejected"
    INSPECTED = "job.inspected"
    ANNOTATED = "job.annotated"
    SOURCE_ONLINE = "source.online"
    SOURCE_OFFLINE = "source.offline"
    SOURCE_STATS = "source.stats"
    SOURCE_FORGOTTEN = "source.forgotten"


CLOSING = {
    State.COMPLETED: EventName.COMPLETED,
    State.PARTIAL: EventName.PARTIAL,
    State.FAILED: EventName.FAILED,
    State.CANCELLED: EventName.CANCELLED,
}
"""The event that brings a job into each of its first final states."""


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One source's share of a job, while it is read and after."""

    name: str
    verdict: Verdict | None = None
    sentence: str = ""
    packets: int = 0
    bytes: int = 0
    trimmed: int = 0
    """Packets that match, and that lay outside the window."""
    received: int = 0
    """Packets that the store sent, whatever became of them."""
    first: str | None = None
    last: str | None = None
    progress: float = 0.0
    attempt: int = 0
    sent: str = ""
    kept: str = ""
    """What the worker kept of the answer, where the store was asked for more than the query says."""
    usable: bool = False
    """Whether some of the window was answered for; decides between `partial` and `failed`."""
    next_step: str = ""
    sha256: str | None = None


class PcapFile(msgspec.Struct, frozen=True, kw_only=True):
    """The downloadable result. `url` is filled in by the web app, which knows its base path."""

    url: str = ""
    name: str
    size: int
    sha256: str
    format: str = "pcap"
    """Or `pcapng`, where the packets are of several link types."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a job. Only the facts that the event's name calls for are set."""

    name: EventName
    job_id: str
    at: str
    seq: int | None = None
    """Place in the ledger; progress between two entries has none."""
    request: Request | None = None
    source_names: tuple[str, ...] = ()
    answers: tuple[SourceAnswer, ...] = ()
    pcap: PcapFile | None = None
    packets: int | None = None
    bytes: int | None = None
    revision: int | None = None
    reason: str = ""
    user: str = ""
    annotation: Annotation | None = None
    """What was written on the job."""
    provenance: Provenance | None = None
    """Of `job.requested` and `job.rejected`: how the request came."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A question and all that became of it."""

    id: str
    state: State
    query: str
    asked: str
    explanation: str
    after: str
    before: str
    owner: str
    note: str
    created_at: str
    finished_at: str | None = None
    deadline: str
    packets: int = 0
    bytes: int = 0
    revision: int = 1
    pcap: PcapFile | None = None
    sources: tuple[SourceAnswer, ...] = ()
    limits: Limits = Limits()
    wait_for_flush: bool = True
    reason: str = ""
    """Why it was cancelled, expired or failed, where a reason was given."""
    parent: str | None = None
    """The job from whose result it was taken; null: sources were asked."""
    refine: Refinement | None = None
    tags: tuple[str, ...] = ()
    case: str = ""
    """The number of the case that it belongs to, in the words of its people."""

    @classmethod
    def opened(cls, request: Request, source_names: Iterable[str]) -> Job:
        """The job as it stands right after it was asked."""
        return cls(
            id=request.id,
            state=State.QUEUED,
            query=request.query,
            asked=request.asked,
            explanation=explained(request.parsed_query, request.parent, request.refine),
            after=format_us(request.after_us),
            before=format_us(request.before_us),
            owner=request.owner,
            note=request.note,
            created_at=format_us(request.requested_at_us),
            deadline=format_us(request.deadline_us),
            sources=tuple(SourceAnswer(name=name) for name in source_names),
            limits=request.limits,
            wait_for_flush=request.wait_for_flush,
            parent=request.parent,
            refine=request.refine,
            tags=request.tags,
        )

    def apply(self, event: Event) -> Job:
        """The job after the event. Facts that the event does not carry stay as they are."""
        changes: dict[str, Any] = {"sources": _updated(self.sources, event.answers)}
        for fact in ("packets", "bytes", "pcap", "revision"):
            value = getattr(event, fact)
            if value is not None:
                changes[fact] = value
        match event.name:
            case EventName.STARTED:
                changes |= {"state": State.RUNNING, "finished_at": None, "reason": ""}
                if event.request is not None:  # a retry, which has a deadline of its own
                    changes["deadline"] = format_us(event.request.deadline_us)
            case EventName.COMPLETED | EventName.PARTIAL | EventName.FAILED | EventName.CANCELLED:
                state = State(event.name.removeprefix("job."))
                changes |= {"state": state, "finished_at": event.at, "reason": event.reason}
            case EventName.ANNOTATED if event.annotation is not None:
                changes |= event.annotation.changes()
            case EventName.EXPIRED:
                changes |= {"state": State.EXPIRED, "pcap": None, "reason": event.reason}
            case _:
                pass
        return msgspec.structs.replace(self, **changes)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    def answer(self, source: str) -> SourceAnswer | None:
        """The answer of one source, or None if it was not asked."""
        return next((answer for answer in self.sources if answer.name == source), None)

    @property
    def fell_short(self) -> tuple[str, ...]:
        """The sources whose answers are not full."""
        return tuple(answer.name for answer in self.sources if answer.verdict not in FULL)

    @property
    def worth_retrying(self) -> tuple[str, ...]:
        """The sources that a retry asks again: those of lasting verdicts only where there are no others."""
        short = [answer for answer in self.sources if answer.verdict not in FULL | UNMENDABLE]
        better = [answer for answer in short if answer.verdict not in LASTING]
        return tuple(answer.name for answer in better or short)


def judge(answers: Sequence[SourceAnswer]) -> State:
    """The final state that verdicts add up to, for a job that was not cancelled.

    Every verdict full: completed. Nothing usable: failed. Anything between: partial.
    """
    if answers and all(answer.verdict in FULL for answer in answers):
        return State.COMPLETED
    if any(answer.verdict in FULL or answer.usable or answer.packets > 0 for answer in answers):
        return State.PARTIAL
    return State.FAILED


def explained(query: Query, parent: str | None, refine: Refinement | None) -> str:
    """What a question asks for, in a sentence or two."""
    sentence = explain(query)
    return sentence if parent is None else f"{sentence} {explain_refinement(parent, refine or Refinement())}"


def _updated(old: tuple[SourceAnswer, ...], news: tuple[SourceAnswer, ...]) -> tuple[SourceAnswer, ...]:
    """Answers replaced by name; a source that was not listed yet is added at the end."""
    if not news:
        return old
    by_name = {answer.name: answer for answer in old} | {answer.name: answer for answer in news}
    return tuple(by_name.values())
