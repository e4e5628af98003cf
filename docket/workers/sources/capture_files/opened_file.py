"""Opens a capture file and puts together what reads it: stream, decompression, format. For the directory and the index.

with open_capture(path) as opened:
    opened.identity
    if isinstance(opened.form, NotReadable): ...
    reader = opened.reader()            None if it is no capture
    for block in reader.blocks(): ...
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.formats import (
    FILE_HEADER_BYTES,
    Classic,
    NotReadable,
    Packing,
    is_begun,
    recognise,
)
from docket.workers.sources.capture_files.identity import HEAD_BYTES, FileIdentity, Tail
from docket.workers.sources.capture_files.reading.byte_stream import ByteStream, PackedStream, PlainStream
from docket.workers.sources.capture_files.reading.classic_reader import ClassicReader
from docket.workers.sources.capture_files.reading.pcapng_reader import PcapngReader
from docket.workers.sources.capture_files.reading.record_block import CaptureReader

Form = Classic | NotReadable | Literal["pcapng"] | None


class NotRegular(OSError):
    """A directory, device, socket or pipe where a file was expected."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file in hand."""

    file: BinaryIO
    identity: FileIdentity
    packing: Packing | None
    form: Form
    """None: no capture."""
    fault: str
    """What is wrong with its compressed beginning."""
    ended_early: bool
    """It ends before it tells what it is, or before a packet can begin."""
    head: bytes
    """The first 512 bytes of the file."""
    unpacked_head: bytes
    """The same of the capture that is in it."""
    advice: str = ""
    """What would help against the fault."""

    def reader(self) -> CaptureReader | None:
        """For the whole file, once; None if it is no capture that can be read."""
        if isinstance(self.form, Classic):
            stream = self._stream(0, 0)
            stream.skip(FILE_HEADER_BYTES)
            return ClassicReader(stream, self.form)
        return PcapngReader(self._stream(0, 0)) if self.form == "pcapng" else None

    def reader_of(self, extent: Extent) -> CaptureReader:
        """For one extent; of length 0 for all that follows."""
        stream = self._stream(extent.file_offset, extent.stream_offset - extent.skip_bytes)
        if extent.skip_bytes:
            stream.skip(extent.skip_bytes)
        if isinstance(self.form, Classic):
            return ClassicReader(stream, self.form, extent.length_bytes or None)
        return PcapngReader(stream, extent.length_bytes or None, extent.prologue)

    def still_the_same(self) -> bool:
        """Whether the file holds what it held when it was opened; it may have grown."""
        descriptor = self.file.fileno()
        head = os.pread(descriptor, HEAD_BYTES, 0)
        return FileIdentity.of(os.fstat(descriptor), head).grown_from(self.identity, head)

    def follows(self, earlier: FileIdentity) -> bool:
        """Whether this is that file, with more behind what it held; also if nothing was added."""
        return self.identity.grown_from(earlier, self.head)

    def tail(self) -> Tail:
        """Of the file as it was opened. Raises OSError."""
        return Tail.of(self.file.fileno(), self.identity.size_bytes)

    def goes_on_from(self, tail: Tail | None) -> bool:
        """Whether what ended so is at the beginning of this file; None: it is as long as it was. Raises OSError."""
        return tail is None or Tail.of(self.file.fileno(), tail.end) == tail

    def _stream(self, file_offset: int, position: int) -> ByteStream:
        self.file.seek(0)
        if self.packing is None:
            return PlainStream(self.file, file_offset)
        return PackedStream(self.file, self.packing, file_offset, position)


@contextmanager
def open_capture(path: str) -> Iterator[OpenedFile]:
    """Raises OSError; NotRegular for what is no file, which is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as raw:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular("no regular file")
        head = os.pread(descriptor, HEAD_BYTES, 0)
        yield _recognised(raw, FileIdentity.of(status, head), head, path)


def _recognised(file: BinaryIO, identity: FileIdentity, head: bytes, name: str) -> OpenedFile:
    form = recognise(head, name)
    if not isinstance(form, Packing):
        return OpenedFile(file, identity, None, form, "", is_begun(head, name), head, head)
    file.seek(0)
    stream = PackedStream(file, form)
    inside = stream.read(HEAD_BYTES)
    inner = recognise(inside, name, packed=True)
    assert not isinstance(inner, Packing)
    return OpenedFile(file, identity, form, inner, stream.fault, stream.ended_early, head, inside, stream.advice)
