"""Which file it is: whether a capture file is still the one that was looked at before. Pure; an index keeps it too.

A name proves nothing: tcpdump -W writes over its files in place, with the same name and the same inode. So the first
bytes belong to the identity; they hold the time of the first packet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b

HEAD_BYTES = TAIL_BYTES = 512
"""First bytes of a file that tell it from others: the headers, and of most formats the first packet."""


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
        digest = blake2b(head[:HEAD_BYTES], digest_size=16).digest()
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

    def grown_from(self, earlier: FileIdentity) -> bool:
        """Whether this is the earlier file, with more behind what it held; also if nothing was added.

        Of an earlier file of less than 512 bytes this is not known as soon as it has grown.
        """
        same = (self.device, self.inode, self.head) == (earlier.device, earlier.inode, earlier.head)
        return same and (self.size_bytes == earlier.size_bytes or HEAD_BYTES <= earlier.size_bytes < self.size_bytes)
