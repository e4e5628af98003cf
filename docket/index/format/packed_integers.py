"""Arrays of integers as few bytes: differences, their bytes sorted by weight, deflated. Pure.

Sorted numbers, and numbers that come in runs, become long stretches of equal bytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<2sxxI")
_TYPES = frozenset({"u1", "u2", "u4", "u8", "i8"})
_LEVEL = 1
"""The quickest: differences leave little to search for."""
MOST_ITEMS = 1 << 27
"""A column that claims to be longer is damaged."""


class DamagedColumn(ValueError):
    """The bytes are not those of a column."""


def pack(column: NDArray[Any]) -> bytes:
    """The array as bytes; of the types u1, u2, u4, u8 and i8."""
    name = column.dtype.str[1:]
    if name not in _TYPES:
        raise ValueError(f"no column holds {column.dtype}")
    unsigned = np.ascontiguousarray(column).view(f"<u{column.dtype.itemsize}")
    differences = np.diff(unsigned, prepend=unsigned.dtype.type(0))
    by_weight = differences.view(np.uint8).reshape(-1, column.dtype.itemsize).T
    return _HEADER.pack(name.encode(), column.size) + zlib.compress(by_weight.tobytes(), _LEVEL)


def unpack(data: bytes) -> NDArray[Any]:
    """The array again. Raises DamagedColumn."""
    try:
        name, count = _HEADER.unpack_from(data)
        if name.decode("ascii", "replace") not in _TYPES or count > MOST_ITEMS:
            raise DamagedColumn("a column has no sensible header")
        width = int(name[1:])
        inflater = zlib.decompressobj()
        raw = inflater.decompress(data[_HEADER.size :], count * width + 1)
    except (struct.error, zlib.error, ValueError) as error:
        raise DamagedColumn(str(error)) from error
    if len(raw) != count * width:
        raise DamagedColumn("a column has another length than its header says")
    by_weight = np.frombuffer(raw, dtype=np.uint8).reshape(width, count)
    differences = np.ascontiguousarray(by_weight.T).reshape(-1).view(f"<u{width}")
    return np.cumsum(differences, dtype=differences.dtype).view(f"<{name.decode()}")
