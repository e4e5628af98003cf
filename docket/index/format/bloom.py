"""Which of up to 64 files may hold a value: a Bloom filter per file, laid side by side. Pure.

Row r of the matrix is one number of 64 bits; bit c says whether file c has set this row. The rows of one value lie in
one page of 4 KiB with a checksum, so that a question costs one small read per value and group, and a flipped bit is
seen. Addresses are entered with their networks, so that a network can be asked for as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from docket.index.value_kinds import Kind
from docket.packet.octets import Mask

MOST_FILES = 64
ROWS_PER_PAGE = 512
PAGE_BYTES = ROWS_PER_PAGE * 8
_ROWS_PER_VALUE = 4
_BITS_PER_VALUE = 12
"""About 1 in 100 values that are not there seem to be."""
MOST_PAGES = 8192
_BITS = {Kind.ADDRESS4: 32, Kind.UPPER6: 64}
NETWORKS: Mapping[Kind, tuple[int, ...]] = {Kind.ADDRESS4: (24, 16, 8), Kind.UPPER6: (48, 32)}
"""Prefix lengths that are entered beside whole addresses, the longest first."""
_FEW = 16
"""A range of so many values is asked value by value."""

Keys = NDArray[np.uint64]


def keys_of(kind: Kind, values: Keys) -> Keys:
    """The keys under which the distinct values of a kind are entered."""
    found = [_key(kind, 0, values)]
    for prefix in NETWORKS.get(kind, ()):
        shift = np.uint64(_BITS[kind] - prefix)
        found.append(_key(kind, prefix, np.unique(values >> shift)))
    return np.concatenate(found)


def keys_for(kind: Kind, first: int, last: int) -> Keys | None:
    """Of the keys, one at least was entered by each file with a value of the range. None: nothing can be said."""
    if last - first < _FEW:
        return _key(kind, 0, np.array(range(first, last + 1), dtype=np.uint64))
    for prefix in NETWORKS.get(kind, ()):
        shift = _BITS[kind] - prefix
        if first >> shift == last >> shift:
            return _key(kind, prefix, np.array([first >> shift], dtype=np.uint64))
    return None


def page_count(most_keys: int) -> int:
    """How many pages the file with the most keys needs."""
    return min(MOST_PAGES, most_keys * _BITS_PER_VALUE // ROWS_PER_PAGE + 1)


def matrix(pages: int) -> NDArray[np.uint64]:
    return np.zeros(pages * ROWS_PER_PAGE, dtype=np.uint64)


def enter(into: NDArray[np.uint64], column: int, keys: Keys) -> None:
    """Note that a file has these keys."""
    for rows in _rows(keys):
        into[_pages(keys, into.size // ROWS_PER_PAGE) * ROWS_PER_PAGE + rows] |= np.uint64(1 << column)


def page_of(key: int, pages: int) -> int:
    return int(_pages(np.array([key], dtype=np.uint64), pages)[0])


def columns_of(page: bytes, key: int) -> int:
    """The files, as bits, that may have the key that belongs to this page."""
    rows = np.frombuffer(page, dtype="<u8")
    found = (1 << MOST_FILES) - 1
    for row in _rows(np.array([key], dtype=np.uint64)):
        found &= int(rows[int(row[0])])
    return found


def checksums(pages: bytes) -> NDArray[np.uint32]:
    """One per page."""
    found = [zlib.crc32(pages[at : at + PAGE_BYTES]) for at in range(0, len(pages), PAGE_BYTES)]
    return np.array(found, dtype=np.uint32)


def as_mask(bits: int, count: int) -> Mask:
    """Bits as an array, the lowest first."""
    octets = np.frombuffer(bits.to_bytes(MOST_FILES // 8, "little"), dtype=np.uint8)
    return np.unpackbits(octets, bitorder="little")[:count].astype(np.bool_)


def _pages(keys: Keys, pages: int) -> NDArray[np.int64]:
    return ((keys >> np.uint64(36)) % np.uint64(pages)).astype(np.int64)


def _rows(keys: Keys) -> Iterator[NDArray[np.int64]]:
    for number in range(_ROWS_PER_VALUE):
        yield ((keys >> np.uint64(9 * number)) & np.uint64(ROWS_PER_PAGE - 1)).astype(np.int64)


def _key(kind: Kind, prefix: int, values: Keys) -> Keys:
    """Mixed by the finalizer of splitmix64 (Steele, Lea, Flood 2014), so that near values lie far apart."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64((kind << 8 | prefix) * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
