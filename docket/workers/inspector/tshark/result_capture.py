"""A finished result, opened for looking into it: its manifest, its bytes, and where every packet stands. Reads only.

The packets are found by their headers alone, without any dissection: that part is quick, exact and cannot crash.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from docket.errors import CaptureError, NoSuchJob, SpoolError
from docket.packet import pcapng
from docket.packet.pcap import in_us
from docket.spool.dissector_settings import DissectorSettings, key_log_path, read_settings
from docket.spool.layout import Spool
from docket.spool.manifest import Manifest, decode_manifest
from docket.spool.packet_sources import PacketSourceList
from docket.spool.result_format import Packet, ResultFormat, read_format
from docket.workers.inspector.tshark.process import Buffer

MARK_EVERY = 1024
"""The place of each so manyth packet is kept, the others are found from there."""

BLOCK_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """Packets that were found in one block of the file, in its order."""

    timestamps: list[int]
    offsets: list[int]
    """Into the file, one more than timestamps."""
    volume: list[int]
    """The same if all were classic records."""
    sources: NDArray[np.uint16]
    """The source of each, by its number in the capture's list."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Packets of one block of the file, as classic records."""

    first: int
    """Number of the first packet, from 1 on."""
    records: bytes
    timestamps: list[int]
    """In the unit of the capture: nanoseconds, or microseconds."""
    offsets: list[int]
    """Into `records`, one more than timestamps."""
    sources: NDArray[np.uint16]
    """The source of each, by its number in the capture's list."""

    def record(self, place: int) -> bytes:
        """One of them, by its place in the batch."""
        return self.records[self.offsets[place] : self.offsets[place + 1]]


