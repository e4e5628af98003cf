"""A result in the spool, opened for reading. Blocking; for threads only."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 256 * 1024
_HASHED_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ResultFile:
    """Stays readable when its name is taken over by a newer revision or removed."""

    descriptor: int
    size_bytes: int
    """As it was opened."""

    @classmethod
    def open(cls, path: Path) -> ResultFile | None:
        """None if there is no such file."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        return cls(descriptor, os.fstat(descriptor).st_size)

    def read(self, offset: int, most_bytes: int) -> bytes:
        """At most one piece; empty at the end of the file."""
        return os.pread(self.descriptor, min(most_bytes, PIECE_BYTES), offset)

    def beginning(self, most_bytes: int) -> bytes:
        """At most so many bytes of it."""
        return os.pread(self.descriptor, most_bytes, 0)

    def size_now(self) -> int:
        return os.fstat(self.descriptor).st_size

    def is_at(self, path: Path) -> bool:
        """Whether this very file has the name `path`."""
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return False
        here = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def digest(self, length: int) -> bytes:
        """SHA-256 of the first `length` bytes."""
        whole = hashlib.sha256()
        offset = 0
        while offset < length:
            block = os.pread(self.descriptor, min(_HASHED_AT_ONCE, length - offset), offset)
            if not block:
                break
            whole.update(block)
            offset += len(block)
        return whole.digest()

    def close(self) -> None:
        os.close(self.descriptor)
