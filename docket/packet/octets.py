"""Numbers read at many places of a buffer at once, most significant byte first. Pure; for `packet` only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Buffer: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
"""Offsets into a buffer, indices of records, or small numbers out of a packet."""
Wide: TypeAlias = NDArray[np.uint64]
Mask: TypeAlias = NDArray[np.bool_]


class Octets:
    """A buffer, to be read at many offsets with one call. Offsets must lie inside; the caller proves it.

    A read costs one gather from a view whose elements overlap, which takes about 4 ns per offset. The buffer
    must not change its size as long as this is in use.
    """

    __slots__ = ("_u8", "_u16", "_u32", "_u64", "size")

    def __init__(self, buffer: Buffer) -> None:
        self._u8 = bytes_of(buffer)
        self.size = self._u8.size
        self._u16 = sliding(self._u8, ">u2")
        self._u32 = sliding(self._u8, ">u4")
        self._u64 = sliding(self._u8, ">u8")

    def u8(self, at: Integers) -> Integers:
        return self._u8[at].astype(np.int64)

    def u16(self, at: Integers) -> Integers:
        return self._u16[at].astype(np.int64)

    def u32(self, at: Integers) -> Integers:
        return self._u32[at].astype(np.int64)

    def u64(self, at: Integers) -> Wide:
        return self._u64[at].astype(np.uint64)


def bytes_of(buffer: Buffer) -> NDArray[np.uint8]:
    """The buffer as an array, without a copy."""
    if isinstance(buffer, np.ndarray):
        return buffer
    return np.frombuffer(buffer, dtype=np.uint8) if len(buffer) else np.zeros(0, dtype=np.uint8)


def sliding(data: NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """A view in which element i is the number whose first byte is byte i. Nothing is copied."""
    size = np.dtype(kind).itemsize
    if data.size < size:
        return np.zeros(0, dtype=kind)
    # numpy's as_strided takes thirty times as long, which counts where a question reads little.
    view: NDArray[Any] = np.ndarray((data.size - size + 1,), kind, buffer=np.ascontiguousarray(data), strides=(1,))
    view.flags.writeable = False
    return view


def distinct(values: Integers) -> Integers:
    """The values in order, each once. numpy's `unique` loads its masked arrays first, at the cost of 40 ms."""
    ordered = np.sort(values)
    first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def where(mask: Mask) -> Integers:
    """The indices at which a mask is set. numpy's own function for it costs three times as much on few elements."""
    return mask.nonzero()[0]


def table(values: Iterable[int], size: int) -> Mask:
    """A mask over all numbers below `size`, to be looked up: the quickest test of many numbers for a few values."""
    found = np.zeros(size, dtype=np.bool_)
    found[list(values)] = True
    return found


def no_integers() -> Integers:
    return np.zeros(0, dtype=np.int64)
