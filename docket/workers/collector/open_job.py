"""One job while it is open: from its sources' fragments to its closing event. For the collector.

Methods that change something put it into the `Entries` of the collector's next commit and never touch the bus.
Whatever goes wrong with the disk ends this job with a sentence that names the disk, and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from docket.bus.messages import Cancel, Fragment
from docket.domain.annotation import Annotation
from docket.domain.clock import Clock, DeadlineClock
from docket.domain.job import CLOSING, FULL, Event, EventName, Job, PcapFile, SourceAnswer, State, Verdict, judge
from docket.domain.request import Request
from docket.domain.request_message import Limits
from docket.domain.timewindow import US_PER_S, format_us
from docket.errors import SpoolError
from docket.spool.file_io import file_size
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Entries
from docket.spool.manifest import make_manifest
from docket.spool.signing import Signer
from docket.workers.collector import outcome_texts
from docket.workers.collector.merge import STEP_BYTES, Share
from docket.workers.collector.part import Outcome, Part, encode_part, parted
from docket.workers.collector.result_writer import ResultWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What every open job needs from the collector."""

    spool: Spool
    clock: Clock
    deadline_clock: DeadlineClock
    most_bytes: int
    """The byte limit of a job that asks for no lower one."""
    signer: Signer | None = None
    """Signs manifests, if there is a key."""


