"""One part read as a stream of records in time order, while the part still grows. Only `merge` uses it.

A source's packets arrive nearly in order. The stream reads the part in blocks, puts the records of what it
has loaded in order, and keeps the youngest of them back as long as there is more to read: a record that came
a little late still finds its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docket.errors import CaptureError
from docket.packet.octets import Integers, bytes_of, no_integers
from docket.packet.pcap import ETHERNET, FILE_HEADER_BYTES, in_nanoseconds
from docket.packet.records import Positions, positions
from docket.runtime.gathered_write import NO_PIECES, Pieces, address_of, together
from docket.spool.file_io import read_into
from docket.workers.collector.record_lengths import RecordLengths

SLACK_US = 500_000
"""How much earlier than the youngest record of a growing part a later one may still be, where there are too few
to go by their number. Each capture thread writes its packets nearly in order; thread and thread are merged by
stenographer. A record that is later still is put in its place when all is there."""

_KEPT_BACK = 1_024
"""Records held back while more will come: far more than the disorder between two capture threads."""

FOREVER = 1 << 62

_NO_BYTES = np.zeros(0, dtype=np.uint8)
OnLoad = Callable[[int, memoryview], None]


class Horizon(NamedTuple):
    """Records before this point of the total order (time, place of the source) will not get company any more."""

    time: int
    place: int


class Form(NamedTuple):
    """Whether times are nanoseconds, microseconds otherwise: in the part as it lies on disk, and in the result."""

    part: bool
    result: bool


MICROSECONDS = Form(part=False, result=False)


class RecordStream:
    """The records of one part (or of a run of `disorder`), from the oldest on.

    Its file is read into blocks of memory that stay where they are; records are put in order by their addresses.
    """

    __slots__ = (
        "_blocks",
        "_held_bytes",
        "_loaded_to",
        "_newest",
        "_per_us",
        "_tail",
        "_through",
        "_widen",
        "bytes",
        "channel",
        "ended",
        "fault",
        "first_us",
        "form",
        "in_order",
        "last_us",
        "lengths",
        "linktype",
        "name",
        "on_load",
        "origin",
        "packets",
        "path",
        "pieces",
        "place",
        "position",
        "size_bytes",
        "starts_at",
        "times",
    )

    def __init__(
        self,
        name: str,
        place: int,
        path: Path,
        start: int = FILE_HEADER_BYTES,
        *,
        form: Form = MICROSECONDS,
        origin: int = 0,
        channel: int = 0,
    ) -> None:
        self.name = name
        self.channel = channel
        """Which file of the source's part it is."""
        self.origin = origin
        """Its number among the origins of the result: the interface, where that is pcapng."""
        self.place = place
        """Rank among the streams, which decides between records of the same time."""
        self.path = path
        self.form = form
        self.linktype = ETHERNET
        self.size_bytes = start
        """How much of the file may be read."""
        self.ended = False
        self.fault = ""
        """Why the rest of the file cannot be read as records, if that is so."""
        self.in_order = True
        """So far its records were given as the file has them."""
        self.on_load: OnLoad | None = None
        """Is handed every block that is read, with its offset in the file."""
        self.lengths: RecordLengths | None = None
        """What is known beforehand of where its records are."""
        self.starts_at: int | None = None
        """No record is earlier. Where it is known beforehand, nothing is loaded until it is needed."""
        self.times = no_integers()
        """Since 1970 UTC, in what the result counts: micro- or nanoseconds; all times here but those in `_us`."""
        self.pieces = NO_PIECES
        """Each record as it lies in memory, with its header."""
        self.position = 0
        """Index of the first record that is not given out."""
        self.packets = 0
        """Records given out so far; `bytes`, `first_us` and `last_us` tell of the same records."""
        self.bytes = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._blocks: deque[NDArray[np.uint8]] = deque()
        """What the records lie in."""
        self._held_bytes = 0
        """Of the records that are loaded and not given out."""
        self._tail = _NO_BYTES
        """The beginning of a record, as the file has it, behind the last whole one."""
        self._loaded_to = start
        self._through = -1
        self._newest = -1
        self._per_us = 1000 if form.result else 1
        self._widen = form.result and not form.part

    def grow(self, size_bytes: int, through_us: int | None = None) -> None:
        """The file has this size now, and every record before `through_us` is in it."""
        if self.fault:
            return
        self.size_bytes = size_bytes
        if through_us is not None:
            self._through = max(self._through, through_us * self._per_us)

    def end(self) -> None:
        """The file will not grow any more."""
        self.ended = True
        self._check_tail()

    @property
    def unread_bytes(self) -> int:
        return self.size_bytes - self._loaded_to

    @property
    def exhausted(self) -> bool:
        """Everything was given out and nothing will come."""
        return self.ended and not self.unread_bytes and self.position == self.times.size

    def load(self, block_bytes: int) -> None:
        """Have at least a block at hand, if the file has it. Raises SpoolError."""
        while self.unread_bytes and self._held_bytes < block_bytes:
            self._load(block_bytes)

    def load_block(self, block_bytes: int) -> None:
        """Load one block, put it in order and keep nothing of it back. Raises SpoolError."""
        while self.unread_bytes and not self.times.size:
            self._load(block_bytes)

    def horizon(self) -> Horizon:
        """Up to where everything that this stream will ever give is loaded now."""
        if self.unread_bytes and not self.times.size:
            return Horizon(-1 if self.starts_at is None else self.starts_at, self.place)
        if self.ended and not self.unread_bytes:
            return Horizon(FOREVER, 0)
        promised = Horizon(max(self._through, self._newest - SLACK_US * self._per_us), -1)
        if self.unread_bytes:
            return self._settled
        return max(promised, self._settled) if self.times.size - self.position > 2 * _KEPT_BACK else promised

    @property
    def _may_go(self) -> int:
        """Index after the last record that may go while more will come: half of what is loaded at least."""
        return self.times.size - min(_KEPT_BACK, (self.times.size - self.position) // 2)

    @property
    def _settled(self) -> Horizon:
        """As far as there are enough loaded records behind."""
        return Horizon(int(self.times[self._may_go - 1]), self.place)

    def ready_until(self, horizon: Horizon) -> int:
        """Index after the last loaded record that comes before the horizon."""
        if horizon.time == FOREVER:
            return self.times.size
        if self.place < horizon.place:
            return self._after(horizon.time, "right")
        if self.place == horizon.place and self.times.size:
            # The horizon is this stream's own: records of that very time that are loaded came before the rest.
            return self._may_go
        return self._after(horizon.time, "left")

    def _after(self, time: int, side: Literal["left", "right"]) -> int:
        """Index after the last record that is not given out and is earlier than this time, or as early."""
        return self.position + int(self.times[self.position :].searchsorted(time, side))

    def give(self, until: int) -> None:
        """Note that the records up to this index have been written."""
        start = self.position
        if until == start:
            return
        if self.first_us is None:
            self.first_us = int(self.times[start]) // self._per_us
        newest_us = int(self.times[until - 1]) // self._per_us
        self.last_us = newest_us if self.last_us is None else max(self.last_us, newest_us)
        given_bytes = int(self.pieces.sizes[start:until].sum())
        self.packets += until - start
        self.bytes += given_bytes
        self._held_bytes -= given_bytes
        self.position = until
        if until == self.times.size:
            self._blocks.clear()
            self.times, self.pieces, self.position = no_integers(), NO_PIECES, 0

    def _load(self, block_bytes: int) -> None:
        kept, begin = self._tail, self._loaded_to - self._tail.size
        block = self._read_behind(kept, min(block_bytes, self.unread_bytes))
        fine = self._per_us > 1 and not self._widen
        reported = None if self.lengths is None else self.lengths.between(begin, self._loaded_to)
        try:
            found = positions(block, nanoseconds=fine, lengths=reported)
        except CaptureError:
            found = _whole_records(block, nanoseconds=fine)
            self._break_off("what came after that were no packet records")
        self._tail = block[int(found.offsets[-1]) :].copy()
        if self._widen and found.times.size:
            block = bytes_of(in_nanoseconds(block.data, found.offsets.tolist()))
            found = found._replace(times=found.times * 1000)
        self._append(block, found)
        self._check_tail()

    def _read_behind(self, kept: NDArray[np.uint8], wanted: int) -> NDArray[np.uint8]:
        """A new block: what is kept of the one before, and so much more of the file. Raises SpoolError."""
        block = np.empty(kept.size + wanted, dtype=np.uint8)
        block[: kept.size] = kept
        fresh = block.data[kept.size :]
        read_bytes = read_into(self.path, self._loaded_to, fresh)
        if self.on_load is not None:
            self.on_load(self._loaded_to, fresh[:read_bytes])
        self._loaded_to += read_bytes
        if read_bytes < wanted:
            self._break_off("the part on disk is shorter than it was")
        return block[: kept.size + read_bytes]

    def _append(self, block: NDArray[np.uint8], found: Positions) -> None:
        times = found.times
        if not times.size:
            return
        in_order = bool((times[1:] >= times[:-1]).all())
        self._newest = max(self._newest, int(times[-1] if in_order else times.max()))
        in_order = in_order and (not self.times.size or bool(self.times[-1] <= times[0]))
        still = slice(self.position, None)
        held = self.pieces.chosen(still)
        self._let_go(held.addresses)
        self._blocks.append(block)
        self._held_bytes += int(found.offsets[-1])
        fresh = Pieces(address_of(block) + found.offsets[:-1], np.diff(found.offsets))
        self.times = np.concatenate((self.times[still], times))
        self.pieces = together([held, fresh])
        self.position = 0
        if not in_order:
            self._put_in_order()

    def _let_go(self, addresses: Integers) -> None:
        """Forget the oldest blocks in which none of these are."""
        while self._blocks:
            begin = address_of(self._blocks[0])
            if ((addresses >= begin) & (addresses < begin + self._blocks[0].size)).any():
                return
            self._blocks.popleft()

    def _put_in_order(self) -> None:
        """Sort what is loaded by time; records of the same time stay as they came."""
        self.in_order = False
        order = self.times.argsort(kind="stable")
        self.times, self.pieces = self.times[order], self.pieces.chosen(order)

    def _check_tail(self) -> None:
        if self.ended and not self.fault and not self.unread_bytes and self._tail.size:
            self._break_off("the last packet came only in part")

    def _break_off(self, fault: str) -> None:
        """Nothing that follows can be used: the stream ends with the whole records before."""
        self.fault = fault
        self.ended = True
        self._loaded_to = self.size_bytes
        self._tail = _NO_BYTES


def _whole_records(block: NDArray[np.uint8], *, nanoseconds: bool) -> Positions:
    """The good records before the one that cannot be."""
    end = block.size
    while True:
        try:
            return positions(block[:end], nanoseconds=nanoseconds)
        except CaptureError as error:
            # Cut off before what cannot be a record, there is nothing left to refuse.
            end = 0 if error.offset is None else error.offset
