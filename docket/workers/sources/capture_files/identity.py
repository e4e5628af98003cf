"""Which file it is: whether a capture file is still the one that was looked at before. Pure; an index keeps it too.

A name proves nothing: tcpdump -W writes over its files in place, with the same name and the same inode. So the first
bytes belong to the identity; they hold the time of the first packet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b

from docket.domain.timewindow import US_PER_S

HEAD_BYTES = TAIL_BYTES = 512
"""First bytes of a file that tell it from others: the headers, and of most formats the first packet."""
OLDEST_SENSIBLE_US = 315_532_800 * US_PER_S
"""1980: a time of before is from a clock that was not set."""
LATE_MTIME_US = 60 * US_PER_S
"""How long after a file was last written its last packet may have been captured, clocks being what they are."""
NEVER_US = (1 << 63) - 1 - LATE_MTIME_US
"""Later than any window, and so that a little may be added."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The last bytes of a file as it was: one that has only grown has them still, at the same place."""

    end: int
    digest: bytes
    """16 bytes, of the 512 bytes before `end`, or of all that there were."""

    @classmethod
    def of(cls, descriptor: int, end: int) -> Tail:
        """Raises OSError."""
        begin = max(0, end - TAIL_BYTES)
        return cls(end, blake2b(os.pread(descriptor, end - begin, begin), digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file as it was when it was looked at."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int
    """When the inode was last changed; unlike `modified_ns` no program sets it."""
    head: bytes
    """Digest, 16 bytes, of the first 512 bytes, or of all that there were."""

    @classmethod
    def of(cls, status: os.stat_result, head: bytes) -> FileIdentity:
        """From what `stat` says and the first bytes, 512 at least if there are so many."""
        digest = digest_of(head)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, digest)

    def unchanged(self, status: os.stat_result) -> bool:
        """Whether the file is, to its last byte, as it was."""
        return (
            self.device == status.st_dev
            and self.inode == status.st_ino
            and self.size_bytes == status.st_size
            and self.modified_ns == status.st_mtime_ns
            and self.changed_ns == status.st_ctime_ns
        )

    def grown_from(self, earlier: FileIdentity, head: bytes = b"") -> bool:
        """Whether this is the earlier file, with more behind what it held; also if nothing was added.

        Of an earlier file of less than 512 bytes that has grown only its own first bytes, `head`, tell it.
        """
        if (self.device, self.inode) != (earlier.device, earlier.inode) or self.size_bytes < earlier.size_bytes:
            return False
        if self.size_bytes > earlier.size_bytes and earlier.size_bytes < HEAD_BYTES:
            return len(head) >= earlier.size_bytes and digest_of(head[: earlier.size_bytes]) == earlier.head
        return self.head == earlier.head

    def written_us(self, *packets_us: int | None) -> int:
        """When the file was last written to, at the latest. `packets_us`: times of packets in it.

        The time of the last write is what a copy or an archiver has set. It is not believed where it is from a clock
        that was not set, or before a packet of the file; then the inode's last change counts, in the same way.
        """
        latest_us = max((time_us for time_us in packets_us if time_us is not None), default=OLDEST_SENSIBLE_US)
        for time_ns in (self.modified_ns, self.changed_ns):
            if time_ns // 1000 + LATE_MTIME_US >= max(latest_us, OLDEST_SENSIBLE_US):
                return time_ns // 1000
        return NEVER_US


def digest_of(head: bytes) -> bytes:
    """Of the first 512 bytes, or of all that there are."""
    return blake2b(head[:HEAD_BYTES], digest_size=16).digest()
