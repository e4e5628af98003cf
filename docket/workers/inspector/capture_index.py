"""What is known of one result while the inspector has it in hand: its list, its filters, its streams, its files."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from docket.domain.clock import Clock
from docket.domain.timewindow import parse_time_us
from docket.errors import CaptureError, DissectorMissing, SpoolError
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.spool.file_io import spool_error, write_whole
from docket.spool.layout import DIRECTORY_MODE, Spool
from docket.workers.inspector.deduplicator import tap_duplicates
from docket.workers.inspector.tasks import FilterTask, Gates, Work
from docket.workers.inspector.transactions.transaction_pass import (
    Transactions,
    count_transactions,
    known_transactions,
    read_transactions,
    write_transactions,
)
from docket.workers.inspector.tshark.belonging import Belonging, read_belonging
from docket.workers.inspector.tshark.conversation_list import read_conversations, write_conversations
from docket.workers.inspector.tshark.conversations import Conversation
from docket.workers.inspector.tshark.filters import shown_by, shown_in
from docket.workers.inspector.tshark.full_pass import Listing, make_list
from docket.workers.inspector.tshark.narrowing import cut_for
from docket.workers.inspector.tshark.objects import Objects, export, read_objects, write_objects
from docket.workers.inspector.tshark.result_capture import MARK_EVERY, Capture
from docket.workers.inspector.tshark.row_store import Index, RowStore, read_index, write_index
from docket.workers.inspector.tshark.streams import Stream, follow, read_stream, write_stream
from docket.workers.inspector.tshark.summary import Facts, Summary, read_summary, summarise, write_summary
from docket.workers.inspector.tshark.timeline import ShareCounter, TimelineCounter
from docket.workers.inspector.tshark.tshark_programs import tshark_version
from docket.workers.interface.scheduler import Scheduler

log = logging.getLogger(__name__)

MOST_FILTERS = 8
SMALL_PACKETS = 50_000
"""A result with no more is dissected in some seconds, and never waits for a larger one."""


class CaptureIndex:
    """One revision of one job's result. Methods are for any thread, but for `survey`."""

    def __init__(self, spool: Spool, capture: Capture, gates: Gates, clock: Clock) -> None:
        self.capture = capture
        self.users = 0
        """Who has it in hand right now; kept by `IndexPool`."""
        self.marks: array[int] = array("Q")
        self.facts: Facts | None = None
        self.listing: Listing | None = None
        self.repeats: array[int] = array("I")
        """For each packet the one of another source that it repeats, 0 for none; empty where there is one source."""
        self.belonging: Belonging | None = None
        """Once the whole file is listed as the dissector reads it in one go."""
        self.surveyed = False
        """The list is as complete as it will ever be."""
        self._spool = spool
        self._gates = gates
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Condition()
        self._finds: OrderedDict[str, FilterTask] = OrderedDict()
        self._follows: dict[tuple[str, int], Work] = {}
        self._directory = spool.job_directory(capture.job_id) / "index" / (capture.sha256[:16] + capture.settings.name)
        self._take_up()

    @property
    def summary(self) -> Summary | None:
        """The finished one of this very revision."""
        return read_summary(self._spool.summary(self.capture.job_id), self.capture.sha256, self.capture.settings.name)

    @property
    def packets(self) -> int:
        return self.facts.packets if self.facts is not None else self.capture.packets

    @property
    def rows(self) -> RowStore | None:
        return self.listing.rows if self.listing is not None else None

    @property
    def exact(self) -> int:
        return self.listing.exact if self.listing is not None else 0

    @property
    def note(self) -> str:
        return " ".join(text for text in (self.facts and self.facts.note, self.listing and self.listing.note) if text)

    def progress(self, note: str = "") -> Summary:
        """What is known by now, in the shape of a summary that is being made."""
        facts = self.facts or Facts(packets=self.packets, bytes=0, first_us=None, last_us=None, timeline=None)
        summary = self._summarise(facts, "", working=True)
        return msgspec.structs.replace(summary, note=note or summary.note)

    def survey(self, stop: threading.Event) -> Summary:
        """Make list and summary; returns the summary, whatever the dissector could do. Raises SpoolError, and
        DissectionError if asked to stop."""
        facts = self.scan()
        dissector = ""
        try:
            dissector = f"tshark {tshark_version()}"
            listing = self._new_listing(facts)
            self._mark_duplicates(stop)
            make_list(self.capture, self.marks, listing, stop)
            self._write_index(listing)
            self._keep_belonging(listing)
            write_conversations(self._directory / "conversations", self.capture.sha256, listing.counter)
        except DissectorMissing as error:
            self.facts = facts = msgspec.structs.replace(facts, note=f"{error}: the packets cannot be shown.")
        summary = self._summarise(facts, dissector, working=False)
        write_summary(self._spool.summary(self.capture.job_id), summary)
        self.surveyed = True
        with self._changed:
            self._changed.notify_all()
        return summary

    def scan(self) -> Facts:
        """Find every packet's place, and count packets and bytes over time."""
        with self._lock:
            if self.facts is None:
                self.facts = self._scanned()
            return self.facts

    def recorded_by(self, sources: tuple[str, ...], among: Sequence[int] | None = None) -> array[int]:
        """The numbers, ascending, of the packets that these sources recorded: of all, or of some. Raises SpoolError."""
        capture = self.capture
        wanted = np.array([name in sources for name in capture.sources], dtype=np.bool_)
        mask = wanted[capture.source_numbers(1, capture.packets)]
        if among is None:
            found = np.flatnonzero(mask) + 1
        else:
            some = np.array(among, dtype=np.int64)
            found = some[mask[some - 1]]
        return array("I", found.tolist())

    def conversations(self, longest_s: float) -> tuple[Conversation, ...] | None:
        """All of them, the largest first; None where they are not counted after that time."""
        until_s = time.monotonic() + longest_s
        path = self._directory / "conversations"
        while (found := read_conversations(path, self.capture.sha256)) is None:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            with self._changed:
                self._changed.wait(min(left_s, 0.05))
        return found

    def wait(self, rows: int, longest_s: float) -> None:
        """Return when so many rows can be read, when there will be no more, or after that time."""
        until_s = time.monotonic() + longest_s
        while not self.surveyed and (self.rows is None or self.rows.rows < min(rows, self.packets)):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            with self._changed:
                self._changed.wait(min(left_s, 0.05))

    def knows(self, text: str) -> bool:
        """Whether this filter was understood before."""
        return text in self._finds

    def find(self, text: str, owner: str = "") -> FilterTask:
        """The packets that a filter shows; begins to look for them if that has not begun yet."""
        with self._lock:
            find = self._finds.pop(text, None)
            if find is None or (find.work.done and find.work.error is not None):
                find = self._new_find(text, owner)
                find.work.start()
            self._finds[text] = find
            while len(self._finds) > MOST_FILTERS:
                self._finds.popitem(last=False)[1].work.stop.set()
            return find

    def _new_find(self, text: str, owner: str) -> FilterTask:
        """Over the packets that the filter can show, where that is known, else over the whole file."""
        cut = cut_for(text, self.belonging) if self.belonging is not None else None
        if cut is None:
            return FilterTask(self.capture, lambda stop: shown_by(self.capture, text, stop), self._gate, owner)
        shown = partial(shown_in, self.capture, self.marks, cut)
        return FilterTask(self.capture, shown, self._gates.quick, owner)

    @property
    def _gate(self) -> Scheduler:
        return self._gates.quick if self.packets <= SMALL_PACKETS else self._gates.slow

    def stream(self, protocol: str, number: int, longest_s: float, owner: str = "") -> tuple[Stream, Path] | None:
        """A stream and the file with its bytes; None if it takes longer. Raises DissectionError, SpoolError."""
        path = self._directory / f"{protocol}-{number}"
        known = read_stream(path)
        if known is not None:
            return known, path.with_suffix(".bytes")
        cut = self._cut_for_stream(protocol, number)
        gate = self._gate if cut is None else self._gates.quick
        key = (protocol, number)
        if not self._done(key, lambda work: self._follow(key, path, work, cut), gate, longest_s, owner):
            return None
        known = read_stream(path)
        if known is None:
            raise SpoolError("the stream could not be kept")
        return known, path.with_suffix(".bytes")

    def objects(self, longest_s: float, owner: str = "") -> tuple[Objects, Path] | None:
        """The files in the capture and the directory with their bytes; None if it takes longer. Raises
        DissectionError, SpoolError."""
        folder = self._directory / "objects"
        known = read_objects(folder)
        if known is None:
            if not self._done(("objects", 0), lambda work: self._export(folder, work), self._gate, longest_s, owner):
                return None
            known = read_objects(folder)
        if known is None:
            raise SpoolError("the files could not be kept")
        return known, folder

    def transactions(self, longest_s: float, owner: str = "") -> Transactions | None:
        """DNS, TLS and HTTP, counted; None if it takes longer. Raises DissectionError, SpoolError."""
        path = self._directory / "transactions"
        known = read_transactions(path)
        if known is not None:
            return known
        if not self._done(("transactions", 0), lambda work: self._count(path, work), self._gate, longest_s, owner):
            return None
        return known_transactions(path)

    def _count(self, path: Path, work: Work) -> None:
        self.scan()
        self._make_directory()
        write_transactions(path, count_transactions(self.capture, self.marks, work.stop))

    def _export(self, folder: Path, work: Work) -> None:
        self.scan()
        self._make_directory()
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=DIRECTORY_MODE)
        except OSError as error:
            raise spool_error(error, folder) from error
        write_objects(folder, export(self.capture, self.marks, folder, work.stop))

    def _done(
        self, key: tuple[str, int], run: Callable[[Work], None], gate: Scheduler, longest_s: float, owner: str
    ) -> bool:
        """Whether some work is done by then; begins it unless it is under way. Raises what the work raised."""
        with self._lock:
            work = self._follows.get(key)
            if work is None:
                work = self._follows[key] = Work(f"{key[0]} {key[1]} of {self.capture.job_id}", run, gate, owner)
                work.start()
        work.wait(lambda: False, longest_s)
        if not work.done:
            return False
        with self._lock:
            self._follows.pop(key, None)
        if work.error is not None:
            raise work.error
        return True

    def _cut_for_stream(self, protocol: str, number: int) -> array[int] | None:
        if self.belonging is None:
            return None
        cut = cut_for(f"{'udp' if protocol == 'udp' else 'tcp'}.stream == {number}", self.belonging)
        return cut.numbers if cut is not None and cut.numbers else None

    def busy(self) -> bool:
        """Whether something slow is going on."""
        with self._lock:
            return any(not find.work.done for find in self._finds.values()) or bool(self._follows)

    def close(self) -> None:
        """End what is going on and let go of the files."""
        with self._lock:
            works = [find.work for find in self._finds.values()] + list(self._follows.values())
        for work in works:
            work.end()
        if self.listing is not None:
            self.listing.rows.close()
        self.capture.close()

    def _take_up(self) -> None:
        """Know again a list that was finished earlier."""
        index = read_index(self._directory / "index", self.capture.sha256)
        if index is None:
            return
        try:
            rows = RowStore.reopen(self._directory / "rows", index)
        except SpoolError as error:
            log.warning("job %s: its list is made again: %s", self.capture.job_id, error)
            return
        self.marks.frombytes(index.marks)
        self.listing = Listing(rows, index.packets, exact=index.exact, note=index.note)
        with contextlib.suppress(OSError, ValueError):
            self.repeats.frombytes((self._directory / "repeats").read_bytes())
        self.belonging = read_belonging(self._directory / "belonging", self.capture.sha256)
        self.surveyed = True

    def _new_listing(self, facts: Facts) -> Listing:
        # With the lists of earlier revisions.
        shutil.rmtree(self._directory.parent, ignore_errors=True)
        self._make_directory()
        if self.listing is not None:
            self.listing.rows.close()
        self.listing = Listing(RowStore.create(self._directory / "rows"), facts.packets)
        return self.listing

    def _mark_duplicates(self, stop: threading.Event) -> None:
        """Find what a second tap saw too. Raises SpoolError, and DissectionError if asked to stop."""
        self.repeats = tap_duplicates(self.capture, stop)
        write_whole(self._directory / "repeats", self.repeats.tobytes())

    def _make_directory(self) -> None:
        """Not where the job itself has gone: its directory must not come back."""
        try:
            for directory in (self._directory.parent, self._directory):
                directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        except OSError as error:
            raise spool_error(error, self._directory) from error

    def _write_index(self, listing: Listing) -> None:
        index = Index(
            sha256=self.capture.sha256,
            packets=listing.packets,
            rows=listing.rows.rows,
            exact=listing.exact,
            note=listing.note,
            blocks=listing.rows.blocks,
            marks=self.marks.tobytes(),
        )
        write_index(self._directory / "index", index)

    def _keep_belonging(self, listing: Listing) -> None:
        """Not where the dissector was restarted: its streams are counted from the beginning again then."""
        if listing.exact >= listing.packets == len(listing.belonging.numbers):
            self.belonging = listing.belonging
            self.belonging.write(self._directory / "belonging", self.capture.sha256)

    def _scanned(self) -> Facts:
        manifest = self.capture.manifest
        first_us = parse_time_us(manifest.first, None) if manifest.first else None
        last_us = parse_time_us(manifest.last, None) if manifest.last else None
        marks: array[int] = array("Q")
        packets, note, record_bytes = 0, "", 0
        counter: TimelineCounter | None = None
        shares = ShareCounter(self.capture.sources)
        try:
            for run in self.capture.runs():
                if first_us is None:
                    first_us = run.timestamps[0]
                if counter is None:
                    counter = TimelineCounter(first_us, last_us or first_us, self.capture.sources)
                counter.add(run)
                shares.add(run)
                marks.extend(
                    run.offsets[place] for place in range(-packets % MARK_EVERY, len(run.timestamps), MARK_EVERY)
                )
                packets += len(run.timestamps)
                last_us = run.timestamps[-1]
                record_bytes += run.volume[-1] - run.volume[0]
        except CaptureError as error:
            note = f"The file is damaged: {error}."
        self.marks = marks
        return Facts(
            packets=packets,
            bytes=record_bytes - packets * RECORD_HEADER_BYTES,
            first_us=first_us if packets else None,
            last_us=last_us if packets else None,
            timeline=counter.timeline() if counter is not None else None,
            note=note,
            sources=shares.shares(),
        )

    def _summarise(self, facts: Facts, dissector: str, *, working: bool) -> Summary:
        repeated = sum(1 for number in self.repeats if number)
        return summarise(
            self.capture.manifest,
            msgspec.structs.replace(facts, tap_duplicates=repeated),
            self.listing,
            written_at=self._clock.now(),
            dissector=dissector,
            working=working,
            dissection=self.capture.settings.name,
        )

    def _follow(self, key: tuple[str, int], path: Path, work: Work, cut: array[int] | None) -> None:
        stream, data = follow(self.capture, *key, work.stop, self.marks, cut)
        self._make_directory()
        write_stream(path, stream, data)
