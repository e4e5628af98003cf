"""A file of named sections, each with a checksum: what all files of the index are. `docs/index.md` describes it.

    write(path, {"facts": b"…", "blocks": b"…"})     beside, synced, then renamed: there is no half a file
    with Container(path) as file:
        file.section("facts")

Whatever is wrong with a file is a `Damaged`: another version, cut short, bytes that differ.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from docket.runtime.whole_file import replace_file

VERSION = 2
_MAGIC = b"DKTINDEX"
_HEADER = struct.Struct("<8sHxxIII")
"""Magic, version, number of sections, length of the table in bytes, checksum of the table."""
_ENTRY = struct.Struct("<12sQII")
"""Name, offset, length, checksum."""
_MOST_TABLE_BYTES = 16 * 1024 * 1024
_FIRST_READ_BYTES = 8192
"""Holds the table of most files, and the small sections that are written first."""


class Damaged(ValueError):
    """A file of the index that must not be used."""


def write(path: Path, sections: Mapping[str, bytes]) -> int:
    """Write a whole file in place of what was there; gives its size. Raises OSError, and leaves the old one then."""
    table, offset = [], _HEADER.size + _ENTRY.size * len(sections)
    for name, data in sections.items():
        table.append(_ENTRY.pack(name.encode("ascii"), offset, len(data), zlib.crc32(data)))
        offset += len(data)
    entries = b"".join(table)
    header = _HEADER.pack(_MAGIC, VERSION, len(sections), len(entries), zlib.crc32(entries))
    replace_file(path, [header, entries, *sections.values()], sync=True)
    return offset


class Container:
    """One file, open for reading. Raises OSError and Damaged, also later."""

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._beginning = os.pread(self._descriptor, _FIRST_READ_BYTES, 0)
            self._table = self._read_table()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        # Of files that are shared between threads the last one that lets go closes.
        self.close()

    def names(self) -> list[str]:
        return list(self._table)

    def section(self, name: str) -> bytes:
        """A whole section, held against its checksum."""
        offset, length, checksum = self._entry(name)
        data = self._read(offset, length)
        if zlib.crc32(data) != checksum:
            raise Damaged(f"the section {name} is damaged")
        return data

    def part(self, name: str, at: int, size: int) -> bytes:
        """Bytes of a section that carries checksums of its own; fewer at its end."""
        offset, length, _ = self._entry(name)
        return self._read(offset + at, max(0, min(size, length - at)))

    def _entry(self, name: str) -> tuple[int, int, int]:
        try:
            return self._table[name]
        except KeyError:
            raise Damaged(f"there is no section {name}") from None

    def _read_table(self) -> dict[str, tuple[int, int, int]]:
        if len(self._beginning) < _HEADER.size:
            raise Damaged("the file is cut short")
        magic, version, count, length, checksum = _HEADER.unpack_from(self._beginning)
        if magic != _MAGIC or version != VERSION:
            raise Damaged(f"the file is not an index of version {VERSION}")
        if length != count * _ENTRY.size or length > _MOST_TABLE_BYTES:
            raise Damaged("the table of sections is damaged")
        entries = self._read(_HEADER.size, length)
        if zlib.crc32(entries) != checksum:
            raise Damaged("the table of sections is damaged")
        return {
            name.rstrip(b"\0").decode("ascii", "replace"): (offset, size, crc)
            for name, offset, size, crc in _ENTRY.iter_unpack(entries)
        }

    def _read(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._beginning):
            return self._beginning[offset : offset + length]
        # Before any room is made for it: what the table says may be as absurd as four gigabytes.
        if offset + length > os.fstat(self._descriptor).st_size:
            raise Damaged("the file is cut short")
        data = os.pread(self._descriptor, length, offset)
        if len(data) != length:
            raise Damaged("the file is cut short")
        return data
