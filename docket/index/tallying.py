"""How much of capture files matches, and the timeline of a source: from the index alone. For `selector`.

A stretch of which all packets are asked for is counted; of another one the index knows only that it may hold something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.candidates import chosen_blocks
from docket.index.facts import FileFacts
from docket.index.format.blocks import BlockTable, merged
from docket.index.format.stored_file import StoredFile
from docket.packet.octets import Mask
from docket.packet.records import RECORD_HEADER_BYTES
from docket.workers.sources.capture_files.block_selector import NO_MINUTES, Extent, Selection, Tally

NOTHING = Tally(0, 0, 0, 0, Selection((), None))


def whole(facts: FileFacts) -> Tally:
    """All packets of a file."""
    size_bytes = facts.bytes + RECORD_HEADER_BYTES * facts.packets
    return Tally(facts.packets, size_bytes, 0, 0, Selection((), None))


def within(facts: FileFacts, window: Window) -> bool:
    """Whether all packets of the file lie in the window."""
    after_ns, before_ns = window.after_us * 1000, window.before_us * 1000
    return bool(facts.packets) and facts.first_ns >= after_ns and facts.last_ns < before_ns


def tally(stored: StoredFile, selected: Selection, root: FilterNode | None, window: Window) -> Tally:
    """Of a file whose index may be believed, up to the rest of what is `selected`. Raises OSError and Damaged."""
    sure = [0, 0]
    most = [0, 0]
    extents: list[Extent] = []
    for segment in stored.segments():
        chosen = chosen_blocks(segment, root, window)
        counted = chosen & _all_inside(segment.table, window) if root is None else np.zeros_like(chosen)
        open_ = chosen & ~counted
        for totals, which in ((sure, counted), (most, open_)):
            totals[0] += segment.table.total("packets", which)
            totals[1] += segment.table.total("bytes", which)
        extents += segment.table.extents(open_)
    sure[1] += RECORD_HEADER_BYTES * sure[0]
    most[1] += RECORD_HEADER_BYTES * most[0]
    return Tally(sure[0], sure[1], most[0], most[1], replace(selected, extents=merged(extents)))


def joined_minutes(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of minute, packets and bytes, each minute once."""
    rows = np.concatenate([NO_MINUTES, *parts])
    if not len(rows):
        return NO_MINUTES
    minutes, place = np.unique(rows[:, 0], return_inverse=True)
    found = np.zeros((minutes.size, 3), dtype=np.int64)
    found[:, 0] = minutes
    np.add.at(found[:, 1], place, rows[:, 1])
    np.add.at(found[:, 2], place, rows[:, 2])
    return found


def _all_inside(table: BlockTable, window: Window) -> Mask:
    found: Mask = table.columns["first_ns"] >= window.after_us * 1000
    found &= table.columns["last_ns"] < window.before_us * 1000
    return found
