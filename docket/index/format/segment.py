"""A stretch of a capture file as the index knows it: its blocks, and which values occur in which. Pure.

segment = builder.finished()                   the builder has been given the packets, block by block
sections = encode(segment, number=0)
places = StoredSegment(container, number=0)    reads of a file only the kinds that a query asks for
candidates(places, query.root)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docket.index.format import blocks, postings
from docket.index.format.blocks import BlockTable
from docket.index.format.container import Container, Damaged
from docket.index.format.packed_integers import DamagedColumn
from docket.index.format.postings import NO_PAIRS, Pairs, Postings
from docket.index.value_kinds import Kind
from docket.packet.octets import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """As its builder made it."""

    table: BlockTable
    pairs: dict[Kind, Pairs]


def encode(segment: Segment, number: int) -> dict[str, bytes]:
    """The sections of a file."""
    sections = {_blocks_name(number): blocks.encode(segment.table)}
    for kind in Kind:
        sections[_kind_name(number, kind)] = postings.encode(segment.pairs.get(kind, NO_PAIRS))
    return sections


class StoredSegment:
    """One of a file; `Occurring` for its blocks. Raises OSError and Damaged."""

    def __init__(self, container: Container, number: int) -> None:
        self._container = container
        self._number = number
        self._kinds: dict[Kind, Postings] = {}
        try:
            self.table = blocks.decode(container.section(_blocks_name(number)))
        except DamagedColumn as error:
            raise Damaged(str(error)) from error

    def everywhere(self) -> Mask:
        return np.ones(len(self.table), dtype=np.bool_)

    def between(self, kind: Kind, first: int, last: int) -> Mask:
        found = np.zeros(len(self.table), dtype=np.bool_)
        try:
            found[self._postings(kind).between(first, last)] = True
        except DamagedColumn as error:
            raise Damaged(str(error)) from error
        return found | self.table.unsure

    def values(self, kind: Kind) -> NDArray[np.uint64]:
        """All values of a kind, sorted."""
        try:
            return self._postings(kind).values()
        except DamagedColumn as error:
            raise Damaged(str(error)) from error

    def _postings(self, kind: Kind) -> Postings:
        if kind not in self._kinds:
            self._kinds[kind] = self._read(kind)
        return self._kinds[kind]

    def _read(self, kind: Kind) -> Postings:
        try:
            return postings.decode(self._container.section(_kind_name(self._number, kind)), len(self.table))
        except DamagedColumn as error:
            raise Damaged(str(error)) from error


def _blocks_name(number: int) -> str:
    return f"{number}.blocks"


def _kind_name(number: int, kind: Kind) -> str:
    return f"{number}.{kind.value}"
