"""The index of one capture file, on disk: its facts and its segments; and those that are kept open.

    with open_index(path) as index:      raises OSError and Damaged, as all that reads does
        index.facts
        for segment in index.segments(): ...
    pool = OpenIndexes()
    stored = pool.get(path)
    pool.forget(path)                    it turned out to be damaged

A file of the index is never changed but replaced, so inode, size and time tell whether it is still the same.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from docket.index.facts import FileFacts
from docket.index.format import container
from docket.index.format.container import Container, Damaged
from docket.index.format.segment import StoredSegment

_FACTS = "facts"
_DECODER = msgspec.msgpack.Decoder(FileFacts)

MOST_BYTES = 16 * 1024 * 1024
"""Of index files as they lie on disk; unpacked they take up to three times as much.
Beyond that those that were not used for the longest time go."""
MOST_FILES = 96
"""Each holds a descriptor."""

_Stamp = tuple[int, int, int]


class StoredFile:
    """Open for reading."""

    def __init__(self, file: Container) -> None:
        self._file = file
        try:
            self.facts = _DECODER.decode(file.section(_FACTS))
        except (msgspec.DecodeError, ValueError) as error:
            raise Damaged(str(error)) from error
        self._segments: dict[int, StoredSegment] = {}

    def segments(self) -> Iterator[StoredSegment]:
        """In the order of the file. Each is read once, when it comes to it."""
        for number in range(self.facts.segments):
            if number not in self._segments:
                self._segments[number] = StoredSegment(self._file, number)
            yield self._segments[number]

    def sections(self) -> dict[str, bytes]:
        """What is in the file beside the facts, to be written into a longer index of the same file."""
        return {name: self._file.section(name) for name in self._file.names() if name != _FACTS}


@contextmanager
def open_index(path: Path) -> Iterator[StoredFile]:
    """The index in this file. Raises OSError and Damaged."""
    with Container(path) as file:
        yield StoredFile(file)


def write_index(path: Path, facts: FileFacts, sections: Mapping[str, bytes]) -> int:
    """Write it in place of the one before; gives its size. Raises OSError."""
    return container.write(path, {_FACTS: msgspec.msgpack.encode(facts), **sections})


class OpenIndexes:
    """Index files that were used lately, kept open and unpacked. Several threads may use it."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, tuple[_Stamp, StoredFile]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, path: Path) -> StoredFile:
        """Raises OSError and Damaged."""
        status = os.stat(path)
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._files.get(path)
            if known is not None and known[0] == stamp:
                self._files.move_to_end(path)
                return known[1]
        # The descriptor is closed with the last reader's reference: nothing is taken from under another thread.
        opened = StoredFile(Container(path))
        with self._lock:
            self._drop(path)
            self._files[path] = stamp, opened
            self._bytes += status.st_size
            while len(self._files) > 1 and (self._bytes > MOST_BYTES or len(self._files) > MOST_FILES):
                self._drop(next(iter(self._files)))
        return opened

    def forget(self, path: Path) -> None:
        with self._lock:
            self._drop(path)

    def _drop(self, path: Path) -> None:
        dropped = self._files.pop(path, None)
        if dropped is not None:
            self._bytes -= dropped[0][1]
