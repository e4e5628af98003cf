"""What the index says of a capture file as a whole: which it is, its span, its packets, how far it is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.file_facts import PAUSE_NS
from docket.workers.sources.capture_files.identity import FileIdentity, Tail

_MINUTE_NS = 60 * 10**9


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
    tail: Tail
    """Where the file ended. If it has changed there, it is not the beginning of what is there now."""
    drops: tuple[tuple[int, int, int], ...] = ()
    """Section, interface, and how many packets the recorder says it lost."""
    sections: int = 0
    """Of pcapng, that were begun before the rest: it begins in the last of these."""
    damaged: bool = False
    """Zeros stand where packets should, and what follows them is not known."""
    undated: int = 0
    """Packets without a time, which no window holds."""
    nanoseconds: bool = False
    minutes: tuple[tuple[int, int, int], ...] = ()
    """Minute since 1970, packets, bytes: the timeline."""

    @property
    def dropped(self) -> int:
        """Packets that the recorder says it lost."""
        return sum(lost for _, _, lost in self.drops)

    def is_exactly(self, identity: FileIdentity) -> bool:
        """Whether the file is still what was indexed, to its last byte."""
        mine = self.identity
        return (
            (mine.device, mine.inode) == (identity.device, identity.inode)
            and (mine.size_bytes, mine.modified_ns) == (identity.size_bytes, identity.modified_ns)
            and mine.head == identity.head
        )

    def is_beginning_of(self, identity: FileIdentity) -> bool:
        """Whether the file has grown since, as far as its identity tells: whether it had the same `tail` before is to
        be looked at when it is open."""
        return identity.size_bytes > self.identity.size_bytes and identity.grown_from(self.identity)

    def is_no_older_than(self, other: FileFacts) -> bool:
        """Which of two facts about one inode is to be kept: a file that is written to again leaves old ones behind."""
        return self.identity.modified_ns >= other.identity.modified_ns


def stretches(facts: FileFacts, minutes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of minutes of a file without a long pause, in nanoseconds, no longer than from its first packet to its last
    one."""
    found: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        begin_ns, end_ns = minute * _MINUTE_NS, (minute + 1) * _MINUTE_NS
        if found and begin_ns - found[-1][1] <= PAUSE_NS:
            begin_ns = found.pop()[0]
        found.append((begin_ns, end_ns))
    return [(max(begin_ns, facts.first_ns), min(end_ns, facts.last_ns)) for begin_ns, end_ns in found]
