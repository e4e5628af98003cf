"""What an index may tell a reading: which stretches of a file can hold packets of a query. A protocol, and its values.

    selection = selector.select(identity, query.root, window)
    None                       nothing is known of this file: it is read whole
    selection.extents          the stretches to read, in the order of the file; none at all if nothing can match
    selection.rest             the index knows the capture up to here; what follows is read besides

The packets of a stretch are filtered exactly all the same. So an index that is wrong in saying too much costs time;
one that is missing, old, damaged or of another file must answer None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import Node
from docket.domain.timewindow import Window
from docket.workers.sources.capture_files.identity import FileIdentity, Tail

NO_MINUTES: NDArray[np.int64] = np.zeros((0, 3), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of whole records (classic PCAP) or of whole blocks (pcapng) of one section."""

    file_offset: int
    """Where reading begins in the file: in a compressed one at the beginning of a frame, gzip member or archive."""
    stream_offset: int
    """Where the extent begins in the decompressed capture; in a plain file the same as `file_offset`."""
    length_bytes: int
    """Of the decompressed capture."""
    skip_bytes: int = 0
    """Decompressed bytes between `file_offset` and `stream_offset`, to be thrown away; 0 in a plain file."""
    prologue: bytes = b""
    """pcapng: the section header and the interface blocks that are in force where the extent begins. Empty in
    classic PCAP, whose header is read from the file."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer for one file."""

    extents: tuple[Extent, ...]
    rest: Extent | None
    """Where the index ends; `length_bytes` is 0 and means all that follows. None: the index knows the whole file, and
    the file was closed by its recorder or read to its very last byte."""
    span_ns: tuple[int, int] | None = None
    """Earliest and latest packet that the index knows, whatever was asked; None if it knows none."""
    grown_behind: Tail | None = None
    """The file has grown since. What the index knows is true of it only if it had this tail before."""
    drops: tuple[tuple[int, int, int], ...] = ()
    """Section, interface and number of packets that the recorder says it lost, as far as the index knows."""
    sections: int = 0
    """Of pcapng, that were begun up to there."""

    @property
    def is_final(self) -> bool:
        """Nothing of the file needs to be read."""
        return not self.extents and self.rest is None


@dataclass(frozen=True, slots=True)
class Tally:
    """How much of a file matches, as far as the index knows it without reading."""

    sure_packets: int
    """In stretches of which every packet matches."""
    sure_bytes: int
    most_packets: int
    """In the other stretches that may hold something, whether it matches or not."""
    most_bytes: int
    selection: Selection
    """These other stretches, and what the index does not know."""

    @property
    def read_bytes(self) -> int:
        return sum(extent.skip_bytes + extent.length_bytes for extent in self.selection.extents)


class BlockSelector(Protocol):
    """An index of capture files. Several threads may ask at once."""

    def left_out(self, files: Sequence[FileIdentity], root: Node | None, window: Window) -> Sequence[bool] | None:
        """For each file whether it is known to hold nothing of the kind; None: nothing is known of any. Of many files
        at once this is quicker than to ask for each. Never raises."""

    def select(
        self, identity: FileIdentity, root: Node | None, window: Window, *, look_inside: bool = False
    ) -> Selection | None:
        """The stretches of the file that may hold a packet that matches and lies in the window. Never raises."""

    def tallies(self, files: Sequence[FileIdentity], root: Node | None, window: Window) -> list[Tally | None]:
        """How much of each file matches; None where nothing is known of it. Never raises."""

    def minutes(self, files: Sequence[FileIdentity]) -> NDArray[np.int64]:
        """The timeline of these files: rows of minute since 1970, packets, bytes on the wire. Never raises."""

    def stretches(self, files: Sequence[FileIdentity]) -> list[list[tuple[int, int]] | None]:
        """For each file from when to when it has packets, to the minute, in nanoseconds since 1970; None where it is
        not known to its end. Never raises."""

    def stats(self) -> dict[str, int]:
        """How far the index is, for the figures of the source; empty where there is none. Never raises."""


class NoIndex:
    """Knows nothing."""

    def left_out(
        self,
        files: Sequence[FileIdentity],  # noqa: ARG002
        root: Node | None,  # noqa: ARG002
        window: Window,  # noqa: ARG002
    ) -> None:
        return None

    def select(
        self,
        identity: FileIdentity,  # noqa: ARG002
        root: Node | None,  # noqa: ARG002
        window: Window,  # noqa: ARG002
        *,
        look_inside: bool = False,  # noqa: ARG002
    ) -> Selection | None:
        return None

    def tallies(
        self,
        files: Sequence[FileIdentity],
        root: Node | None,  # noqa: ARG002
        window: Window,  # noqa: ARG002
    ) -> list[Tally | None]:
        return [None] * len(files)

    def minutes(self, files: Sequence[FileIdentity]) -> NDArray[np.int64]:  # noqa: ARG002
        return NO_MINUTES

    def stretches(self, files: Sequence[FileIdentity]) -> list[list[tuple[int, int]] | None]:
        return [None] * len(files)

    def stats(self) -> dict[str, int]:
        return {}
