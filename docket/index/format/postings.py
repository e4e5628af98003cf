"""In which blocks each value of one kind occurs: sorted values, each with its block numbers. Pure.

postings = of_pairs(kind, pairs)
postings.exactly(value)          the blocks, as an array of numbers
postings.between(first, last)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from docket.index.format.packed_integers import DamagedColumn, pack, unpack
from docket.index.value_kinds import Kind, Numbers

BLOCK_BITS = 16
MOST_BLOCKS = 1 << BLOCK_BITS
PIECE_PAIRS = 4096
"""A look-up unpacks one piece as a rule, which takes 0.02 to 0.1 ms."""
_BLOCK_MASK = np.uint64(MOST_BLOCKS - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Values and the blocks they occur in, each pair once, sorted."""

    values: NDArray[np.uint64]
    blocks: NDArray[np.uint16]

    def __len__(self) -> int:
        return int(self.values.size)


NO_PAIRS = Pairs(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint16))


@dataclass(slots=True, eq=False)
class _Piece:
    """One that is unpacked; its places only when they are needed."""

    number: int
    values: NDArray[np.uint64]
    places: tuple[NDArray[np.uint32], NDArray[np.uint16]] | None = None
    """Where the blocks of each value end, and the blocks."""


class Postings:
    """As kept in a file, in pieces of values, ends and blocks. A look-up unpacks those that it needs. Raises
    DamagedColumn."""

    def __init__(
        self, firsts: NDArray[np.uint64], pieces: Sequence[tuple[bytes, bytes, bytes]], block_count: int
    ) -> None:
        self._firsts = firsts
        """The first value of each piece."""
        self._pieces = pieces
        self._block_count = block_count
        self._latest: _Piece | None = None
        """The one that was looked into last: the check of a question and then its reading look up the same values."""

    def between(self, first: int, last: int) -> NDArray[np.uint16]:
        """The blocks in which a value of the range occurs, ends included; some may come several times."""
        begin = max(0, int(np.searchsorted(self._firsts, np.uint64(first), side="right")) - 1)
        end = int(np.searchsorted(self._firsts, np.uint64(last), side="right"))
        found = [self._within(number, first, last) for number in range(begin, end)]
        return np.concatenate(found) if found else NO_PAIRS.blocks

    def values(self) -> NDArray[np.uint64]:
        """All values, sorted, each once."""
        found = [unpack(values) for values, _, _ in self._pieces]
        return np.concatenate(found) if found else NO_PAIRS.values

    def _within(self, number: int, first: int, last: int) -> NDArray[np.uint16]:
        """The blocks of one piece. They are unpacked only if it has a value of the range: most have none."""
        piece = self._latest
        if piece is None or piece.number != number:
            self._latest = piece = _Piece(number, unpack(self._pieces[number][0]))
        low = int(piece.values.searchsorted(np.uint64(first), side="left"))
        high = int(piece.values.searchsorted(np.uint64(last), side="right"))
        if low >= high:
            return NO_PAIRS.blocks
        ends, blocks = piece.places or self._unpacked(piece)
        found: NDArray[np.uint16] = blocks[int(ends[low - 1]) if low else 0 : int(ends[high - 1])]
        return found

    def _unpacked(self, piece: _Piece) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        _, packed_ends, packed_blocks = self._pieces[piece.number]
        ends, blocks, values = unpack(packed_ends), unpack(packed_blocks), piece.values
        if values.size != ends.size or (int(ends[-1]) if ends.size else 0) != blocks.size:
            raise DamagedColumn("the columns of a kind do not fit together")
        if blocks.size and int(blocks.max()) >= self._block_count:
            raise DamagedColumn("a value lies in a block that is not there")
        piece.places = ends, blocks
        return ends, blocks


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


def encode(pairs: Pairs) -> bytes:
    """For a file: values with their blocks, in pieces of about as many pairs each."""
    if not len(pairs):
        return msgspec.msgpack.encode((pack(pairs.values), []))
    different = np.concatenate((np.ones(1, dtype=np.bool_), pairs.values[1:] != pairs.values[:-1]))
    begins = np.flatnonzero(different)
    numbers = begins // PIECE_PAIRS
    heads = np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), numbers[1:] != numbers[:-1])))
    values, ends = pairs.values[begins], np.append(begins[1:], len(pairs))
    pieces = []
    for head, behind in zip(heads, [*heads[1:], begins.size], strict=True):
        begin, end = begins[head], ends[behind - 1]
        of_piece = (ends[head:behind] - begin).astype(np.uint32)
        pieces.append((pack(values[head:behind]), pack(of_piece), pack(pairs.blocks[begin:end])))
    return msgspec.msgpack.encode((pack(values[heads]), pieces))


def decode(data: bytes, block_count: int) -> Postings:
    """From a file. Raises DamagedColumn for what cannot be looked up."""
    try:
        firsts, pieces = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedColumn(str(error)) from error
    unpacked = unpack(firsts)
    if unpacked.size != len(pieces):
        raise DamagedColumn("the pieces of a kind are not all there")
    return Postings(unpacked, pieces, block_count)


_DECODER = msgspec.msgpack.Decoder(tuple[bytes, list[tuple[bytes, bytes, bytes]]])


def _distinct(combined: NDArray[np.uint64]) -> NDArray[np.uint64]:
    combined.sort()
    if combined.size < 2:
        return combined
    different = np.concatenate((np.ones(1, dtype=np.bool_), combined[1:] != combined[:-1]))
    distinct: NDArray[np.uint64] = combined[different]
    return distinct
