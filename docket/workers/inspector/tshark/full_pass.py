"""The one pass of tshark over a whole capture: it fills the list and counts for the summary. For the inspector.

When the dissector crashes, hangs or runs out of memory, it is started again behind the packet that it died of: the
list goes on, that packet says what happened, and everything behind it is marked as no longer exact.
"""

from __future__ import annotations

import logging
from array import array
from dataclasses import dataclass, field
from threading import Event

from docket.errors import DissectionError, DissectorMissing
from docket.workers.inspector.row_filters.protocol_filters import LayerCounter, Protocol
from docket.workers.inspector.tshark import columns, statistics
from docket.workers.inspector.tshark.belonging import Belonging
from docket.workers.inspector.tshark.columns import LineReader, Row
from docket.workers.inspector.tshark.conversations import ConversationCounter
from docket.workers.inspector.tshark.process import Limits, OutOfTime, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.row_store import RowStore
from docket.workers.inspector.tshark.statistics import Finding
from docket.workers.inspector.tshark.tshark_programs import tshark

log = logging.getLogger(__name__)

MOST_RESTARTS = 20
"""A file whose every packet kills the dissector is not worth more."""

WALL_S = 900.0
SILENCE_S = 20.0
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 20_000_000_000
"""Of rows, which are written on as they come."""
MOST_STATISTICS_BYTES = 4_000_000
NICE = 10


@dataclass(slots=True)
class Listing:
    """What has come of the pass; grows while it runs."""

    rows: RowStore
    packets: int
    """In the capture."""
    counter: ConversationCounter = field(default_factory=ConversationCounter)
    layers: LayerCounter = field(default_factory=LayerCounter)
    belonging: Belonging = field(default_factory=Belonging)
    hierarchy: tuple[Protocol, ...] = ()
    findings: tuple[Finding, ...] = ()
    exact: int = 0
    """Up to this packet the rows are as if tshark had read the file in one go."""
    note: str = ""
    """What went wrong, as a sentence."""


def make_list(capture: Capture, marks: array[int], listing: Listing, stop: Event, wall_s: float = WALL_S) -> None:
    """Dissect every packet into `listing`. Raises DissectorMissing, SpoolError, and DissectionError if stopped."""
    restarts = 0
    while listing.rows.added < listing.packets and restarts <= MOST_RESTARTS:
        run = _Pass(listing)
        careful = restarts > 0
        try:
            run.go(capture, marks, stop, wall_s, careful=careful)
            break
        except DissectorMissing:
            raise
        except DissectionError as error:
            if stop.is_set():
                raise
            number = listing.rows.added + 1
            log.warning("job %s: packet %d could not be dissected: %s", capture.job_id, number, error)
            listing.note = f"Packet {number:,} could not be dissected: {error}."
            if isinstance(error, OutOfTime) or number > listing.packets:
                break
            restarts += 1
            if careful or number == run.before + 1:
                # A first run keeps some lines back when it dies; here it is certain which packet it was.
                listing.rows.add(_undissected(capture, marks, number, str(error)))
                listing.belonging.skip()
        finally:
            if not careful:
                listing.exact = listing.rows.added
    listing.rows.flush()
    if listing.rows.rows < listing.packets and not listing.note:
        listing.note = f"The dissector ended after {listing.rows.rows:,} of {listing.packets:,} packets."


class _Pass:
    """One run of tshark, from one packet on."""

    def __init__(self, listing: Listing) -> None:
        self.before = listing.rows.added
        """Packets that are in the list already."""
        self._listing = listing
        self._reader = LineReader()
        self._begun = 0
        self._line = b""
        self._statistics: list[str] = []
        self._statistics_bytes = 0

    def go(self, capture: Capture, marks: array[int], stop: Event, wall_s: float, *, careful: bool) -> None:
        """Raises DissectionError."""
        limits = Limits(wall_s, SILENCE_S, MEMORY_BYTES, OUTPUT_BYTES, NICE)
        each = ("-l",) if careful else ()
        command = tshark(*capture.arguments, *columns.ARGUMENTS, *each, *statistics.ARGUMENTS)
        source = capture.pieces(self.before + 1, marks)
        with SandboxedProcess(command, limits, source, stop=stop, readable=capture.readable) as child:
            for line in child.lines():
                self._take(line)
            self._complete()
            child.finish()
        self._take_statistics()

    def _take(self, line: bytes) -> None:
        """A row is complete when the next one begins: nothing keeps a stranger's text on one line."""
        is_last = self.before + self._begun == self._listing.packets
        if not is_last and columns.begins(line, self._begun + 1):
            self._complete()
            self._line = line
            self._begun += 1
        elif is_last and (self._statistics or not line or line.startswith(b"===")):
            self._keep_statistics(line)
        elif self._line:
            self._line += b" " + line[: columns.LONGEST_INFO]

    def _complete(self) -> None:
        if self._line:
            line = self._reader.read(self._line)
            self._line = b""
            self._listing.counter.add(line)
            self._listing.layers.add(line.layers)
            self._listing.belonging.add(line)
            self._listing.rows.add(line.row)

    def _keep_statistics(self, line: bytes) -> None:
        self._statistics_bytes += len(line) + 50
        if self._statistics_bytes <= MOST_STATISTICS_BYTES:
            self._statistics.append(line.decode("utf-8", "replace"))

    def _take_statistics(self) -> None:
        listing = self._listing
        hierarchy = statistics.parse_hierarchy(self._statistics)
        listing.hierarchy = statistics.merge_hierarchies(listing.hierarchy, hierarchy)
        if not listing.findings:
            listing.findings = statistics.parse_findings(self._statistics)


def _undissected(capture: Capture, marks: array[int], number: int, reason: str) -> Row:
    """The row of a packet that killed the dissector."""
    record = capture.record(number, marks)
    info = f"could not be dissected: {reason}"
    return Row(record.time_us, "", "", "?", record.wire_length, info, "", "error")
