"""The files of one open job: its parts as they grow, and the PCAP that is merged out of them. For the collector.

Everything here is done in steps of a few milliseconds, the end of a big job too, so that no job waits for
another. What is in memory can always be made again from the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from docket.bus.messages import Fragment
from docket.domain.job import Job, SourceAnswer
from docket.domain.request import Request
from docket.domain.request_message import Limits
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.packet.pcapng import Interface
from docket.spool import interface_blocks
from docket.spool.file_io import cut_to, file_size, write_at
from docket.spool.hashing import PartHash
from docket.spool.incoming import keep_alone, remove_unfinished, take_over
from docket.spool.layout import Spool, remove_file
from docket.spool.manifest import PacketSources
from docket.workers.collector.external_sort import ExternalSort
from docket.workers.collector.merge import STEP_BYTES, Merge, Share
from docket.workers.collector.part import MOST_CHANNELS, Channel, Part
from docket.workers.collector.record_lengths import RecordLengths
from docket.workers.collector.record_stream import Form, RecordStream
from docket.workers.collector.result_shape import Origin, list_origins, shape_of


class ResultWriter:
    """One revision of one job's result, while it is put together."""

    def __init__(self, spool: Spool, job: Job, request: Request, parts: Sequence[Part], limits: Limits) -> None:
        """Take up the parts as the ledger knows them; bytes beyond that are cut off. Raises SpoolError."""
        self._spool = spool
        self._job = job
        self._job_id = job.id
        self._window = request.window
        self._parts = {part.source: part for part in parts}
        self._limits = limits
        self._places = {part.source: place for place, part in enumerate(parts)}
        self._origins: list[Origin] = []
        """By the numbers that the streams of the merge have."""
        self._lengths: dict[tuple[str, int], RecordLengths] = {}
        """By source and channel, of packets that were handed over through the spool."""
        self._hashes: dict[str, PartHash] = {}
        """Of each part, as far as it was merged."""
        self._digests: dict[str, str] = {}
        """SHA-256 of each part, once all of it is merged."""
        self._sha256 = ""
        self._closing: Iterator[int] | None = None
        self._closed = False
        """What is to be done behind the merge is done."""
        self._resort: ExternalSort | None = None
        self._given_up = False
        for part in parts:
            self._take_up(part)
        self._merge = self._new_merge()

    @property
    def linktype(self) -> int | None:
        """Of a classic result."""
        return self._result.linktype

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """Of a result that is pcapng."""
        return self._result.shape.interfaces

    @property
    def record_bytes(self) -> int:
        """Of the packets, with the headers of classic records."""
        return self._result.record_bytes

    @property
    def packet_sources(self) -> PacketSources:
        """The list of the packets' sources that lies beside the result."""
        result = self._result
        return PacketSources(
            names=tuple(origin.name for origin in self._origins),
            bytes_each=result.shape.origin_bytes,
            size=result.packets * result.shape.origin_bytes,
            sha256=result.origins_sha256,
        )

    @property
    def packets(self) -> int:
        return self._result.packets

    @property
    def size_bytes(self) -> int:
        return self._result.size_bytes

    @property
    def sha256(self) -> str:
        """Of the result, once it is finished."""
        return self._sha256

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
        return sum(part.record_bytes for part in self._parts.values()) - self._merge.record_bytes

    @property
    def settled(self) -> bool:
        """All that can be merged is merged, sorted and hashed. Only of interest once every part is closed."""
        if self._given_up:
            return True
        return self._merge.done and self.sound and self._closed

    def shares(self) -> dict[str, Share]:
        """What each source gave to the result."""
        return self._result.shares()

    def part_sha256(self, source: str) -> str | None:
        """Of the source's part as a file; None if it sent no packet, or while not all of it is merged."""
        return self._digests.get(source)

    def restart(self, part: Part) -> None:
        """A new reading begins: what the part held is worthless."""
        old = self._streams(part)
        for stream in old:
            remove_file(stream.path)
        self._hashes.pop(part.source, None)
        self._lengths = {key: lengths for key, lengths in self._lengths.items() if key[0] != part.source}
        if len(old) > 1 or any(stream.packets for stream in old):
            self._merge = self._new_merge()
        else:
            self._replace_streams(part)

    def take(self, part: Part, fragment: Fragment) -> bool:
        """Have a fragment's records behind those of its channel and note the new size.

        False: they lie where the fragment says in no file that the collector may take. Raises SpoolFull or SpoolError.
        """
        if fragment.claim:
            return self._claim(part, fragment)
        if fragment.body:
            self._append(part, fragment.body)
        return True

    def _append(self, part: Part, body: bytes | memoryview) -> None:
        channel = part.channels[part.current]
        path = self._spool.part(self._job_id, part.source, part.current)
        pieces, offset, is_first = [body], channel.size_bytes, not channel.filled
        if is_first:
            self._spool.prepare(self._job_id, len(self._parts))
            remove_file(path)
            pieces, offset = [channel.beginning, body], 0
        channel.size_bytes = write_at(path, offset, pieces)
        self._grew(part, is_first=is_first)

    def _claim(self, part: Part, fragment: Fragment) -> bool:
        """Have the records where the source's worker wrote them: its file becomes the channel's."""
        channel = part.channels[part.current]
        path = self._spool.part(self._job_id, part.source, part.current)
        is_first = not channel.filled
        if fragment.claim_at != channel.size_bytes or channel.claim not in ("", fragment.claim):
            return False
        found = self._spool.incoming.found(part.source, self._job_id, fragment.run)
        if fragment.claim != found.name:
            return False
        if not channel.claim:
            self._spool.prepare(self._job_id, len(self._parts))
            if not take_over(found, path, 0 if is_first else channel.size_bytes, channel.beginning):
                return False
            channel.claim = fragment.claim
        end = channel.size_bytes + (fragment.claim_bytes or 0)
        if file_size(path) < end:
            return False
        lengths = self._lengths.setdefault((part.source, part.current), RecordLengths())
        lengths.add(channel.size_bytes, end, bytes(fragment.body))
        channel.size_bytes = end
        self._grew(part, is_first=is_first)
        return True

    def _grew(self, part: Part, *, is_first: bool) -> None:
        if is_first:
            self._take_in(part)
        self.moved(part)

    def moved(self, part: Part) -> None:
        """The part grew, or its source came further through the window."""
        for stream in self._streams(part):
            stream.grow(_size(part, stream.channel), part.through_us)

    def end(self, part: Part) -> None:
        """The part is whole, or will never be more than it is."""
        for stream in self._streams(part):
            stream.end()

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
        if self._closing is None:
            self._closing = self._close_parts()
        return next(self._closing, 0)

    def give_up(self) -> None:
        """Leave the result as it is now: the disk takes no more."""
        self._given_up = True

    @property
    def sound(self) -> bool:
        """The result, as far as it goes, is in order."""
        return not self._merge.disordered or (self._resort is not None and self._resort.done)

    def finish(self, answers: Sequence[SourceAnswer]) -> int:
        """Give the result its final name; returns its size. Raises SpoolFull or SpoolError."""
        result = self._result
        if not result.size_bytes:
            self._spool.prepare(self._job_id, len(self._parts))
        result.close(self._ending(answers))
        cut_to(result.output, result.size_bytes)
        if result.shape.origin_bytes:
            cut_to(result.origins_output, result.packets * result.shape.origin_bytes)
        # Before it gets its name, by which nothing more is read here.
        self._sha256 = result.sha256
        if self._resort is not None:
            self._resort.remove_runs()
        sources = result.origins_output if result.shape.origin_bytes else None
        self._spool.finish(self._job_id, result.output, sources)
        return result.size_bytes

    def _ending(self, answers: Sequence[SourceAnswer]) -> bytes:
        """What pcapng has behind its packets: each source's verdict."""
        result = self._result
        if not result.shape.interfaces:
            return b""
        packets = [0] * len(self._origins)
        for stream in result.streams:
            packets[stream.origin] += stream.packets
        parts = [origin.part for origin in self._origins]
        return interface_blocks.ending(result.shape.interfaces, parts, packets, answers, self._window)

    @property
    def _result(self) -> Merge:
        """The merge that wrote what will be the result."""
        if self._resort is not None and self._resort.merge is not None:
            return self._resort.merge
        return self._merge

    def _take_up(self, part: Part) -> None:
        for number in range(max(len(part.channels), 1)):
            remove_unfinished(self._spool.part(self._job_id, part.source, number))
        if not any(channel.filled for channel in part.channels):
            remove_file(self._spool.part(self._job_id, part.source))
            return
        for number, channel in enumerate(part.channels):
            # A file that its worker may still write to must not become shorter under it.
            if channel.filled and not channel.claim:
                cut_to(self._spool.part(self._job_id, part.source, number), channel.size_bytes)

    def _new_merge(self) -> Merge:
        partial = self._spool.partial(self._job_id)
        # A new file, not the old one cut short: a client that follows the old one must not see its bytes change.
        remove_file(partial)
        shape = shape_of(list(self._parts.values()), self._job)
        self._origins = list_origins(self._parts.values())
        streams = [self._new_stream(number, shape.nanoseconds) for number in range(len(self._origins))]
        return Merge(partial, streams, self._limits, shape=shape)

    def _take_in(self, part: Part) -> None:
        """The part has its first packets of a kind, which may change how the result has to be written."""
        if shape_of(list(self._parts.values()), self._job) != self._merge.shape:
            self._merge = self._new_merge()
        else:
            self._replace_streams(part)

    def _new_stream(self, number: int, nanoseconds: bool) -> RecordStream:
        origin = self._origins[number]
        part = self._parts[origin.part]
        channel = part.channels[origin.channel] if part.channels else Channel()
        stream = RecordStream(
            part.source,
            self._places[part.source] * MOST_CHANNELS + origin.channel,
            self._spool.part(self._job_id, part.source, origin.channel),
            form=Form(part=channel.nanoseconds, result=nanoseconds),
            origin=number,
            channel=origin.channel,
        )
        stream.linktype = channel.linktype
        if not origin.channel and channel.filled and len(self._parts) > 1:
            stream.on_load = self._hash_of(part).feed
        stream.lengths = self._lengths.setdefault((part.source, origin.channel), RecordLengths())
        stream.grow(channel.size_bytes, part.through_us)
        if part.closed:
            stream.end()
        return stream

    def _replace_streams(self, part: Part) -> None:
        """Make the streams of a part again of which nothing has been given out, and those that there were none of."""
        known = {origin: number for number, origin in enumerate(self._origins)}
        given = {stream.channel for stream in self._streams(part) if stream.packets}
        merge = self._merge
        kept = [stream for stream in merge.streams if stream.name != part.source or stream.channel in given]
        for origin in list_origins([part]):
            if origin.channel in given:
                continue
            number = known.get(origin)
            if number is None:
                number = self._number_of(origin)
            kept.append(self._new_stream(number, merge.shape.nanoseconds))
        merge.streams = sorted(kept, key=lambda stream: stream.place)

    def _number_of(self, origin: Origin) -> int:
        """The number of an origin that was not known under this name: a new one, or that of an empty part."""
        for number, other in enumerate(self._origins):
            if (other.part, other.channel) == (origin.part, origin.channel):
                self._origins[number] = origin
                return number
        self._origins.append(origin)
        return len(self._origins) - 1

    def _streams(self, part: Part) -> list[RecordStream]:
        return [stream for stream in self._merge.streams if stream.name == part.source]

    def _new_resort(self) -> ExternalSort:
        output: Path = self._spool.sorting(self._job_id)
        remove_file(output)
        parts, shape = self._spool.parts(self._job_id), self._merge.shape
        return ExternalSort(output, self._merge.streams, self._limits, parts, shape=shape)

    def _hash_of(self, part: Part) -> PartHash:
        """What was hashed of a part so far. Its first file has a beginning once it has packets."""
        known = self._hashes.get(part.source)
        if known is None:
            known = self._hashes[part.source] = PartHash(part.channels[0].beginning)
        return known

    def _close_parts(self) -> Iterator[int]:
        """Hash what the merge did not read, and have every part for the collector alone; in steps."""
        for part in self._parts.values():
            named = enumerate(part.channels)
            files = [(self._spool.part(self._job_id, part.source, number), channel) for number, channel in named]
            if any(channel.filled for channel in part.channels):
                yield from self._hash_part(
                    part, [(path, channel.size_bytes) for path, channel in files if channel.filled]
                )
            for path, channel in files:
                if channel.claim:
                    yield from keep_alone(path, channel.size_bytes, writing=not part.ended)
                    channel.claim = ""
        self._closed = True

    def _hash_part(self, part: Part, files: Sequence[tuple[Path, int]]) -> Iterator[int]:
        if self._is_result(part):
            self._digests[part.source] = self._result.sha256
            return
        whole = self._hash_of(part)
        yield from whole.add_rest(files)
        self._digests[part.source] = whole.hexdigest()

    def _is_result(self, part: Part) -> bool:
        """Whether the part is the result, byte for byte, so that one hash is enough."""
        result, (channel, *others) = self._result, part.channels
        return (
            len(self._parts) == 1
            and not others
            and result is self._merge
            and all(stream.in_order for stream in result.streams)
            and (result.size_bytes, result.shape.nanoseconds) == (channel.size_bytes, channel.nanoseconds)
        )


def _size(part: Part, channel: int) -> int:
    return part.channels[channel].size_bytes if part.channels else FILE_HEADER_BYTES