class OpenJob:
    """A job that is queued, running, or being finished."""

    def __init__(self, context: JobContext, job: Job, request: Request, parts: Sequence[Part]) -> None:
        """`parts` stand in the order of the job's sources. Raises SpoolError."""
        self.job = job
        self.request = request
        self.parts = {part.source: part for part in parts}
        self.to_ask = {part.source for part in parts if part.broken and not part.closed}
        """Sources for which an order to read again must go out."""
        self.changed = False
        """Something moved since the last progress."""
        self._context = context
        self._cancel: Cancel | None = None
        self._ordered: dict[str, int] = {}
        self._disk = ""
        """What the disk said when it failed this job."""
        remaining_us = min(request.deadline_us - context.deadline_clock.now_us(), request.deadline_s * US_PER_S)
        self.deadline_s = context.clock.monotonic_s() + remaining_us / US_PER_S
        """In monotonic time: a clock that is set back does not lengthen it."""
        for part in parts:
            if self._is_shortened(part):
                log.warning("job %s: the part of %s is gone from the disk; it is read again", job.id, part.source)
                part.reopen(kept=False)
                self.to_ask.add(part.source)
        self._result_writer = self._new_writer()

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def open_parts(self) -> list[Part]:
        return [part for part in self.parts.values() if not part.closed]

    @property
    def waiting_bytes(self) -> int:
        """What is still to be merged; jobs with little of it go first."""
        return self._result_writer.waiting_bytes

    @property
    def held_bytes(self) -> int:
        """What its files take up by now."""
        return sum(part.record_bytes for part in self.parts.values()) + self._result_writer.size_bytes

    @property
    def ready(self) -> bool:
        """There is nothing left to do but `conclude`."""
        return not self.open_parts and (bool(self._disk) or self._discards or self._result_writer.settled)

    def take(self, fragment: Fragment, entries: Entries) -> None:
        """Judge one fragment, write its records, note what it says."""
        part = self.parts.get(fragment.source)
        if part is None:
            log.warning("job %s: a fragment from %s, which was not asked", self.id, fragment.source)
            return
        for piece in parted(fragment):
            outcome = part.take(piece, self.request)
            if outcome is not Outcome.DROPPED:
                self._act(outcome, part, piece, entries)

    def lose(self, source: str, entries: Entries) -> None:
        """What this source sent before the request came could not be kept: it has to read again."""
        part = self.parts.get(source)
        if part is not None and not part.closed:
            part.broken = True
            self._act(Outcome.BROKEN, part, None, entries)

    def orders(self) -> dict[str, int]:
        """The sources that have to be asked to read again, each with the attempt that counts."""
        wanted = {source: self.parts[source].next_attempt for source in self.to_ask}
        return {source: attempt for source, attempt in wanted.items() if self._ordered.get(source) != attempt}

    def ordered(self, orders: Mapping[str, int]) -> None:
        """The bus has taken these orders."""
        self._ordered.update(orders)

    def close_source(
        self, source: str, verdict: Verdict, sentence: str, entries: Entries, *, next_step: str = ""
    ) -> None:
        """Give an open source the collector's own verdict."""
        part = self.parts[source]
        part.close(verdict, sentence, usable=part.packets > 0, next_step=next_step)
        self._closed(part, entries)

    def expire(self, silence: Callable[[str], str], entries: Entries) -> None:
        """The deadline has come: close every source that has not ended. `silence` tells what a worker has not said."""
        for part in self.open_parts:
            sentence, next_step = outcome_texts.timed_out(part, self.job.deadline, silence(part.source))
            self.close_source(part.source, Verdict.TIMED_OUT, sentence, entries, next_step=next_step)

    def cancel(self, cancel: Cancel, entries: Entries) -> None:
        """The job was cancelled: what is open is closed, and `conclude` may follow."""
        if self._cancel is None or not cancel.keep:
            self._cancel = cancel
        for part in self.open_parts:
            self.close_source(part.source, Verdict.CANCELLED, "Cancelled while it was being read.", entries)

    def annotate(self, annotation: Annotation, user: str, entries: Entries) -> None:
        """Write on it; that changes nothing of what is read."""
        self._event(EventName.ANNOTATED, entries, annotation=annotation, user=user)

    def begin_revision(self, sources: Sequence[str], user: str, entries: Entries) -> None:
        """Open a final job once more for these sources; the others keep what they gave. Raises SpoolError."""
        for source in sources:
            self.parts[source].reopen(kept=source not in self.to_ask)
        self.to_ask.update(sources)
        self._context.spool.prepare(self.id, len(self.parts))
        self._result_writer = self._new_writer()
        for source in sources:
            self._note(self.parts[source], entries)
        self._event(
            EventName.STARTED,
            entries,
            answers=tuple(self._answer(self.parts[source]) for source in sources),
            revision=self.job.revision + 1,
            request=self.request,
            user=user,
        )

    def work(self, entries: Entries, step_bytes: int = STEP_BYTES) -> int:
        """Do one step of merging; returns how many bytes that were, 0 if there is nothing to do right now."""
        if self._disk or self._discards:
            return 0
        try:
            handled = self._result_writer.work(step_bytes)
        except SpoolError as error:
            self._fail_disk(error, entries)
            return 0
        if self._result_writer.limit_reached:
            for part in self.open_parts:
                self.close_source(part.source, Verdict.LIMITED, outcome_texts.limited(self._limits), entries)
        return handled

    def conclude(self, entries: Entries) -> State:
        """Give the result its name, write the manifest and close the job; returns its final state."""
        shares = self._result_writer.shares()
        self._judge_again()
        answers = tuple(self._final_answer(part, shares.get(part.source)) for part in self.parts.values())
        state = State.CANCELLED if self._cancel is not None else judge(answers)
        pcap = self._finish_result(state, answers)
        if pcap is None and state in (State.COMPLETED, State.PARTIAL):
            state = State.FAILED
        self._event(
            CLOSING[state],
            entries,
            answers=answers,
            pcap=pcap,
            packets=None if pcap is None else self._result_writer.packets,
            bytes=None if pcap is None else self._result_writer.record_bytes,
            reason=self._reason,
            user="" if self._cancel is None else self._cancel.user,
        )
        if pcap is not None:
            self._write_manifest(shares)
        self._settle_parts(state, entries)
        return state

    def clean_up(self) -> None:
        """Take off the disk what is not wanted any more, once the closing event is in the ledger."""
        spool = self._context.spool
        if self.job.pcap is None:
            spool.remove_job(self.id)
            return
        if self.job.state not in (State.PARTIAL, State.CANCELLED):
            spool.remove_parts(self.id)
        try:
            spool.remove_growing(self.id)
        except SpoolError as error:
            log.error("job %s: %s", self.id, error)

    def snapshot(self) -> Job:
        """The job as it stands this moment, between two entries of the ledger."""
        self.changed = False
        answers = tuple(self._answer(part) for part in self.parts.values())
        progress = Event(
            name=EventName.PROGRESS,
            job_id=self.id,
            at="",
            answers=answers,
            packets=sum(answer.packets for answer in answers),
            bytes=sum(answer.bytes for answer in answers),
        )
        return self.job.apply(progress)

    @property
    def _limits(self) -> Limits:
        asked = self.request.limits
        most_bytes = self._context.most_bytes
        return Limits(bytes=most_bytes if asked.bytes is None else min(asked.bytes, most_bytes), packets=asked.packets)

    @property
    def _discards(self) -> bool:
        return self._cancel is not None and not self._cancel.keep

    @property
    def _reason(self) -> str:
        if self._cancel is not None:
            return f"cancelled by {self._cancel.user}" if self._cancel.user else "cancelled"
        return self._disk

    def _act(self, outcome: Outcome, part: Part, fragment: Fragment | None, entries: Entries) -> None:
        self.changed = True
        try:
            if outcome is Outcome.DATA and fragment is not None and not self._result_writer.take(part, fragment):
                log.warning("job %s: %s left packets that cannot be found", self.id, part.source)
                part.broken, outcome = True, Outcome.BROKEN
            self._follow(outcome, part, entries)
        except SpoolError as error:
            self._fail_disk(error, entries)
        self._note(part, entries)

    def _follow(self, outcome: Outcome, part: Part, entries: Entries) -> None:
        """Do what a fragment means for its part. Raises SpoolError."""
        match outcome:
            case Outcome.BEGUN:
                self._result_writer.restart(part)
                self.to_ask.discard(part.source)
                if self.job.state is State.QUEUED:
                    self._event(EventName.STARTED, entries, answers=(self._answer(part),))
            case Outcome.BROKEN:
                if not part.packets:
                    self._result_writer.restart(part)
                part.sentence = outcome_texts.LOST_ON_THE_BUS
                self.to_ask.add(part.source)
                self._event(EventName.SOURCE, entries, answers=(self._answer(part),))
            case Outcome.SAID:
                self._event(EventName.SOURCE, entries, answers=(self._answer(part),))
            case Outcome.MOVED:
                self._result_writer.moved(part)
            case Outcome.ENDED:
                self._closed(part, entries)

    def _closed(self, part: Part, entries: Entries) -> None:
        """A source has its verdict."""
        self.to_ask.discard(part.source)
        self._result_writer.end(part)
        self._note(part, entries)
        self._event(EventName.SOURCE, entries, answers=(self._answer(part),))

    def _new_writer(self) -> ResultWriter:
        parts = list(self.parts.values())
        return ResultWriter(self._context.spool, self.job, self.request, parts, self._limits)

    def _is_shortened(self, part: Part) -> bool:
        """Whether the disk has less of the part than the ledger says."""
        files = [self._context.spool.part(self.id, part.source, number) for number in range(len(part.channels))]
        pairs = zip(part.channels, files, strict=True)
        return any(channel.filled and channel.size_bytes > file_size(path) for channel, path in pairs)

    def _fail_disk(self, error: SpoolError, entries: Entries) -> None:
        """The disk takes no more: the job ends with what is merged, and its parts make room, some of it at once."""
        if not self._disk:
            log.error("job %s: %s", self.id, error)
        self._disk = str(error)
        self._result_writer.give_up()
        for part in self.open_parts:
            self.close_source(part.source, Verdict.CUT, outcome_texts.disk(self._disk), entries)
        self._context.spool.remove_parts(self.id)
        self._context.spool.sweep()

    def _judge_again(self) -> None:
        """Take back verdicts that the making of the result has shown to be too good."""
        left_over = self._result_writer.left_over
        for source, fault in self._result_writer.faults.items():
            self._worsen(self.parts[source], Verdict.CUT, outcome_texts.not_records(fault))
        for part in self.parts.values():
            if part.source in left_over and self._disk:
                self._worsen(part, Verdict.CUT, outcome_texts.disk(self._disk))
            elif part.source in left_over and self._result_writer.limit_reached:
                self._worsen(part, Verdict.LIMITED, outcome_texts.limited(self._limits))

    def _worsen(self, part: Part, verdict: Verdict, sentence: str) -> None:
        if part.verdict in FULL and part.packets:
            part.verdict, part.sentence, part.usable = verdict, sentence, True

    def _finish_result(self, state: State, answers: Sequence[SourceAnswer]) -> PcapFile | None:
        """The finished file; None if there is none to be had."""
        kept = state is State.CANCELLED and not self._discards and self._result_writer.packets > 0
        if not (state in (State.COMPLETED, State.PARTIAL) or kept):
            return None
        try:
            if not self._result_writer.sound:
                raise SpoolError(self._disk or "the packets could not be put in order")
            size_bytes = self._result_writer.finish(answers)
        except SpoolError as error:
            log.error("job %s: there is no result: %s", self.id, error)
            self._disk = str(error)
            return None
        is_pcapng = bool(self._result_writer.interfaces)
        return PcapFile(
            name=self._context.spool.pcap_name(self.job, is_pcapng=is_pcapng),
            size=size_bytes,
            sha256=self._result_writer.sha256,
            format="pcapng" if is_pcapng else "pcap",
        )

    def _write_manifest(self, shares: dict[str, Share]) -> None:
        firsts = [share.first_us for share in shares.values() if share.first_us is not None]
        lasts = [share.last_us for share in shares.values() if share.last_us is not None]
        signer = self._context.signer
        manifest = make_manifest(
            self.job,
            self.request,
            written_at=self._context.clock.now(),
            first_us=min(firsts, default=None),
            last_us=max(lasts, default=None),
            linktype=self._result_writer.linktype,
            signing_key=None if signer is None else signer.public_text,
            interfaces=self._result_writer.interfaces,
            packet_sources=self._result_writer.packet_sources,
        )
        try:
            self._context.spool.write_manifest(manifest, signer)
        except SpoolError as error:
            log.error("job %s: its manifest could not be written: %s", self.id, error)

    def _settle_parts(self, state: State, entries: Entries) -> None:
        """Keep in the ledger what a retry will want to know."""
        if state is State.PARTIAL or (state is State.CANCELLED and self.job.pcap is not None):
            for part in self.parts.values():
                self._note(part, entries)
        else:
            for part in self.parts.values():
                entries.parts.pop((self.id, part.source), None)
            entries.forgotten.add(self.id)

    def _answer(self, part: Part) -> SourceAnswer:
        return part.answer(self.request.window)

    def _final_answer(self, part: Part, share: Share | None) -> SourceAnswer:
        """With the counts of what is in the result, which limits may have made less than what arrived."""
        answer = part.answer(self.request.window, self._result_writer.part_sha256(part.source))
        if self._discards:
            return answer
        given = share or Share(0, 0, None, None)
        return msgspec.structs.replace(
            answer,
            packets=given.packets,
            bytes=given.bytes,
            first=None if given.first_us is None else format_us(given.first_us),
            last=None if given.last_us is None else format_us(given.last_us),
        )

    def _event(self, name: EventName, entries: Entries, **facts: Any) -> None:
        event = Event(name=name, job_id=self.id, at=self._context.clock.now(), **facts)
        self.job = self.job.apply(event)
        entries.events.append(event)

    def _note(self, part: Part, entries: Entries) -> None:
        entries.parts[self.id, part.source] = encode_part(part)
