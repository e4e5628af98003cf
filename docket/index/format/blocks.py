"""The blocks of a stretch of a capture file: where each lies, when it was, how much is in it. Pure.

A block is a run of whole records of 128 KiB or somewhat more; in compressed files what was read at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from docket.domain.timewindow import Window
from docket.index.format.packed_integers import DamagedColumn, pack, unpack
from docket.packet.octets import Mask
from docket.workers.sources.capture_files.block_selector import Extent

_NS_PER_US = 1000

_COLUMNS = ("file_offset", "stream_offset", "length", "skip", "prologue", "first_ns", "last_ns", "packets", "bytes")
"""In the order of the format, each of signed 64 bits; `unsure` follows as bytes."""


@dataclass(frozen=True, slots=True)
class Block:
    """One of them, as its builder knows it."""

    extent: Extent
    first_ns: int
    last_ns: int
    """Of all packets, whatever their order."""
    packets: int
    bytes: int
    """On the wire."""
    unsure: bool
    """It holds packets of which not every value is known: it belongs to every question."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockTable:
    """All blocks of a segment, as columns."""

    columns: dict[str, NDArray[np.int64]]
    unsure: Mask
    prologues: tuple[bytes, ...]

    def __len__(self) -> int:
        return int(self.unsure.size)

    def inside(self, window: Window) -> Mask:
        """The blocks that may hold packets of the window."""
        after_ns, before_ns = window.after_us * _NS_PER_US, window.before_us * _NS_PER_US
        found: Mask = (self.columns["last_ns"] >= after_ns) & (self.columns["first_ns"] < before_ns)
        return found

    def total(self, name: str, which: Mask) -> int:
        """Packets or bytes of some blocks."""
        return int(self.columns[name][which].sum())

    def extents(self, which: Mask) -> list[Extent]:
        """Where these blocks lie, in the order of the file; what adjoins is one extent."""
        found: list[Extent] = []
        for number in which.nonzero()[0].tolist():
            extent = self.extent(number)
            if found and _adjoin(found[-1], extent):
                found[-1] = _joined(found[-1], extent)
            else:
                found.append(extent)
        return found

    def extent(self, number: int) -> Extent:
        place, stream, length, skip, prologue = (int(self.columns[name][number]) for name in _COLUMNS[:5])
        return Extent(place, stream, length, skip, self.prologues[prologue])


def table_of(blocks: Sequence[Block]) -> BlockTable:
    """Columns of single blocks."""
    prologues = list(dict.fromkeys(block.extent.prologue for block in blocks))
    places = {prologue: number for number, prologue in enumerate(prologues)}
    rows = [_row(block, places[block.extent.prologue]) for block in blocks]
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(_COLUMNS))
    columns = {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_COLUMNS)}
    return BlockTable(columns, np.array([block.unsure for block in blocks], dtype=np.bool_), tuple(prologues))


def encode(table: BlockTable) -> bytes:
    """For a file."""
    columns = [pack(table.columns[name]) for name in _COLUMNS]
    return msgspec.msgpack.encode((columns, pack(table.unsure.view(np.uint8)), table.prologues))


def decode(data: bytes) -> BlockTable:
    """From a file. Raises DamagedColumn."""
    try:
        packed, unsure_packed, prologues = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedColumn(str(error)) from error
    columns: dict[str, NDArray[Any]] = dict(zip(_COLUMNS, map(unpack, packed), strict=False))
    unsure = unpack(unsure_packed) != 0
    if len(columns) != len(_COLUMNS) or any(column.size != unsure.size for column in columns.values()):
        raise DamagedColumn("the columns of the blocks do not fit together")
    if unsure.size and not 0 <= int(columns["prologue"].min()) <= int(columns["prologue"].max()) < len(prologues):
        raise DamagedColumn("a block has a prologue that is not there")
    return BlockTable(columns, unsure, tuple(prologues))


def merged(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """Extents of several segments as one list, without doubles."""
    found: list[Extent] = []
    for extent in extents:
        if found and _adjoin(found[-1], extent):
            found[-1] = _joined(found[-1], extent)
        else:
            found.append(extent)
    return tuple(found)


_DECODER = msgspec.msgpack.Decoder(tuple[list[bytes], bytes, list[bytes]])


def _row(block: Block, prologue: int) -> tuple[int, ...]:
    extent = block.extent
    place = (extent.file_offset, extent.stream_offset, extent.length_bytes, extent.skip_bytes, prologue)
    return (*place, block.first_ns, block.last_ns, block.packets, block.bytes)


def _adjoin(one: Extent, following: Extent) -> bool:
    """Whether the second begins where the first ends, or before: then each byte must be read once only."""
    return following.stream_offset <= one.stream_offset + one.length_bytes and following.prologue == one.prologue


def _joined(one: Extent, following: Extent) -> Extent:
    end = max(one.stream_offset + one.length_bytes, following.stream_offset + following.length_bytes)
    return Extent(one.file_offset, one.stream_offset, end - one.stream_offset, one.skip_bytes, one.prologue)
