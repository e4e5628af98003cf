"""One job read from one source: wait for what is not on disk yet, read slice by slice, trim, judge. For `interface`.

Knows nothing of the bus but a function that publishes fragments. What happened ends up in one verdict with a
sentence; only a reading that was asked to stop (cancelled, too late, the worker leaves) says nothing.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from threading import Event, Timer
from typing import TypeVar

from docket.bus.messages import Fragment
from docket.domain.clock import Clock
from docket.domain.ids import new_run
from docket.domain.job import Verdict
from docket.domain.query.canonical import Query
from docket.domain.query.planning import Plan
from docket.domain.request import Request, fingerprint
from docket.domain.timewindow import US_PER_S, Window
from docket.errors import CaptureError, DocketError, SourceError
from docket.packet.pcap import FileHeader
from docket.packet.record_cutter import RecordCutter
from docket.packet.record_filter import RecordFilter
from docket.runtime.backoff import Backoff
from docket.workers.interface import verdict_texts
from docket.workers.interface.fragment_publisher import FragmentPublisher, Publish
from docket.workers.interface.handover import HandOver, nothing_handed_over
from docket.workers.interface.verdict_texts import Finding
from docket.workers.sources.base import Coverage, ReadAgain, Received, Source

log = logging.getLogger(__name__)

LONG_SLICE_S = 300.0
"""A slice that took longer makes the later ones half as long: stenographer stops by itself after 900 s."""
SHORTEST_SLICE_US = 60 * US_PER_S
LOOK_FURTHER_S = 5.0
"""How long a reading that is exactly at its limit looks for one more packet, to know whether it was cut."""
STALE_COVERAGE_S = 1.0
FLUSH_POLL_S = 5.0
LONGEST_MARGIN_S = 30.0
"""A reading that cannot wait for everything begins so long before the deadline, or a fifth of it."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0

HEADROOM_PACKETS = 10_000
HEADROOM_BYTES = 16 * 1024 * 1024
WIDENED_BY_US = 600 * US_PER_S
"""More than any store answers beyond the window: what a store's own limit must leave room for."""
HIGHEST_STORE_LIMIT = 2**63 - 1
"""What stenographer can read as a number. A window of a microsecond asks for more headroom, and more is no limit."""

T = TypeVar("T")


class Stopped(DocketError):
    """The reading has to stop; its caller knows why."""


Lane = Callable[[Callable[[int], None]], AbstractContextManager[None]]
"""Where readings of one source wait: tells the place in the queue, and holds a turn. Raises Stopped."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read."""

    request: Request
    attempt: int
    most_bytes: int
    """The byte limit of a job that asks for no lower one."""
    patience_s: float
    """How long a store that cannot be reached is tried."""


class _StoreStopped(DocketError):
    """The store stopped at the limit that it was given, though the job's own limit allows more."""


class _Linked(Event):
    """Set when it is set itself or when its parent is."""

    def __init__(self, parent: Event) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or self._parent.is_set()


