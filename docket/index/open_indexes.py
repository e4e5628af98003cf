"""Index files that were used lately, kept open and unpacked: the next question is not asked to unpack them again.

    pool = OpenIndexes()
    stored = pool.get(path)          raises OSError and Damaged
    pool.forget(path)                it turned out to be damaged

A file of the index is never changed but replaced, so inode, size and time tell whether it is still the same.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from docket.index.format.container import Container
from docket.index.format.stored_file import StoredFile

MOST_BYTES = 16 * 1024 * 1024
"""Of index files as they lie on disk; unpacked they take up to three times as much.
Beyond that those that were not used for the longest time go."""
MOST_FILES = 96
"""Each holds a descriptor."""

_Stamp = tuple[int, int, int]


class OpenIndexes:
    """Several threads may use it."""

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
