"""One part read as a stream of records in time order, while the part still grows. Only `merge` uses it.

A source's packets arrive nearly in order. The stream reads the part in blocks, puts the records of what it
has loaded in order, and keeps the youngest of them back as long as there is more to read: a record that came
a little late still finds its place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from docket.errors import CaptureError
from docket.packet.pcap import ETHERNET, FILE_HEADER_BYTES, in_nanoseconds, scan
from docket.spool.file_io import read_at

SLACK_US = 500_000
"""How much earlier than the youngest record of a growing part a later one may still be, where there are too few
to go by their number. Each capture thread writes its packets nearly in order; thread and thread are merged by
stenographer. A record that is later still is put in its place when all is there."""

_KEPT_BACK = 1_024
"""Records held back while more will come: far more than the disorder between two capture threads."""

FOREVER = 1 << 62


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
    """The records of one part (or of a run of `disorder`), from the oldest on."""

    __slots__ = (
        "_buffer",
        "_loaded_to",
        "_newest",
        "_per_us",
        "_through",
        "_widen",
        "bytes",
        "channel",
        "ended",
        "fault",
        "first_us",
        "form",
        "last_us",
        "linktype",
        "name",
        "offsets",
        "origin",
        "packets",
        "path",
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
        self.starts_at: int | None = None
        """No record is earlier. Where it is known beforehand, nothing is loaded until it is needed."""
        self.times: list[int] = []
        """Since 1970 UTC, in what the result counts: micro- or nanoseconds; all times here but those in `_us`."""
        self.offsets: list[int] = [0]
        self.position = 0
        self.packets = 0
        """Records given out so far; `bytes`, `first_us` and `last_us` tell of the same records."""
        self.bytes = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._buffer = b""
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
        return self.ended and not self.unread_bytes and self.position == len(self.times)

    @property
    def buffer(self) -> bytes:
        return self._buffer

    def load(self, block_bytes: int) -> None:
        """Have at least a block at hand, if the file has it. Raises SpoolError."""
        while self.unread_bytes and self.offsets[-1] - self.offsets[self.position] < block_bytes:
            self._load(block_bytes)

    def load_block(self, block_bytes: int) -> None:
        """Load one block, put it in order and keep nothing of it back. Raises SpoolError."""
        while self.unread_bytes and not self.times:
            self._load(block_bytes)

    def horizon(self) -> Horizon:
        """Up to where everything that this stream will ever give is loaded now."""
        if self.unread_bytes and not self.times:
            return Horizon(-1 if self.starts_at is None else self.starts_at, self.place)
        if self.ended and not self.unread_bytes:
            return Horizon(FOREVER, 0)
        promised = Horizon(max(self._through, self._newest - SLACK_US * self._per_us), -1)
        if self.unread_bytes:
            return self._settled
        return max(promised, self._settled) if len(self.times) - self.position > 2 * _KEPT_BACK else promised

    @property
    def _may_go(self) -> int:
        """Index after the last record that may go while more will come: half of what is loaded at least."""
        return len(self.times) - min(_KEPT_BACK, (len(self.times) - self.position) // 2)

    @property
    def _settled(self) -> Horizon:
        """As far as there are enough loaded records behind."""
        return Horizon(self.times[self._may_go - 1], self.place)

    def ready_until(self, horizon: Horizon) -> int:
        """Index after the last loaded record that comes before the horizon."""
        if horizon.time == FOREVER:
            return len(self.times)
        if self.place < horizon.place:
            return bisect_right(self.times, horizon.time, self.position)
        if self.place == horizon.place and self.times:
            # The horizon is this stream's own: records of that very time that are loaded came before the rest.
            return self._may_go
        return bisect_left(self.times, horizon.time, self.position)

    def give(self, until: int) -> None:
        """Note that the records up to this index have been written."""
        start = self.position
        if until == start:
            return
        if self.first_us is None:
            self.first_us = self.times[start] // self._per_us
        newest_us = self.times[until - 1] // self._per_us
        self.last_us = newest_us if self.last_us is None else max(self.last_us, newest_us)
        self.packets += until - start
        self.bytes += self.offsets[until] - self.offsets[start]
        self.position = until
        if until == len(self.times):
            self._buffer = self._buffer[self.offsets[-1] :]
            self.times, self.offsets, self.position = [], [0], 0

    def _load(self, block_bytes: int) -> None:
        base = self.offsets[self.position]
        wanted = min(block_bytes, self.unread_bytes)
        block = read_at(self.path, self._loaded_to, wanted)
        if len(block) < wanted:
            self._break_off("the part on disk is shorter than it was")
        self._loaded_to += len(block)
        self._buffer = self._buffer[base:] + block
        self.times = self.times[self.position :]
        self.offsets = [offset - base for offset in self.offsets[self.position :]]
        self.position = 0
        fine = self._per_us > 1 and not self._widen
        try:
            times, offsets, _ = scan(self._buffer, self.offsets[-1], nanoseconds=fine)
        except CaptureError:
            times, offsets = _whole_records(self._buffer, self.offsets[-1], nanoseconds=fine)
            self._break_off("what came after that were no packet records")
        if self._widen and times:
            self._buffer = in_nanoseconds(self._buffer, offsets)
            times = [time_us * 1000 for time_us in times]
        self._append(times, offsets)
        self._check_tail()

    def _append(self, times: list[int], offsets: list[int]) -> None:
        if not times:
            return
        ordered = sorted(times)
        in_order = ordered == times and (not self.times or self.times[-1] <= times[0])
        self._newest = max(self._newest, ordered[-1])
        self.times += times
        self.offsets += offsets[1:]
        if not in_order:
            self._put_in_order()

    def _put_in_order(self) -> None:
        """Sort what is loaded by time; records of the same time stay as they came."""
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        buffer, offsets = self._buffer, self.offsets
        pieces = [buffer[offsets[i] : offsets[i + 1]] for i in order]
        pieces.append(buffer[offsets[-1] :])
        self._buffer = b"".join(pieces)
        self.times = [self.times[i] for i in order]
        self.offsets = list(accumulate(map(len, pieces[:-1]), initial=0))

    def _check_tail(self) -> None:
        if self.ended and not self.fault and not self.unread_bytes and len(self._buffer) > self.offsets[-1]:
            self._break_off("the last packet came only in part")

    def _break_off(self, fault: str) -> None:
        """Nothing that follows can be used: the stream ends with the whole records before."""
        self.fault = fault
        self.ended = True
        self._loaded_to = self.size_bytes


def _whole_records(buffer: bytes, start: int, *, nanoseconds: bool) -> tuple[list[int], list[int]]:
    """The good records before the one that cannot be: the longest beginning that `scan` does not refuse."""
    low, high = start, len(buffer)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            scan(memoryview(buffer)[:middle], start, nanoseconds=nanoseconds)
        except CaptureError:
            high = middle - 1
        else:
            low = middle
    times, offsets, _ = scan(memoryview(buffer)[:low], start, nanoseconds=nanoseconds)
    return times, offsets
