"""Writes pieces of memory into a file one after the other, a thousand with each call of the kernel.

For the merge: the packets of several sources stand in many places of memory and alternate in the file. pwritev(2) takes
a list of addresses and lengths, which numpy makes without a step of Python for each packet, and nothing is copied but
into the file itself. Python's own `os.pwritev` wants an object for each piece.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docket.packet.octets import Integers, no_integers, where

_MOST_PIECES = os.sysconf("SC_IOV_MAX")
"""Of one call."""


class Pieces(NamedTuple):
    """Pieces of memory in the order in which they are to be written. Who makes them keeps the memory as it is."""

    addresses: Integers
    sizes: Integers

    @property
    def size_bytes(self) -> int:
        return int(self.sizes.sum())

    def chosen(self, which: Integers | slice) -> Pieces:
        """Those of these indices, in their order, or of a slice."""
        return Pieces(self.addresses[which], self.sizes[which])

    def joined(self) -> Pieces:
        """The same bytes, with pieces that lie one behind the other in memory as one."""
        if not self.sizes.all():
            return self.chosen(where(self.sizes > 0)).joined()
        if not self.sizes.size:
            return self
        breaks = where(self.addresses[1:] != self.addresses[:-1] + self.sizes[:-1])
        firsts = np.concatenate((np.zeros(1, dtype=np.int64), breaks + 1))
        return Pieces(self.addresses[firsts], np.add.reduceat(self.sizes, firsts))

    def content(self) -> bytes:
        """The bytes as they would stand in the file."""
        joined = self.joined()
        return b"".join(map(ctypes.string_at, joined.addresses.tolist(), joined.sizes.tolist()))


NO_PIECES = Pieces(no_integers(), no_integers())


def together(pieces: list[Pieces]) -> Pieces:
    """All of these, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    return Pieces(*map(np.concatenate, zip(*pieces, strict=True)))


def address_of(memory: NDArray[np.uint8]) -> int:
    """Of the first byte. It holds as long as the array is there."""
    return int(memory.ctypes.data)


def write_pieces(fd: int, offset: int, pieces: Pieces) -> int:
    """Write the pieces one after the other from the offset on and return the offset after them.

    Raises OSError; some of the bytes may have been written then.
    """
    joined = pieces.joined()
    vectors = np.empty((joined.sizes.size, 2), dtype=np.uintp)  # struct iovec: where it begins, how long it is
    vectors[:, 0], vectors[:, 1] = joined
    for begin in range(0, len(vectors), _MOST_PIECES):
        offset = _write_all(fd, offset, vectors[begin : begin + _MOST_PIECES])
    return offset


def _write_all(fd: int, offset: int, vectors: NDArray[np.uintp]) -> int:
    """Write all of these, however few the kernel takes at once. Raises OSError."""
    while len(vectors):
        written = _PWRITEV(fd, vectors.ctypes.data, len(vectors), offset)
        if written <= 0:
            _refuse(written)
            continue
        offset += written
        ends = vectors[:, 1].cumsum(dtype=np.int64)
        whole = int(ends.searchsorted(written, "right"))
        if whole < len(vectors):
            begun = written - (int(ends[whole - 1]) if whole else 0)
            vectors[whole] += np.array((begun, 0), dtype=np.uintp)
            vectors[whole, 1] -= np.uintp(begun)
        vectors = vectors[whole:]
    return offset


def _refuse(written: int) -> None:
    """Raises OSError, unless a signal came in between."""
    number = ctypes.get_errno() if written < 0 else errno.EIO
    if number != errno.EINTR:
        raise OSError(number, os.strerror(number))


def _find_pwritev() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    # glibc has one for files of more than 2 GB on every machine; musl has no other.
    call = getattr(library, "pwritev64", None) or library.pwritev
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
    call.restype = ctypes.c_ssize_t
    return call


_PWRITEV = _find_pwritev()
