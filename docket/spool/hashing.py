"""SHA-256 of bytes that pass by or stand in a file, in a thread beside: it needs a processor, and no lock of Python's.

For the collector, whose one thread would otherwise spend a fifth of its time on it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from docket.errors import SpoolError
from docket.spool.file_io import read_at, read_into

_MOST_WAITING_BYTES = 8 << 20
"""Not hashed yet. Those that pass by are kept in memory until then."""

_BLOCK_BYTES = 1 << 20

_AT_ONCE_BYTES = 4 << 20
"""Of a file; each time costs the switch to another thread and back."""

_SMALL_BYTES = 32 * 1024
"""So few are hashed sooner here than they are handed to another thread."""

_beside = ThreadPoolExecutor(1, thread_name_prefix="sha256")


class BackgroundHash:
    """One SHA-256. For one thread; bytes that were given must not change afterwards."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._waiting: deque[tuple[Future[None], int]] = deque()
        """Each with its size in bytes."""
        self._waiting_bytes = 0

    def update(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Add the pieces. Returns at once, unless too much is waiting to be hashed."""
        pieces = tuple(pieces)
        size_bytes = sum(map(len, pieces))
        if not self._waiting and size_bytes <= _SMALL_BYTES:
            self._add(pieces)
            return
        while self._waiting and self._waiting_bytes + size_bytes > _MOST_WAITING_BYTES:
            self._wait()
        self._waiting.append((_beside.submit(self._add, pieces), size_bytes))
        self._waiting_bytes += size_bytes

    def hexdigest(self) -> str:
        """Of everything that was added; waits until it is hashed."""
        while self._waiting:
            self._wait()
        return self._sha256.hexdigest()

    def _wait(self) -> None:
        """Until what waits for the longest time is hashed."""
        working, size_bytes = self._waiting.popleft()
        self._waiting_bytes -= size_bytes
        working.result()

    def _add(self, pieces: tuple[bytes | memoryview, ...]) -> None:
        for piece in pieces:
            self._sha256.update(piece)


class FileHash:
    """SHA-256 of a file that grows, which is read again for it. For one thread."""

    def __init__(self, path: Path) -> None:
        """The file need not be there yet."""
        self._path = path
        self._sha256 = hashlib.sha256()
        self._asked_bytes = 0
        """What the thread beside was asked to hash."""
        self._working: Future[None] | None = None

    def upto(self, size_bytes: int) -> None:
        """So much of the file is final. Returns at once, unless hashing is far behind. Raises SpoolError."""
        waiting_bytes = size_bytes - self._asked_bytes
        if waiting_bytes < _AT_ONCE_BYTES:
            return
        if self._working is not None and (self._working.done() or waiting_bytes > _MOST_WAITING_BYTES):
            self._join()
        if self._working is None:
            self._working = _beside.submit(self._add, self._asked_bytes, size_bytes)
            self._asked_bytes = size_bytes

    def hexdigest(self, size_bytes: int) -> str:
        """Of the first so many bytes of the file; waits until they are hashed. Raises SpoolError."""
        self._join()
        with self._forgetting_if_it_fails():
            self._add(self._asked_bytes, size_bytes)
        self._asked_bytes = size_bytes
        return self._sha256.hexdigest()

    def _join(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            with self._forgetting_if_it_fails():
                working.result()

    @contextmanager
    def _forgetting_if_it_fails(self) -> Iterator[None]:
        """How much was hashed before a failure is not known: all of it is to be read once more."""
        try:
            yield
        except SpoolError:
            self._sha256, self._asked_bytes = hashlib.sha256(), 0
            raise

    def _add(self, begin: int, end: int) -> None:
        """Read and hash these bytes. Raises SpoolError."""
        memory = np.empty(min(_BLOCK_BYTES, end - begin), dtype=np.uint8).data
        while begin < end:
            size_bytes = read_into(self._path, begin, memory[: end - begin])
            if not size_bytes:
                raise SpoolError(f"{self._path.name} became shorter")
            self._sha256.update(memory[:size_bytes])
            begin += size_bytes


class PartHash:
    """SHA-256 of a part as its files one after the other, taken from the blocks that the merge reads anyway."""

    def __init__(self, beginning: bytes) -> None:
        """`beginning` is what stands before the records."""
        self._hash = BackgroundHash()
        self._hash.update([beginning])
        self._done_bytes = len(beginning)
        """Of the first file, so far."""

    def feed(self, offset: int, block: bytes | memoryview) -> None:
        """What lies there in the first file. Blocks may come again, since a merge may begin again."""
        if offset <= self._done_bytes < offset + len(block):
            self._hash.update([memoryview(block)[self._done_bytes - offset :]])
            self._done_bytes = offset + len(block)

    def add_rest(self, files: Iterable[tuple[Path, int]]) -> Iterator[int]:
        """Add what was not fed of these files with their sizes, in steps; each tells how many bytes it read.

        Raises SpoolError.
        """
        for path, size_bytes in files:
            while self._done_bytes < size_bytes:
                block = read_at(path, self._done_bytes, min(_BLOCK_BYTES, size_bytes - self._done_bytes))
                if not block:
                    raise SpoolError(f"{path.name} became shorter")
                self.feed(self._done_bytes, block)
                yield len(block)
            self._done_bytes = 0

    def hexdigest(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()
