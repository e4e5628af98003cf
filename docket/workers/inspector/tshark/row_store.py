"""The list of packets on disk: written once, in order, and read from any place of it. For the inspector.

`rows` holds blocks of packets, compressed one by one; `index` says where each block begins and where in the capture
every so manyth packet stands, and is written last: without it, a list is not finished and is made again.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

import msgspec

from docket.domain.decoding import prepare
from docket.errors import SpoolError
from docket.runtime.whole_file import FILE_MODE
from docket.spool.file_io import spool_error, write_whole
from docket.workers.inspector.tshark.columns import Row

ROWS_PER_BLOCK = 512
VERSION = 1

_SPEEDY = 1
"""Compression level: half the size of the higher ones' effort for a tenth of their time."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Row]).decode


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a finished list."""

    version: int = VERSION
    sha256: str
    """Of the capture that the list is of."""
    packets: int
    """In the capture."""
    rows: int
    """In the list; fewer if the dissector could not go on."""
    exact: int
    """Up to this packet everything is as if tshark had read the file in one go."""
    note: str
    blocks: bytes
    """Offsets of the blocks in `rows`, one more than there are, as 64-bit numbers."""
    marks: bytes
    """Offsets in the capture of each `capture.MARK_EVERY`th packet, as 64-bit numbers."""


class RowStore:
    """The blocks. One thread adds, any other reads what has been added."""

    def __init__(self, path: Path, blocks: Sequence[int], rows: int, *, writable: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC if writable else os.O_RDONLY
        try:
            self._descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise spool_error(error, path) from error
        self._path = path
        self._blocks = array("Q", blocks)
        self._waiting: list[Row] = []
        self._lock = Lock()
        self.rows = rows
        """That can be read."""

    @classmethod
    def create(cls, path: Path) -> RowStore:
        """An empty one. Raises SpoolError."""
        return cls(path, [0], 0, writable=True)

    @classmethod
    def reopen(cls, path: Path, index: Index) -> RowStore:
        """A finished one. Raises SpoolError."""
        blocks = array("Q")
        blocks.frombytes(index.blocks)
        return cls(path, blocks, index.rows, writable=False)

    @property
    def added(self) -> int:
        """Rows that were added, whether they can be read yet or not."""
        return self.rows + len(self._waiting)

    @property
    def blocks(self) -> bytes:
        return self._blocks.tobytes()

    def add(self, row: Row) -> None:
        """Raises SpoolError."""
        self._waiting.append(row)
        if len(self._waiting) == ROWS_PER_BLOCK:
            self.flush()

    def flush(self) -> None:
        """Make readable what was added; between blocks of the full size only at the very end. Raises SpoolError."""
        if not self._waiting:
            return
        packed = zlib.compress(_encode(self._waiting), _SPEEDY)
        begin = self._blocks[-1]
        try:
            written = os.pwrite(self._descriptor, packed, begin)
        except OSError as error:
            raise spool_error(error, self._path) from error
        if written < len(packed):
            raise SpoolError(f"{self._path} could not be written whole")
        with self._lock:
            self._blocks.append(begin + len(packed))
            self.rows += len(self._waiting)
        self._waiting = []

    def page(self, first: int, count: int) -> list[Row]:
        """Rows from packet `first` (from 1) on, as far as there are any. Raises SpoolError."""
        last = min(first - 1 + count, self.rows)
        found: list[Row] = []
        for block in range((first - 1) // ROWS_PER_BLOCK, -(-last // ROWS_PER_BLOCK)):
            begin = block * ROWS_PER_BLOCK
            found += self._block(block)[max(first - 1 - begin, 0) : last - begin]
        return found

    def some(self, numbers: Iterable[int]) -> list[tuple[int, Row]]:
        """The rows of these packets, which ascend, as far as they are there. Raises SpoolError."""
        found: list[tuple[int, Row]] = []
        at, block = -1, []
        for number in numbers:
            if not 1 <= number <= self.rows:
                continue
            place, within = divmod(number - 1, ROWS_PER_BLOCK)
            if place != at:
                at, block = place, self._block(place)
            found.append((number, block[within]))
        return found

    def close(self) -> None:
        os.close(self._descriptor)

    def _block(self, place: int) -> list[Row]:
        with self._lock:
            begin, end = self._blocks[place], self._blocks[place + 1]
        try:
            return _decode(zlib.decompress(os.pread(self._descriptor, end - begin, begin)))
        except (OSError, zlib.error, msgspec.DecodeError) as error:
            raise SpoolError(f"the list in {self._path} is damaged: {error}") from error


def write_index(path: Path, index: Index) -> None:
    """In one piece or not at all. Raises SpoolError."""
    write_whole(path, msgspec.msgpack.encode(index))


def read_index(path: Path, sha256: str) -> Index | None:
    """None if there is no finished list of this very capture."""
    try:
        index = msgspec.msgpack.decode(path.read_bytes(), type=Index)
    except (OSError, msgspec.DecodeError):
        return None
    return index if index.version == VERSION and index.sha256 == sha256 else None


prepare(Index)
