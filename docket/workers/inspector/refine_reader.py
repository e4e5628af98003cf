"""Answers one question that has a parent: reads its result, publishes what is kept. For `refine_service`.

To the collector this is a source like any other, with begin, fragments and an end that carries a verdict.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass

from docket.bus.messages import Fragment
from docket.domain.clock import Clock
from docket.domain.job import State, Verdict
from docket.domain.plain_text import whole
from docket.domain.query.render import explain
from docket.domain.refinement import SPOOL_SOURCE, Refinement, explain_refinement
from docket.domain.request import Request
from docket.domain.timewindow import US_PER_S
from docket.domain.units import packets_text
from docket.errors import CaptureError, DissectionError, NoSuchJob, SpoolError
from docket.packet.pcap import ETHERNET, Trimmed, in_us, scan, trim
from docket.packet.record_cutter import RecordCutter
from docket.packet.record_filter import RecordFilter
from docket.spool.layout import Spool
from docket.workers.inspector.deduplicator import Deduplicator
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.selection import decided_root, selected
from docket.workers.interface.fragment_publisher import FragmentPublisher, Publish
from docket.workers.interface.reader import Lane, Stopped, Task
from docket.workers.interface.verdict_texts import Finding, undecided

_FOR_EVER = 2**62


@dataclass(frozen=True, slots=True)
class SpoolSource:
    """The spool, as something that can be read from."""

    spool: Spool
    name: str = SPOOL_SOURCE


class RefineReader:
    """Reads once; `run` is for one thread."""

    def __init__(self, source: SpoolSource, task: Task, publish: Publish, stop: threading.Event, lane: Lane) -> None:
        self.read_s = 0.0
        """Time spent on reading, without waiting."""
        self._source = source
        self._task = task
        self._request = task.request
        self._refinement = task.request.refine or Refinement()
        self._publish = publish
        self._stop = stop
        self._lane = lane
        self._deduplicator = Deduplicator(self._refinement.drop_duplicates_ms * 1_000, self._refinement.snaplen)
        self._root = decided_root(self._request.parsed_query.root, self._refinement)
        self._filter = RecordFilter(self._root, ETHERNET)
        self._packets = 0
        self._bytes = 0
        self._full = False

    def run(self) -> Finding:
        """Read and publish, up to the confirmed `end`. Raises Stopped, BusError."""
        template = Fragment(
            job=self._request.id,
            source=self._source.name,
            attempt=self._task.attempt,
            run=f"{time.time_ns():016x}-{uuid.uuid4().hex[:8]}",
            seq=0,
            sent=_wording(self._request),
        )
        fragment_publisher = FragmentPublisher(self._publish, template)
        try:
            with self._lane(lambda place: fragment_publisher.say(f"Place {place} in the queue of refinements.")):
                began_s = time.monotonic()
                finding = self._answer(fragment_publisher)
                self.read_s = time.monotonic() - began_s
            fragment_publisher.finish(
                verdict=finding.verdict,
                sentence=finding.sentence,
                next_step=finding.next_step,
                usable=finding.usable,
            )
            return finding
        finally:
            fragment_publisher.close()

    def _answer(self, fragment_publisher: FragmentPublisher) -> Finding:
        parent = self._request.parent or ""
        try:
            capture = Capture.open(self._source.spool, parent)
        except NoSuchJob:
            return _refused(f"The result of job {parent} is not there any more.", "Ask for its packets anew.")
        except SpoolError as error:
            return _refused(whole(f"The result of job {parent} cannot be read: {error}"), "Try again in a moment.")
        try:
            if self._refinement.sha256 not in ("", capture.sha256):
                return _refused(f"Job {parent} has a newer result by now.", "Look at it and refine it again.")
            self._read(capture, fragment_publisher)
            return self._judge(capture)
        except (DissectionError, CaptureError) as error:
            if self._stop.is_set():
                raise Stopped("the reading was told to stop") from error
            verdict = Verdict.CUT if self._packets else Verdict.REFUSED
            text = whole(f"The result of job {parent} could not be filtered to its end: {error}")
            return Finding(verdict, text, "Try another filter.", usable=self._packets > 0)
        finally:
            capture.close()

    def _read(self, capture: Capture, fragment_publisher: FragmentPublisher) -> None:
        """Raises DissectionError, CaptureError, BusError."""
        cutter = RecordCutter(self._request.window, None, None)
        wall_s = max((self._request.deadline_us - Clock().now_us()) / US_PER_S, 1.0)
        header, refinement = capture.header, self._refinement
        self._filter = RecordFilter(self._root, header.linktype, nanoseconds=header.nanoseconds)
        self._deduplicator = Deduplicator(
            refinement.drop_duplicates_ms * 1_000, refinement.snaplen, nanoseconds=header.nanoseconds
        )
        with selected(capture, self._refinement, wall_s, self._stop) as pieces:
            for piece in pieces:
                if self._stop.is_set():
                    raise DissectionError("it was stopped")
                self._take(cutter.feed(piece), cutter, fragment_publisher)
                if self._full:
                    return
            cutter.finish()

    def _take(self, cut: Trimmed, cutter: RecordCutter, fragment_publisher: FragmentPublisher) -> None:
        kept = self._deduplicator.feed(self._filter.feed(cut.body))
        timestamps, offsets, _ = scan(kept, nanoseconds=cutter.nanoseconds)
        timestamps = in_us(timestamps, nanoseconds=cutter.nanoseconds)
        limits = self._request.limits
        most_bytes = min(limits.bytes or self._task.most_bytes, self._task.most_bytes)
        fitting = trim(
            kept,
            timestamps,
            offsets,
            0,
            _FOR_EVER,
            most_packets=None if limits.packets is None else limits.packets - self._packets,
            most_bytes=most_bytes - self._bytes,
        )
        self._packets += fitting.packets
        self._bytes += len(fitting.body)
        self._full = fitting.more
        fragment_publisher.add(fitting._replace(outside=cut.outside), cutter.linktype, nanoseconds=cutter.nanoseconds)

    def _judge(self, capture: Capture) -> Finding:
        """What is to be said about an answer that was read to its end, or to the job's limit."""
        parent, deduplicator = capture.job_id, self._deduplicator
        text = f"Of the {packets_text(capture.packets)} of job {parent}, {self._packets:,} were kept."
        if self._refinement.drop_duplicates_ms:
            within = f"within {self._refinement.drop_duplicates_ms} ms"
            text += f" Duplicates {within} that were dropped: {deduplicator.duplicates:,}."
        if self._refinement.snaplen:
            text += f" Packets that were cut to {self._refinement.snaplen:,} bytes: {deduplicator.shortened:,}."
        if self._filter.undecided:
            text += f" {undecided(self._filter.undecided)}"
        if self._full:
            text += " It was stopped at the limit; more matched."
            return Finding(Verdict.LIMITED, text, "Raise the limit, or keep less.")
        if capture.manifest.state is not State.COMPLETED:
            text += f" That job is {capture.manifest.state}: what it lacks is missing here too."
            return Finding(Verdict.LIMITED, text, f"Retry job {parent}, then refine it again.")
        return Finding(Verdict.COMPLETE if self._packets else Verdict.EMPTY, text)


def _wording(request: Request) -> str:
    refinement = explain_refinement(request.parent or "", request.refine or Refinement())
    return f"{explain(request.parsed_query)} {refinement}" if request.query else refinement


def _refused(sentence: str, next_step: str) -> Finding:
    return Finding(Verdict.REFUSED, sentence, next_step, usable=False)
