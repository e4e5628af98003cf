"""What the index says of a capture file as a whole: which it is, its span, its packets, how far it is known. Pure."""

from __future__ import annotations

import msgspec

from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.identity import FileIdentity


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One file, as it was when it was indexed."""

    identity: FileIdentity
    path: str
    """Where it was; only for people, since names prove nothing."""
    segments: int
    rest: Extent | None
    """Where the index ends; None if the file had no packet yet."""
    clean: bool
    """It ended with a whole packet, without damage. Only then nothing of it needs to be read."""
    cut_off: bool = False
    """The indexer went no further, and is to go on."""
    first_ns: int = 0
    """Earliest and latest packet; 0 without packets."""
    last_ns: int = 0
    packets: int = 0
    bytes: int = 0
    """On the wire."""
    dropped: int = 0
    """Packets that the recorder says it lost."""
    undated: int = 0
    """Packets without a time, which no window holds."""
    nanoseconds: bool = False
    minutes: tuple[tuple[int, int, int], ...] = ()
    """Minute since 1970, packets, bytes: the timeline."""

    def is_exactly(self, identity: FileIdentity) -> bool:
        """Whether the file is still what was indexed, to its last byte."""
        mine = self.identity
        return (
            (mine.device, mine.inode) == (identity.device, identity.inode)
            and (mine.size_bytes, mine.modified_ns) == (identity.size_bytes, identity.modified_ns)
            and mine.head == identity.head
        )

    def is_beginning_of(self, identity: FileIdentity) -> bool:
        """Whether the file has grown since, and begins with what was indexed."""
        return identity.size_bytes > self.identity.size_bytes and identity.grown_from(self.identity)

    def is_no_older_than(self, other: FileFacts) -> bool:
        """Which of two facts about one inode is to be kept: a file that is written to again leaves old ones behind."""
        return self.identity.modified_ns >= other.identity.modified_ns
