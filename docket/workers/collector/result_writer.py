"""The files of one open job: its parts as they grow, and the PCAP that is merged out of them. For the collector.

Everything here is done in steps of a few milliseconds, the end of a big job too, so that no job waits for
another. What is in memory can always be made anew from the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from docket.domain.request_message import Limits
from docket.errors import SpoolError
from docket.packet.pcap import FILE_HEADER_BYTES, LARGEST_RECORD_BYTES, file_header
from docket.spool.file_io import cut_to, read_at, write_at
from docket.spool.hashing import BackgroundHash
from docket.spool.layout import Spool, remove_file
from docket.workers.collector.external_sort import ExternalSort
from docket.workers.collector.merge import STEP_BYTES, Merge, Share
from docket.workers.collector.part import Part
from docket.workers.collector.record_stream import Form, RecordStream

_HASH_BLOCK_BYTES = 1 << 20


class ResultWriter:
    """One revision of one job's result, while it is put together."""

    def __init__(self, spool: Spool, job_id: str, parts: Sequence[Part], limits: Limits) -> None:
        """Take up the parts as the ledger knows them; bytes beyond that are cut off. Raises SpoolError."""
        self._spool = spool
        self._job_id = job_id
        self._parts = {part.source: part for part in parts}
        self._limits = limits
        self._hashes: dict[str, BackgroundHash | None] = {}
        """SHA-256 of each part so far; None: it must be read again, since another process wrote it."""
        self._rehashing: Iterator[int] | None = None
        self._resort: ExternalSort | None = None
        self._given_up = False
        for part in parts:
            self._take_up(part)
        self._merge = self._new_merge()

    @property
    def linktype(self) -> int | None:
        return self._result.linktype

    @property
    def packets(self) -> int:
        return self._result.packets

    @property
    def size_bytes(self) -> int:
        return self._result.size_bytes

    @property
    def sha256(self) -> str:
        return self._result.sha256

    @property
    def limit_reached(self) -> bool:
        return self._merge.limit_reached

    @property
    def left_over(self) -> frozenset[str]:
        """Sources of which something is not in the result."""
        return self._result.left_over

    @property
    def faults(self) -> dict[str, str]:
        """Sources that sent something that is no packet record, and what is known about it."""
        return self._merge.faults

    @property
    def waiting_bytes(self) -> int:
        """How much of the parts is not in the result yet: what still costs time."""
        return sum(part.size_bytes for part in self._parts.values()) - self._merge.size_bytes

    @property
    def settled(self) -> bool:
        """All that can be merged is merged, sorted and hashed. Only of interest once every part is closed."""
        if self._given_up:
            return True
        return self._merge.done and self.sound and None not in self._hashes.values()

    def shares(self) -> dict[str, Share]:
        """What each source gave to the result."""
        return self._result.shares()

    def part_sha256(self, source: str) -> str | None:
        """Of the source's part as a file; None if it sent no packet, or while it must be read again."""
        found = self._hashes.get(source)
        return None if found is None else found.hexdigest()

    def restart(self, part: Part) -> None:
        """A new reading begins: what the part held is worthless."""
        remove_file(self._spool.part(self._job_id, part.source))
        self._hashes.pop(part.source, None)
        if any(stream.name == part.source and stream.packets for stream in self._merge.streams):
            self._merge = self._new_merge()
        else:
            self._replace_stream(part)

    def append(self, part: Part, body: bytes | memoryview) -> None:
        """Write a fragment's records behind the part and note its new size. Raises SpoolFull or SpoolError."""
        path = self._spool.part(self._job_id, part.source)
        pieces = [body]
        offset = part.size_bytes
        if offset == FILE_HEADER_BYTES:
            self._spool.prepare(self._job_id)
            header = file_header(part.linktype, LARGEST_RECORD_BYTES, nanoseconds=part.nanoseconds)
            pieces, offset = [header, body], 0
            self._hashes[part.source] = BackgroundHash()
        part.size_bytes = write_at(path, offset, pieces)
        running = self._hashes.get(part.source)
        if running is not None:
            running.update(pieces)
        if part.nanoseconds != self._stream(part).form.part:
            self._change_resolution(part)
        self._stream(part).linktype = part.linktype
        self.moved(part)

    def moved(self, part: Part) -> None:
        """The part grew, or its source came further through the window."""
        self._stream(part).grow(part.size_bytes, part.through_us)

    def end(self, part: Part) -> None:
        """The part is whole, or will never be more than it is."""
        if not part.excluded:
            self._stream(part).end()

    def exclude(self, part: Part) -> None:
        """Leave the part out of the result; nothing of it has been merged yet."""
        self._merge.drop(part.source)

    def work(self, step_bytes: int = STEP_BYTES) -> int:
        """Do one step of what there is to do, and return how many bytes that were; 0: nothing right now.

        Raises SpoolFull or SpoolError; the step may be tried again.
        """
        if self._given_up:
            return 0
        handled = self._merge.step(step_bytes)
        if handled or not self._merge.done:
            return handled
        if self._merge.disordered:
            if self._resort is None:
                self._resort = self._new_resort()
            handled = self._resort.step(step_bytes)
            if handled:
                return handled
        if self._rehashing is None:
            self._rehashing = self._rehash()
        return next(self._rehashing, 0)

    def give_up(self) -> None:
        """Leave the result as it is now: the disk takes no more."""
        self._given_up = True

    @property
    def sound(self) -> bool:
        """The result, as far as it goes, is in order."""
        return not self._merge.disordered or (self._resort is not None and self._resort.done)

    def finish(self) -> int:
        """Give the result its final name; returns its size. Raises SpoolFull or SpoolError."""
        result = self._result
        if not result.size_bytes:
            self._spool.prepare(self._job_id)
        result.close()
        cut_to(result.output, result.size_bytes)
        if self._resort is not None:
            self._resort.remove_runs()
        self._spool.finish(self._job_id, result.output)
        return result.size_bytes

    @property
    def _result(self) -> Merge:
        """The merge that wrote what will be the result."""
        if self._resort is not None and self._resort.merge is not None:
            return self._resort.merge
        return self._merge

    def _take_up(self, part: Part) -> None:
        path = self._spool.part(self._job_id, part.source)
        if part.size_bytes == FILE_HEADER_BYTES:
            remove_file(path)
            return
        cut_to(path, part.size_bytes)
        self._hashes[part.source] = None

    def _new_merge(self) -> Merge:
        partial = self._spool.partial(self._job_id)
        # A new file, not the old one cut short: whoever follows the old one must not see its bytes change.
        remove_file(partial)
        nanoseconds = any(part.nanoseconds for part in self._parts.values() if not part.excluded)
        streams = [self._new_stream(place, part, nanoseconds) for place, part in enumerate(self._parts.values())]
        kept = [stream for stream in streams if not self._parts[stream.name].excluded]
        return Merge(partial, kept, self._limits, nanoseconds=nanoseconds)

    def _change_resolution(self, part: Part) -> None:
        """The part turned out to be of another resolution: the finest one of all parts is the result's."""
        if part.nanoseconds and not self._merge.nanoseconds:
            self._merge = self._new_merge()
        else:
            self._replace_stream(part)

    def _new_stream(self, place: int, part: Part, nanoseconds: bool) -> RecordStream:
        path = self._spool.part(self._job_id, part.source)
        stream = RecordStream(part.source, place, path, form=Form(part=part.nanoseconds, result=nanoseconds))
        stream.linktype = part.linktype
        stream.grow(part.size_bytes, part.through_us)
        if part.closed:
            stream.end()
        return stream

    def _replace_stream(self, part: Part) -> None:
        streams = self._merge.streams
        for index, stream in enumerate(streams):
            if stream.name == part.source:
                streams[index] = self._new_stream(stream.place, part, self._merge.nanoseconds)

    def _stream(self, part: Part) -> RecordStream:
        return next(stream for stream in self._merge.streams if stream.name == part.source)

    def _new_resort(self) -> ExternalSort:
        output: Path = self._spool.sorting(self._job_id)
        remove_file(output)
        parts, nanoseconds = self._spool.parts(self._job_id), self._merge.nanoseconds
        return ExternalSort(output, self._merge.streams, self._limits, parts, nanoseconds=nanoseconds)

    def _rehash(self) -> Iterator[int]:
        """Read the parts that another process wrote, for their SHA-256."""
        for source in [source for source, known in self._hashes.items() if known is None]:
            path, size_bytes, done = self._spool.part(self._job_id, source), self._parts[source].size_bytes, 0
            whole = BackgroundHash()
            while done < size_bytes:
                block = read_at(path, done, min(_HASH_BLOCK_BYTES, size_bytes - done))
                if not block:
                    raise SpoolError(f"the part of {source} became shorter")
                whole.update([block])
                done += len(block)
                yield len(block)
            self._hashes[source] = whole
