"""In which blocks each value of one kind occurs: sorted values, each with its block numbers. Pure.

postings = of_pairs(kind, pairs)
postings.exactly(value)          the blocks, as an array of numbers
postings.between(first, last)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docket.index.columns import DamagedColumn, pack, unpack
from docket.index.kinds import Kind, Numbers

BLOCK_BITS = 16
MOST_BLOCKS = 1 << BLOCK_BITS
_BLOCK_MASK = np.uint64(MOST_BLOCKS - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Values and the blocks they occur in, each pair once, sorted."""

    values: NDArray[np.uint64]
    blocks: NDArray[np.uint16]

    def __len__(self) -> int:
        return int(self.values.size)


NO_PAIRS = Pairs(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint16))


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """As kept in memory for a look-up."""

    values: NDArray[np.uint64]
    """Sorted, each once."""
    ends: NDArray[np.uint64]
    """Where the blocks of each value end."""
    blocks: NDArray[np.uint16]

    def exactly(self, value: int) -> NDArray[np.uint16]:
        """The blocks in which this value occurs."""
        return self.between(value, value)

    def between(self, first: int, last: int) -> NDArray[np.uint16]:
        """The blocks in which a value of the range occurs, ends included; some may come several times."""
        low = int(np.searchsorted(self.values, np.uint64(first), side="left"))
        high = int(np.searchsorted(self.values, np.uint64(last), side="right"))
        if low >= high:
            return self.blocks[:0]
        begin = int(self.ends[low - 1]) if low else 0
        return self.blocks[begin : int(self.ends[high - 1])]


def pairs_of(kind: Kind, values: Numbers, blocks: NDArray[Any]) -> Pairs:
    """Sort the pairs and drop repeated ones."""
    if kind.is_wide:
        different, place = np.unique(values.astype(np.uint64), return_inverse=True)
        combined = _distinct(place.reshape(-1).astype(np.uint64) << np.uint64(BLOCK_BITS) | blocks.astype(np.uint64))
        values_again = different[(combined >> np.uint64(BLOCK_BITS)).astype(np.int64)]
        return Pairs(values_again, (combined & _BLOCK_MASK).astype(np.uint16))
    combined = _distinct(values.astype(np.uint64) << np.uint64(BLOCK_BITS) | blocks.astype(np.uint64))
    return Pairs(combined >> np.uint64(BLOCK_BITS), (combined & _BLOCK_MASK).astype(np.uint16))


def joined(kind: Kind, parts: Sequence[Pairs]) -> Pairs:
    """One sorted collection of several."""
    if len(parts) == 1:
        return parts[0]
    return pairs_of(kind, np.concatenate([one.values for one in parts]), np.concatenate([one.blocks for one in parts]))


def of_pairs(pairs: Pairs) -> Postings:
    """Group sorted pairs by value."""
    if not len(pairs):
        return Postings(pairs.values, np.zeros(0, dtype=np.uint64), pairs.blocks)
    begins = np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), pairs.values[1:] != pairs.values[:-1])))
    ends = np.append(begins[1:], len(pairs)).astype(np.uint64)
    return Postings(pairs.values[begins], ends, pairs.blocks)


def encode(postings: Postings) -> tuple[bytes, bytes, bytes]:
    """The three columns, for a file."""
    return pack(postings.values), pack(postings.ends), pack(postings.blocks)


def decode(columns: Sequence[bytes], block_count: int) -> Postings:
    """From a file. Raises DamagedColumn for what cannot be looked up."""
    values, ends, blocks = (unpack(column) for column in columns)
    if values.size != ends.size or (int(ends[-1]) if ends.size else 0) != blocks.size:
        raise DamagedColumn("the columns of a kind do not fit together")
    if blocks.size and int(blocks.max()) >= block_count:
        raise DamagedColumn("a value lies in a block that is not there")
    return Postings(values, ends, blocks)


def _distinct(combined: NDArray[np.uint64]) -> NDArray[np.uint64]:
    combined.sort()
    if combined.size < 2:
        return combined
    different = np.concatenate((np.ones(1, dtype=np.bool_), combined[1:] != combined[:-1]))
    distinct: NDArray[np.uint64] = combined[different]
    return distinct