class JobReading:
    """Reads once; `run` is for one thread."""

    def __init__(
        self,
        source: Source,
        task: Task,
        publish: Publish,
        stop: Event,
        lane: Lane,
        clock: Clock | None = None,
        *,
        hand_over: HandOver = nothing_handed_over,
    ) -> None:
        self.packets = 0
        self.bytes = 0
        self.read_s = 0.0
        """Time spent on reading proper, without waiting."""
        self._source = source
        self._task = task
        self._request = task.request
        self._window = task.request.window
        self._query: Query = task.request.parsed_query
        self._publish = publish
        self._stop = stop
        self._lane = lane
        self._hand_over = hand_over
        self._clock = clock or Clock()
        self._findings: list[Finding] = []
        """What fell short so far, in the order in which it happened."""
        self._last_us: int | None = None
        """Latest packet of the slice being read."""
        self._some_read = False
        self._undecided = 0
        self._quiet = ""
        self._plan: Plan | None = None
        """What the store cannot decide, if there is something."""
        self._proved: Coverage | None = None
        """What the store had when the latest slice ended, if that was whole."""

    def run(self) -> Finding:
        """Read and publish, up to the confirmed `end`. Raises Stopped, BusError."""
        try:
            return self._read_in_form(forward_limits=True)
        except _StoreStopped:
            log.info("job %s: %s stopped at its own limit; reading again without", self._request.id, self._source.name)
            return self._read_in_form(forward_limits=False)

    def _read_in_form(self, *, forward_limits: bool) -> Finding:
        try:
            return self._read_anew(forward_limits=forward_limits)
        except ReadAgain:
            log.info("job %s: %s must answer in another form; reading again", self._request.id, self._source.name)
            return self._read_anew(forward_limits=forward_limits)

    def _read_anew(self, *, forward_limits: bool) -> Finding:
        self.packets = self.bytes = 0
        self._findings, self._some_read, self._undecided = [], False, 0
        wording = self._source.wording(self._query, self._window)
        self._plan = wording.plan
        template = Fragment(
            job=self._request.id,
            source=self._source.name,
            attempt=self._task.attempt,
            run=new_run(),
            seq=0,
            sent=wording.sent,
            kept=wording.kept,
            question=fingerprint(self._request),
        )
        fragment_publisher = FragmentPublisher(self._publish, template, self._hand_over(template))
        try:
            self._answer(fragment_publisher, forward_limits)
            finding = verdict_texts.judge(
                self._findings, self._window, self.packets, some_read=self._some_read, if_empty=wording.if_empty
            )
            if self._undecided:
                text = f"{finding.sentence} {verdict_texts.undecided(self._undecided)}"
                finding = replace(finding, sentence=text)
            if self._quiet and finding.verdict in (Verdict.COMPLETE, Verdict.EMPTY):
                finding = replace(finding, sentence=f"{finding.sentence} {self._quiet}")
            fragment_publisher.finish(finding)
            return finding
        finally:
            fragment_publisher.close()

    def _answer(self, fragment_publisher: FragmentPublisher, forward_limits: bool) -> None:
        """Wait, read and find what fell short. Raises Stopped, _StoreStopped, BusError."""
        name = self._source.name
        try:
            coverage = self._wait_for_flush(
                fragment_publisher, self._patiently(fragment_publisher, self._recent_coverage)
            )
            asked_s = time.monotonic()
            with self._lane(lambda place: fragment_publisher.say(verdict_texts.waiting_in_lane(place, name))):
                if time.monotonic() - asked_s > STALE_COVERAGE_S:
                    coverage = self._patiently(fragment_publisher, self._recent_coverage)
                began_s = time.monotonic()
                fragment_publisher.begin_soon()
                try:
                    self._read_slices(fragment_publisher, coverage, forward_limits)
                finally:
                    self.read_s = time.monotonic() - began_s
            after = self._proved or self._patiently(fragment_publisher, self._source.coverage)
        except SourceError as error:
            self._check_stop()
            self._findings.append(verdict_texts.failed(error.verdict, error.sentence))
            return
        self._quiet = verdict_texts.quiet(name, self._window, after)
        doubts = (
            verdict_texts.aged_out(name, self._window, after),
            verdict_texts.gap(name, self._window, after),
            verdict_texts.not_yet(name, self._window, coverage, self._clock.now_us()),
        )
        self._findings += [doubt for doubt in doubts if doubt is not None]

    def _recent_coverage(self) -> Coverage:
        return self._source.coverage(age_s=STALE_COVERAGE_S)

    def _wait_for_flush(self, fragment_publisher: FragmentPublisher, coverage: Coverage) -> Coverage:
        """Wait until the whole window is on disk, or until the deadline leaves just time enough to read."""
        request = self._request
        ready_us = self._window.before_us + coverage.flush_lag_us
        latest_us = min(ready_us, latest_begin_us(request))
        said = False
        if request.wait_for_flush and not _readable(coverage, self._window):
            coverage = self._patiently(fragment_publisher, self._source.coverage)
        while request.wait_for_flush and not _readable(coverage, self._window):
            left_s = (latest_us - self._clock.now_us()) / US_PER_S
            if left_s <= 0:
                break
            if not said:
                fragment_publisher.say(verdict_texts.waiting_for_flush(self._source.name, latest_us))
                said = True
            self._pause(min(left_s, FLUSH_POLL_S))
            coverage = self._patiently(fragment_publisher, self._source.coverage)
        return coverage

    def _read_slices(self, fragment_publisher: FragmentPublisher, coverage: Coverage, forward_limits: bool) -> None:
        """Read slice after slice up to the limit; one that was cut does not keep the later ones from being read."""
        now_us = self._clock.now_us()
        oldest_us = (coverage.oldest_us or 0) - coverage.clock_steps_us
        waiting = deque(
            piece
            for piece in self._source.slices(self._window)
            if piece.before_us > oldest_us and piece.after_us <= now_us + coverage.clock_steps_us
        )
        while waiting:
            piece = waiting.popleft()
            began_s = time.monotonic()
            self._last_us, self._proved = None, None
            try:
                limited = self._read_slice(fragment_publisher, piece, forward_limits)
            except SourceError as error:
                self._check_stop()
                if error.verdict != Verdict.CUT:
                    raise
                self._findings.append(verdict_texts.cut(error.sentence, self._source.name, self._last_us, piece))
            else:
                self._some_read = True
                if limited is not None:
                    self._findings.append(limited)
                    return
            fragment_publisher.advance(piece.before_us)
            if time.monotonic() - began_s > LONG_SLICE_S:
                waiting = deque(half for later in waiting for half in _halves(later))

    def _read_slice(self, fragment_publisher: FragmentPublisher, piece: Window, forward_limits: bool) -> Finding | None:
        """Read one slice; what it says is that a limit was reached. Raises SourceError, Stopped, _StoreStopped."""
        packets_left, bytes_left = self._left()
        # A store that is asked for more than is kept must not stop at a limit of what is kept.
        forward_limits = forward_limits and self._plan is None
        store_packets = _with_headroom(packets_left, HEADROOM_PACKETS, piece) if forward_limits else None
        store_bytes = _with_headroom(bytes_left, HEADROOM_BYTES, piece) if forward_limits else None
        cutter = RecordCutter(piece, packets_left, bytes_left, None if self._plan is None else self._filter)
        enough = _Linked(self._stop)
        timer: Timer | None = None
        with ExitStack() as stack:
            reading = self._patiently(
                fragment_publisher,
                lambda: stack.enter_context(
                    self._source.read(
                        self._query, piece, most_bytes=store_bytes, most_packets=store_packets, stop=enough
                    )
                ),
            )
            fragment_publisher.watch(lambda: _no_later(reading.through_us(), piece))
            try:
                for chunk in reading.chunks:
                    self._check_stop()
                    self._take(fragment_publisher, cutter, chunk)
                    if cutter.more:
                        return verdict_texts.limited(self._source.name, self.packets, certain=True)
                    if cutter.full and timer is None:
                        timer = Timer(LOOK_FURTHER_S, enough.set)
                        timer.start()
                cutter.finish()
                if _reached(cutter.received_packets, store_packets) or _reached(cutter.received_bytes, store_bytes):
                    raise _StoreStopped
                self._proved = reading.prove(Received(cutter.received_packets, cutter.received_last_us))
                self._findings += map(verdict_texts.short, reading.shortfalls())
            except CaptureError as error:
                verdict = "refused" if cutter.header is None else "cut"
                raise SourceError(verdict, f"The answer of {self._source.name} is not whole: {error}") from error
            except SourceError:
                self._check_stop()
                if enough.is_set():
                    return verdict_texts.limited(self._source.name, self.packets, certain=False)
                raise
            finally:
                self._undecided += cutter.undecided_packets
                fragment_publisher.watch(lambda: None)
                if timer is not None:
                    timer.cancel()
        return None

    def _take(self, fragment_publisher: FragmentPublisher, cutter: RecordCutter, chunk: bytes | list[bytes]) -> None:
        before = cutter.received_packets
        trimmed = cutter.feed(chunk)
        fragment_publisher.count(cutter.received_packets - before)
        self.packets += trimmed.packets
        self.bytes += len(trimmed.body)
        if trimmed.last_us is not None:
            self._last_us = max(trimmed.last_us, self._last_us or 0)
        fragment_publisher.add(trimmed, cutter.linktype, nanoseconds=cutter.nanoseconds)

    def _filter(self, header: FileHeader) -> RecordFilter:
        """What keeps exactly the packets that match; for an answer in the one form that a cutter puts out."""
        plan = self._plan
        assert plan is not None
        return RecordFilter(
            plan.query.root, header.linktype, nanoseconds=header.nanoseconds, look_inside=plan.look_inside
        )

    def _left(self) -> tuple[int | None, int]:
        """What the job's limits still allow, in packets and in bytes."""
        limits = self._request.limits
        packets = None if limits.packets is None else limits.packets - self.packets
        return packets, min(limits.bytes or self._task.most_bytes, self._task.most_bytes) - self.bytes

    def _patiently(self, fragment_publisher: FragmentPublisher, ask: Callable[[], T]) -> T:
        """Ask a store that may be away for a moment. Raises SourceError, Stopped."""
        give_up_s = time.monotonic() + self._task.patience_s
        backoff, said = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S), False
        while True:
            pause_s = backoff.next_s()
            self._check_stop()
            try:
                answer = ask()
            except SourceError as error:
                if error.verdict != Verdict.UNREACHABLE or time.monotonic() + pause_s > give_up_s:
                    raise
                if pause_s > LONGEST_PAUSE_S / 4:
                    fragment_publisher.say(verdict_texts.waiting_for_source(error.sentence))
                    said = True
            else:
                if said:
                    fragment_publisher.say(verdict_texts.answers_again(self._source.name))
                return answer
            self._pause(pause_s)

    def _pause(self, pause_s: float) -> None:
        self._stop.wait(pause_s)
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped("the reading was asked to stop")


def _readable(coverage: Coverage, window: Window) -> bool:
    return coverage.readable_until_us is None or window.before_us <= coverage.readable_until_us


def _halves(window: Window) -> list[Window]:
    middle_us = (window.after_us + window.before_us) // 2
    if window.length_us < 2 * SHORTEST_SLICE_US:
        return [window]
    return [Window(window.after_us, middle_us), Window(middle_us, window.before_us)]


def latest_begin_us(request: Request) -> int:
    """When a reading begins that could not wait for everything: early enough to be done by the deadline."""
    margin_s = min(LONGEST_MARGIN_S, request.deadline_s / 5)
    return request.deadline_us - int(margin_s * US_PER_S)


def _with_headroom(limit: int | None, headroom: int, window: Window) -> int | None:
    """A limit for the store, which counts what it sends beyond the window too."""
    if limit is None:
        return None
    wide = 2 * limit * (window.length_us + WIDENED_BY_US) // window.length_us + headroom
    return wide if wide <= HIGHEST_STORE_LIMIT else None


def _reached(received: int, limit: int | None) -> bool:
    return limit is not None and received >= limit


def _no_later(through_us: int | None, window: Window) -> int | None:
    return None if through_us is None else min(through_us, window.before_us)
