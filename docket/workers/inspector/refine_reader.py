"""Answers one question that has a parent: reads its result, publishes what is kept. For `refine_service`.

To the collector this is a source like any other, with begin, fragments and an end that carries a verdict.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docket.bus.messages import Fragment
from docket.domain.clock import Clock
from docket.domain.ids import new_run
from docket.domain.job import State, Verdict
from docket.domain.plain_text import whole
from docket.domain.query.render import explain
from docket.domain.refinement import SPOOL_SOURCE, Refinement, explain_refinement
from docket.domain.request import Request, fingerprint
from docket.domain.timewindow import US_PER_S
from docket.domain.units import packets_text
from docket.errors import CaptureError, DissectionError, NoSuchJob, SpoolError
from docket.packet.decode import decode
from docket.packet.match import match
from docket.packet.pcap import RECORD_HEADER, RECORD_HEADER_BYTES, Trimmed
from docket.packet.records import scan
from docket.spool.layout import Spool
from docket.workers.inspector.deduplicator import Deduplicator
from docket.workers.inspector.tshark.result_capture import Batch, Capture
from docket.workers.inspector.tshark.selection import Selection, decided_root
from docket.workers.interface.fragment_publisher import FragmentPublisher, Publish
from docket.workers.interface.reader import Lane, Stopped, Task
from docket.workers.interface.verdict_texts import Finding, undecided


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
        refinement = self._refinement
        self._deduplicator = Deduplicator(
            refinement.drop_duplicates_ms * 1_000,
            refinement.snaplen,
            tap_us=max(refinement.drop_duplicates_ms, refinement.drop_tap_duplicates_ms) * 1_000,
        )
        self._undecided = 0
        self._root = decided_root(self._request.parsed_query.root, self._refinement)
        self._packets = 0
        self._bytes = 0
        self._full = False

    def run(self) -> Finding:
        """Read and publish, up to the confirmed `end`. Raises Stopped, BusError."""
        template = Fragment(
            job=self._request.id,
            source=self._source.name,
            attempt=self._task.attempt,
            run=new_run(),
            seq=0,
            sent=_wording(self._request),
            question=fingerprint(self._request),
        )
        fragment_publisher = FragmentPublisher(self._publish, template)
        try:
            with self._lane(lambda place: fragment_publisher.say(f"Place {place} in the queue of refinements.")):
                began_s = time.monotonic()
                fragment_publisher.begin_soon()
                finding = self._answer(fragment_publisher)
                self.read_s = time.monotonic() - began_s
            fragment_publisher.finish(finding)
            return finding
        finally:
            fragment_publisher.close()

    def _answer(self, fragment_publisher: FragmentPublisher) -> Finding:
        parent = self._request.parent or ""
        try:
            capture = Capture.open(self._source.spool, parent)
        except NoSuchJob:
            return _refused(f"The result of job {parent} is not there any more.", "Ask for its packets again.")
        except SpoolError as error:
            return _refused(whole(f"The result of job {parent} cannot be read: {error}"), "Try again in a moment.")
        try:
            if self._refinement.sha256 not in ("", capture.sha256):
                return _refused(f"Job {parent} has a newer result by now.", "Look at it and refine it again.")
            strangers = sorted(set(self._refinement.sources) - set(capture.sources))
            if strangers:
                known = ", ".join(sorted(set(capture.sources)))
                return _refused(f"Job {parent} has no packets of {', '.join(strangers)}.", f"It has those of {known}.")
            self._read(capture, fragment_publisher)
            return self._judge(capture)
        except (DissectionError, CaptureError) as error:
            if self._stop.is_set():
                raise Stopped("the reading was asked to stop") from error
            verdict = Verdict.CUT if self._packets else Verdict.REFUSED
            text = whole(f"The result of job {parent} could not be filtered to its end: {error}")
            return Finding(verdict, text, "Try another filter.", usable=self._packets > 0)
        finally:
            capture.close()

    def _read(self, capture: Capture, fragment_publisher: FragmentPublisher) -> None:
        """Raises DissectionError, CaptureError, BusError."""
        wall_s = max((self._request.deadline_us - Clock().now_us()) / US_PER_S, 1.0)
        kinds = _kinds(capture)
        if len(kinds) > 1:
            # In the order in which packets of the same time stand in the parent's result.
            for kind in kinds:
                fragment_publisher.add(
                    _NOTHING, kind.linktype, nanoseconds=kind.nanoseconds, origin=kind.origin, announce=True
                )
        with Selection(capture, self._refinement, wall_s, self._stop) as selection:
            for batch in capture.batches():
                if self._stop.is_set():
                    raise DissectionError("it was stopped")
                mask = selection.mask(batch.first, len(batch.timestamps))
                self._take(capture, batch, mask, fragment_publisher)
                if self._full:
                    return

    def _take(
        self, capture: Capture, batch: Batch, mask: NDArray[np.bool_], fragment_publisher: FragmentPublisher
    ) -> None:
        per_us = 1000 if capture.form.nanoseconds else 1
        times_us = np.array(batch.timestamps, dtype=np.int64) // per_us
        window = self._request.window
        inside = (times_us >= window.after_us) & (times_us < window.before_us)
        outside = int(np.count_nonzero(mask & ~inside))
        mask = mask & inside & self._of_sources(capture, batch)
        if self._root is not None:
            mask = self._matching(capture, batch, mask)
        kinds = _kinds(capture)
        kept: dict[int, list[bytes]] = {}
        spans: dict[int, tuple[int, int]] = {}
        for place in np.flatnonzero(mask).tolist():
            kind = kinds[int(batch.sources[place])]
            record = self._deduplicator.feed(int(times_us[place]), batch.record(place), kind.origin, kind.linktype)
            if record is None:
                continue
            if capture.form.nanoseconds and not kind.nanoseconds:
                record = _in_microseconds(record)
            if not self._fits(record):
                self._full = True
                break
            self._packets += 1
            self._bytes += len(record)
            source, time_us = int(batch.sources[place]), int(times_us[place])
            kept.setdefault(source, []).append(record)
            spans[source] = (spans.get(source, (time_us,))[0], time_us)
        fragment_publisher.add(_NOTHING._replace(outside=outside), 0)
        for source, kind in enumerate(kinds):
            records = kept.get(source)
            if records:
                piece = Trimmed(b"".join(records), len(records), 0, *spans[source], False)
                fragment_publisher.add(piece, kind.linktype, nanoseconds=kind.nanoseconds, origin=kind.origin)
        fragment_publisher.advance(int(times_us[-1]))

    def _of_sources(self, capture: Capture, batch: Batch) -> NDArray[np.bool_]:
        """Which packets were recorded by the sources that are wanted."""
        wanted = self._refinement.sources
        if not wanted:
            return np.ones(len(batch.sources), dtype=np.bool_)
        return np.array([name in wanted for name in capture.sources])[batch.sources]

    def _matching(self, capture: Capture, batch: Batch, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of the mask that match the query and come from the sender. Raises CaptureError."""
        records = scan(batch.records, nanoseconds=capture.form.nanoseconds).records
        kinds = np.array([kind.linktype for kind in _kinds(capture)])[batch.sources]
        found = np.zeros(len(mask), dtype=np.bool_)
        for linktype in np.unique(kinds[mask]).tolist():
            places = np.flatnonzero(mask & (kinds == linktype))
            matches = match(decode(batch.records, records.chosen(places), linktype), self._root)
            found[places] = matches.mask
            self._undecided += int(np.count_nonzero(matches.undecided))
        return found

    def _fits(self, record: bytes) -> bool:
        limits = self._request.limits
        most_bytes = min(limits.bytes or self._task.most_bytes, self._task.most_bytes)
        full = limits.packets is not None and self._packets >= limits.packets
        return not full and self._bytes + len(record) <= most_bytes

    def _judge(self, capture: Capture) -> Finding:
        """What is to be said about an answer that was read to its end, or to the job's limit."""
        parent, deduplicator = capture.job_id, self._deduplicator
        text = f"Of the {packets_text(capture.packets)} of job {parent}, {self._packets:,} were kept."
        within_ms = max(self._refinement.drop_duplicates_ms, self._refinement.drop_tap_duplicates_ms)
        if within_ms:
            of = "Duplicates" if self._refinement.drop_duplicates_ms else "Duplicates of other sources"
            text += f" {of} within {within_ms} ms that were dropped: {deduplicator.duplicates:,}."
        if self._refinement.snaplen:
            text += f" Packets that were cut to {self._refinement.snaplen:,} bytes: {deduplicator.shortened:,}."
        if self._undecided:
            text += f" {undecided(self._undecided)}"
        if self._full:
            text += " It was stopped at the limit; more matched."
            return Finding(Verdict.LIMITED, text, "Raise the limit, or keep less.")
        if capture.manifest.state is not State.COMPLETED:
            text += f" That job is {capture.manifest.state}: what it lacks is missing here too."
            return Finding(Verdict.LIMITED, text, f"Retry job {parent}, then refine it again.")
        return Finding(Verdict.COMPLETE if self._packets else Verdict.EMPTY, text)


class _Kind(NamedTuple):
    """What the packets of one source have in common."""

    origin: str
    linktype: int
    nanoseconds: bool


def _kinds(capture: Capture) -> list[_Kind]:
    """By the numbers of the capture's sources."""
    form = capture.form
    if form.is_pcapng:
        return [_Kind(one.name, one.linktype, one.nanoseconds) for one in form.interfaces]
    return [_Kind(name, form.linktype, form.nanoseconds) for name in capture.sources]


def _in_microseconds(record: bytes) -> bytes:
    """A record of an interface that has no more, out of a capture whose other interfaces have nanoseconds."""
    seconds, fraction, length, wire_length = RECORD_HEADER.unpack_from(record)
    return RECORD_HEADER.pack(seconds, fraction // 1000, length, wire_length) + record[RECORD_HEADER_BYTES:]


_NOTHING = Trimmed(b"", 0, 0, None, None, False)


def _wording(request: Request) -> str:
    refinement = explain_refinement(request.parent or "", request.refine or Refinement())
    return f"{explain(request.parsed_query)} {refinement}" if request.query else refinement


def _refused(sentence: str, next_step: str) -> Finding:
    return Finding(Verdict.REFUSED, sentence, next_step, usable=False)
