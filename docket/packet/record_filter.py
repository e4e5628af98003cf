"""A query, held against runs of whole records of one capture: those that match stay, byte for byte. Pure.

For everybody who filters a stream of classic records exactly: refinements, and answers of stores that know less than
the query asks for.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from docket.domain.query.terms import FilterNode
from docket.errors import CaptureError
from docket.packet.decode import decode
from docket.packet.match import match
from docket.packet.octets import Mask, where
from docket.packet.records import RECORD_HEADER_BYTES, ByteOrder, Records, scan

Run: TypeAlias = bytes | bytearray | memoryview


class RecordFilter:
    """One capture, fed run by run."""

    def __init__(
        self,
        root: FilterNode | None,
        linktype: int,
        *,
        byte_order: ByteOrder = "<",
        nanoseconds: bool = False,
        look_inside: bool = False,
    ) -> None:
        self.received = 0
        self.kept = 0
        self.undecided = 0
        """Packets that the recorder cut before the bytes that decide. They are not kept."""
        self._root = root
        self._linktype = linktype
        self._byte_order = byte_order
        self._nanoseconds = nanoseconds
        self._look_inside = look_inside

    def feed(self, run: Run) -> memoryview | bytes:
        """The records that match, in their order. `run` holds whole records and nothing else.

        Raises CaptureError for bytes that are no records, and for a link type that cannot be looked into.
        """
        scanned = scan(run, byte_order=self._byte_order, nanoseconds=self._nanoseconds)
        if scanned.end != len(run):
            raise CaptureError(f"at byte {scanned.end} there is no whole packet record", scanned.end)
        self.received += len(scanned.records)
        if self._root is None:
            self.kept += len(scanned.records)
            return memoryview(run)
        headers = decode(run, scanned.records, self._linktype)
        matches = match(headers, self._root, look_inside=self._look_inside)
        self.kept += int(np.count_nonzero(matches.mask))
        self.undecided += int(np.count_nonzero(matches.undecided))
        return chosen_bytes(run, scanned.records, matches.mask)


def chosen_bytes(buffer: Run, records: Records, mask: Mask) -> memoryview | bytes:
    """The records of a mask with their headers of 16 bytes; the records stand one behind the other in the buffer.

    Without a copy where all that are chosen are neighbours.
    """
    edges = where(np.diff(mask, prepend=False, append=False))
    if not edges.size:
        return b""
    begins = records.data_at[edges[::2]] - RECORD_HEADER_BYTES
    last = edges[1::2] - 1
    ends = records.data_at[last] + records.captured[last]
    view = memoryview(buffer)
    pieces = [view[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
