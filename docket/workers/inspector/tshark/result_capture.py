"""A finished result, opened for looking into it: its manifest, its bytes, and where every packet stands. Reads only.

The packets are found by their headers alone, without any dissection: that part is quick, exact and cannot crash.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from docket.errors import CaptureError, NoSuchJob, SpoolError
from docket.packet.pcap import (
    FILE_HEADER_BYTES,
    RECORD_HEADER,
    RECORD_HEADER_BYTES,
    FileHeader,
    in_us,
    parse_file_header,
    scan_blocks,
)
from docket.spool.layout import Spool
from docket.spool.manifest import Manifest, decode_manifest
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


@dataclass(frozen=True, slots=True)
class Record:
    """One packet as it was captured."""

    time_us: int
    wire_length: int
    data: bytes


class Capture:
    """One revision of one job's result. Stays readable when a newer one takes its name. For any thread."""

    def __init__(self, manifest: Manifest, descriptor: int, size_bytes: int, header: FileHeader) -> None:
        self.manifest = manifest
        self.size_bytes = size_bytes
        self.header = header
        self._descriptor = descriptor

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
            header = parse_file_header(os.pread(descriptor, FILE_HEADER_BYTES, 0))
            if not header.native:
                raise SpoolError(f"the result of job {job_id} has another byte order than Docket writes")
        except (SpoolError, CaptureError) as error:
            os.close(descriptor)
            raise error if isinstance(error, SpoolError) else SpoolError(str(error)) from error
        return cls(manifest, descriptor, size_bytes, header)

    @property
    def job_id(self) -> str:
        return self.manifest.job

    @property
    def sha256(self) -> str:
        return self.manifest.result.sha256 if self.manifest.result is not None else ""

    @property
    def packets(self) -> int:
        return self.manifest.packets

    def close(self) -> None:
        os.close(self._descriptor)

    def reopen(self) -> int:
        """A descriptor of its own at the beginning of the file, for a program to read; the caller closes it."""
        return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)

    def runs(self) -> Iterator[Run]:
        """All packets, block by block. Raises CaptureError where the file is damaged, after what is whole."""
        blocks, nanoseconds = self._blocks(FILE_HEADER_BYTES, self.size_bytes), self.header.nanoseconds
        for timestamps, offsets in scan_blocks(blocks, nanoseconds=nanoseconds):
            yield Run(in_us(timestamps, nanoseconds=nanoseconds), offsets)

    def record(self, number: int, marks: array[int]) -> Record:
        """One packet. Raises IndexError if there is none with this number."""
        offset, length = self._place(number, marks)
        head = os.pread(self._descriptor, RECORD_HEADER_BYTES, offset)
        seconds, fraction, _, wire_length = RECORD_HEADER.unpack(head)
        data = os.pread(self._descriptor, length - RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES)
        fraction_us = fraction // 1000 if self.header.nanoseconds else fraction
        return Record(seconds * 1_000_000 + fraction_us, wire_length, data)

    def pieces(self, first: int, marks: array[int], count: int | None = None) -> Iterator[Buffer]:
        """A capture that begins with packet `first`: what a program is fed that is to begin there."""
        begin, _ = self._place(first, marks)
        end = self.size_bytes
        if count is not None:
            place, length = self._place(first + count - 1, marks)
            end = place + length
        yield os.pread(self._descriptor, FILE_HEADER_BYTES, 0)
        yield from self._blocks(begin, end)

    def cut(self, numbers: Iterable[int], marks: array[int]) -> Iterator[Buffer]:
        """A capture of only these packets, which ascend. Numbered from 1 again by its reader."""
        yield os.pread(self._descriptor, FILE_HEADER_BYTES, 0)
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
                offset += RECORD_HEADER_BYTES + _captured(chunk, offset - begin)
                at += 1
            length = RECORD_HEADER_BYTES + _captured(chunk, offset - begin)
            pieces.append(chunk[offset - begin : offset - begin + length])
            size += length
            if size >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        yield b"".join(pieces)

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
            offset += RECORD_HEADER_BYTES + self._length(offset)
        return offset, RECORD_HEADER_BYTES + self._length(offset)

    def _length(self, offset: int) -> int:
        head = os.pread(self._descriptor, RECORD_HEADER_BYTES, offset)
        if len(head) < RECORD_HEADER_BYTES:
            raise IndexError("there is no packet")
        return int.from_bytes(head[8:12], "little")


def _captured(chunk: bytes, offset: int) -> int:
    """The bytes of the packet whose record begins there."""
    return int.from_bytes(chunk[offset + 8 : offset + 12], "little")
