"""The second level of the index: up to 64 capture files at once. One look says which can hold what is asked.

    write_group(path, [stored, …])                 files that were indexed whole, and are closed
    group = Group(path)
    group.candidates(root, window)                 a mask over its files

A group is written once and never changed. A file that is written to later is no longer the one in the group: its
identity tells. Raises OSError and Damaged.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.candidates import candidates
from docket.index.facts import FileFacts
from docket.index.format import bloom, container
from docket.index.format.container import Container, Damaged
from docket.index.format.packed_integers import DamagedColumn, pack, unpack
from docket.index.format.stored_file import StoredFile, open_index
from docket.index.value_kinds import Kind
from docket.packet.octets import Mask
from docket.workers.sources.capture_files.file_facts import DISORDER_US

_FILES, _UNSURE, _MATRIX, _CHECKSUMS, _MINUTES = "files", "unsure", "matrix", "checksums", "minutes"
_DECODER = msgspec.msgpack.Decoder(list[FileFacts])
_KEPT_BYTES = 16 * 1024 * 1024


def fits(facts: FileFacts) -> bool:
    """Whether a group can say that nothing of this file needs to be read."""
    return facts.clean and not facts.undated


def write_group(path: Path, indexes: Sequence[Path]) -> int:
    """Write a group of the files with these indexes; gives its size."""
    if len(indexes) > bloom.MOST_FILES:
        raise ValueError(f"a group has {bloom.MOST_FILES} files at most")
    facts, uncertain, most = [], [], 0
    kept = _KeptKeys()
    for column, index in enumerate(indexes):
        with open_index(index) as stored:
            facts.append(stored.facts)
            uncertain.append(any(bool(segment.table.unsure.any()) for segment in stored.segments()))
            keys = _keys(stored)
        most = max(most, keys.size)
        kept.put(column, keys)
    rows = bloom.matrix(bloom.page_count(most))
    for column, index in enumerate(indexes):
        bloom.enter(rows, column, kept.get(column, index))
    return container.write(path, _sections(facts, uncertain, rows))


class _KeptKeys:
    """To find the keys of a file takes a hundredth of a second; they are needed twice."""

    def __init__(self) -> None:
        self._keys: dict[int, bloom.Keys] = {}
        self._room_bytes = _KEPT_BYTES

    def put(self, column: int, keys: bloom.Keys) -> None:
        if keys.nbytes <= self._room_bytes:
            self._keys[column] = keys
            self._room_bytes -= keys.nbytes

    def get(self, column: int, index: Path) -> bloom.Keys:
        """Those that were put, or found again."""
        if column in self._keys:
            return self._keys.pop(column)
        with open_index(index) as stored:
            return _keys(stored)


def _sections(facts: list[FileFacts], uncertain: list[bool], rows: NDArray[np.uint64]) -> dict[str, bytes]:
    minutes = [(column, *minute) for column, one in enumerate(facts) for minute in one.minutes]
    table = np.array(minutes, dtype=np.int64).reshape(len(minutes), 4)
    pages = rows.astype("<u8").tobytes()
    return {
        _FILES: msgspec.msgpack.encode([msgspec.structs.replace(one, minutes=()) for one in facts]),
        _UNSURE: pack(np.array(uncertain, dtype=np.uint8)),
        _CHECKSUMS: pack(bloom.checksums(pages)),
        _MINUTES: msgspec.msgpack.encode([pack(np.ascontiguousarray(table[:, at])) for at in range(4)]),
        _MATRIX: pages,
    }


def _keys(stored: StoredFile) -> bloom.Keys:
    """All that the file is entered under."""
    found = []
    segments = list(stored.segments())
    for kind in Kind:
        values = np.unique(np.concatenate([segment.values(kind) for segment in segments] or [_NO_VALUES]))
        found.append(bloom.keys_of(kind, values))
    return np.concatenate(found)


_NO_VALUES = np.zeros(0, dtype=np.uint64)


class Group:
    """One, as a worker keeps it in memory: the facts of its files. The matrix stays on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with Container(path) as file:
            try:
                self.files = _DECODER.decode(file.section(_FILES))
                self._unsure: Mask = unpack(file.section(_UNSURE)) != 0
                self.checksums = unpack(file.section(_CHECKSUMS))
            except (DamagedColumn, msgspec.DecodeError, ValueError) as error:
                raise Damaged(str(error)) from error
        if len(self.files) != self._unsure.size or not self.checksums.size:
            raise Damaged("the parts of a group do not fit together")
        self._minutes: NDArray[np.int64] | None = None
        self._first_ns = np.array([one.first_ns for one in self.files], dtype=np.int64)
        self._has_packets = np.array([one.packets > 0 for one in self.files], dtype=np.bool_)
        self._last_ns = np.array([one.last_ns for one in self.files], dtype=np.int64)
        self._dropping = np.array([one.dropped > 0 for one in self.files], dtype=np.bool_)

    def inside(self, window: Window) -> Mask:
        """The files that may hold packets of the window."""
        found: Mask = (self._last_ns >= window.after_us * 1000) & (self._first_ns < window.before_us * 1000)
        found &= self._has_packets
        return found

    def candidates(self, root: FilterNode | None, window: Window) -> Mask:
        """The files that may hold a packet of the window that matches, and those whose recorder lost packets then."""
        found = self.inside(window)
        if root is not None and found.any():
            with Container(self.path) as file:
                found &= candidates(_Places(file, self), root) | self._unsure
        if self._dropping.any():
            # Also shortly before the first packet of a file and after its last one, as the verdict has it.
            around = Window(window.after_us - DISORDER_US, window.before_us + DISORDER_US)
            found |= self._dropping & self.inside(around)
        return found

    def minutes(self) -> NDArray[np.int64]:
        """Rows of file, minute, packets, bytes; kept from the first time on. Raises OSError and Damaged."""
        if self._minutes is None:
            self._minutes = self._read_minutes()
        return self._minutes

    def _read_minutes(self) -> NDArray[np.int64]:
        with Container(self.path) as file:
            try:
                columns = msgspec.msgpack.decode(file.section(_MINUTES), type=list[bytes])
                return np.stack([unpack(column) for column in columns], axis=1)
            except (DamagedColumn, msgspec.DecodeError, ValueError) as error:
                raise Damaged(str(error)) from error


class _Places:
    """A group's files, for `candidates`."""

    def __init__(self, file: Container, group: Group) -> None:
        self._file = file
        self._checksums = group.checksums
        self._count = len(group.files)

    def everywhere(self) -> Mask:
        return np.ones(self._count, dtype=np.bool_)

    def between(self, kind: Kind, first: int, last: int) -> Mask:
        keys = bloom.keys_for(kind, first, last)
        if keys is None:
            return self.everywhere()
        bits = 0
        for key in keys.tolist():
            bits |= bloom.columns_of(self._page(bloom.page_of(key, self._checksums.size)), key)
        return bloom.as_mask(bits, self._count)

    def _page(self, number: int) -> bytes:
        page = self._file.part(_MATRIX, number * bloom.PAGE_BYTES, bloom.PAGE_BYTES)
        if zlib.crc32(page) != int(self._checksums[number]) or len(page) != bloom.PAGE_BYTES:
            raise Damaged("a page of a group is damaged")
        return page
