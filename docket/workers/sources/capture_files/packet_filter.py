"""Which packets of a block match a query and lie in a window; one meaning for readings and for counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from docket.domain.query.canonical import Query
from docket.domain.timewindow import Window
from docket.packet.decode import decode
from docket.packet.linktypes import is_known
from docket.packet.literals import holding, literals
from docket.packet.match import match
from docket.packet.octets import Integers, no_integers
from docket.workers.sources.capture_files.reading.record_block import RecordBlock


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of one block."""

    rows: Integers
    """Indices of the packets that match and lie in the window."""
    undecided: int = 0
    """Packets of the window that were recorded too short to tell."""
    unfiltered: int = 0
    """Packets of the window whose link type cannot be looked into."""


class PacketFilter:
    """For one query and window."""

    def __init__(self, query: Query, window: Window, *, look_inside: bool) -> None:
        self._root = query.root
        self._after_ns, self._before_ns = window.after_us * 1000, window.before_us * 1000
        self._look_inside = look_inside
        self._literals = literals(query.root)

    def chosen(self, block: RecordBlock) -> Chosen:
        times = block.records.time_ns
        inside = ((times >= self._after_ns) & (times < self._before_ns)).nonzero()[0]
        if self._root is None or not inside.size:
            return Chosen(inside)
        if not is_known(block.linktype):
            return Chosen(no_integers(), unfiltered=int(inside.size))
        inside = self._holding(block, inside)
        if not inside.size:
            return Chosen(inside)
        records = block.records if inside.size == times.size else block.records.chosen(inside)
        found = match(decode(block.buffer, records, block.linktype), self._root, look_inside=self._look_inside)
        return Chosen(inside[found.mask], undecided=int(found.undecided.sum()))

    def _holding(self, block: RecordBlock, inside: Integers) -> Integers:
        """Those of the packets that hold the bytes without which none matches."""
        if self._literals is None:
            return inside
        held = holding(block.buffer, block.records, self._literals)
        if held is None or inside.size == len(block.records):
            return inside if held is None else held
        return np.intersect1d(inside, held, assume_unique=True)