class Capture:
    """One revision of one job's result. Stays readable when a newer one takes its name. For any thread."""

    def __init__(
        self,
        manifest: Manifest,
        descriptor: int,
        size_bytes: int,
        form: ResultFormat,
        sources: PacketSourceList,
        settings: DissectorSettings | None = None,
        key_log: str = "",
    ) -> None:
        self.manifest = manifest
        self.settings = settings or DissectorSettings()
        self.size_bytes = size_bytes
        self.form = form
        self._descriptor = descriptor
        self._sources = sources
        self._key_log = key_log if self.settings.keys else ""

    @classmethod
    def open(cls, spool: Spool, job_id: str) -> Capture:
        """Raises NoSuchJob where there is no finished result, SpoolError where it is not what its manifest says."""
        try:
            manifest = decode_manifest(spool.manifest(job_id).read_bytes())
            descriptor = os.open(spool.result(job_id), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise NoSuchJob(f"job {job_id[:64]} has no finished result") from error
        except (OSError, msgspec.DecodeError) as error:
            raise SpoolError(f"the result of job {job_id} cannot be read: {error}") from error
        try:
            size_bytes = os.fstat(descriptor).st_size
            if manifest.result is None or manifest.result.size != size_bytes:
                raise SpoolError(f"the result of job {job_id} is not the one that its manifest speaks of")
            form = read_format(os.pread(descriptor, pcapng.LONGEST_BEGINNING_BYTES, 0))
            sources = PacketSourceList.open(spool, manifest)
        except (SpoolError, CaptureError) as error:
            os.close(descriptor)
            raise error if isinstance(error, SpoolError) else SpoolError(str(error)) from error
        directory = spool.job_directory(job_id)
        return cls(
            manifest, descriptor, size_bytes, form, sources, read_settings(directory), str(key_log_path(directory))
        )

    @property
    def identity(self) -> str:
        """Of the bytes, and of how they are dissected."""
        return f"{self.sha256} {self.settings.name}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What each run of tshark over it is given: decode as, and the keys to decrypt with."""
        rules = tuple(part for rule in self.settings.decode_as for part in ("-d", rule))
        return (*rules, "-o", f"tls.keylog_file:{self._key_log}") if self._key_log else rules

    @property
    def readable(self) -> tuple[str, ...]:
        """Files that such a run must be able to read."""
        return (self._key_log,) if self._key_log else ()

    @property
    def job_id(self) -> str:
        return self.manifest.job

    @property
    def sha256(self) -> str:
        return self.manifest.result.sha256 if self.manifest.result is not None else ""

    @property
    def packets(self) -> int:
        return self.manifest.packets

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that recorded its packets, by their numbers; one may stand there twice."""
        return self._sources.names

    def source_of(self, number: int) -> str:
        """The source of one packet, from 1 on. Raises SpoolError."""
        return self.sources[int(self._sources.numbers(number - 1, 1)[0])]

    def source_numbers(self, first: int, count: int) -> NDArray[np.uint16]:
        """Of the packets from `first` (from 1) on. Raises SpoolError."""
        return self._sources.numbers(first - 1, count)

    def close(self) -> None:
        self._sources.close()
        os.close(self._descriptor)

    def reopen(self) -> int:
        """A descriptor of its own at the beginning of the file, for a program to read; the caller closes it."""
        return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)

    def runs(self) -> Iterator[Run]:
        """All packets, block by block. Raises CaptureError where the file is damaged, after what is whole."""
        nanoseconds, packets = self.form.nanoseconds, 0
        for found in self.form.scan(self._blocks(self.form.size_bytes, self.size_bytes)):
            count = len(found.timestamps)
            sources = self._sources.numbers(packets, count)
            packets += count
            yield Run(in_us(found.timestamps, nanoseconds=nanoseconds), found.offsets, found.volume, sources)

    def batches(self) -> Iterator[Batch]:
        """All packets as classic records. Raises CaptureError and SpoolError."""
        first = 1
        for found in self.form.scan(self._blocks(self.form.size_bytes, self.size_bytes)):
            count = len(found.timestamps)
            block = os.pread(self._descriptor, found.offsets[-1] - found.offsets[0], found.offsets[0])
            records, offsets = self.form.records(block, found)
            yield Batch(first, bytes(records), found.timestamps, offsets, self._sources.numbers(first - 1, count))
            first += count

    def record(self, number: int, marks: array[int]) -> Packet:
        """One packet. Raises IndexError if there is none with this number."""
        offset, length = self._place(number, marks)
        return self.form.packet(os.pread(self._descriptor, length, offset))

    def pieces(self, first: int, marks: array[int], count: int | None = None) -> Iterator[Buffer]:
        """A capture that begins with packet `first`: what a program is fed that is to begin there. Without packets
        where the result has none."""
        begin = self._place(first, marks)[0] if marks else self.form.size_bytes
        end = self.size_bytes
        if count is not None:
            place, length = self._place(first + count - 1, marks)
            end = place + length
        yield self.beginning()
        yield from self._blocks(begin, end)

    def cut(self, numbers: Iterable[int], marks: array[int]) -> Iterator[Buffer]:
        """A capture of only these packets, which ascend. Numbered from 1 again by its reader."""
        yield self.beginning()
        at, offset, begin = 0, 0, 0
        chunk = b""
        pieces: list[bytes] = []
        size = 0
        for number in numbers:
            mark = (number - 1) // MARK_EVERY
            if not at or mark > (at - 1) // MARK_EVERY:
                at, offset = mark * MARK_EVERY + 1, marks[mark]
                chunk = os.pread(self._descriptor, self._end_of(mark, marks) - offset, offset)
                begin = offset
            while at < number:
                offset += self.form.length_at(chunk, offset - begin)
                at += 1
            length = self.form.length_at(chunk, offset - begin)
            pieces.append(chunk[offset - begin : offset - begin + length])
            size += length
            if size >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        yield b"".join(pieces)

    def beginning(self) -> bytes:
        """What stands before the first packet."""
        return os.pread(self._descriptor, self.form.size_bytes, 0)

    def _end_of(self, mark: int, marks: array[int]) -> int:
        return marks[mark + 1] if mark + 1 < len(marks) else self.size_bytes

    def _blocks(self, begin: int, end: int) -> Iterator[bytes]:
        while begin < end and (block := os.pread(self._descriptor, min(BLOCK_BYTES, end - begin), begin)):
            begin += len(block)
            yield block

    def _place(self, number: int, marks: array[int]) -> tuple[int, int]:
        """Offset and length of a packet's record."""
        if number < 1:
            raise IndexError(number)
        mark, further = divmod(number - 1, MARK_EVERY)
        offset = marks[mark]
        for _ in range(further):
            offset += self._length(offset)
        return offset, self._length(offset)

    def _length(self, offset: int) -> int:
        head = os.pread(self._descriptor, self.form.packet_header_bytes, offset)
        if len(head) < self.form.packet_header_bytes:
            raise IndexError("there is no packet")
        return self.form.length_at(head, 0)
