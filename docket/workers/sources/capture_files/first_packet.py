"""The time of the first packet of a file, without reading more than a megabyte of it. For `catalog` only.

It decides in which order files are read, nothing else: the first packet need not be the earliest.
"""

from __future__ import annotations

import os
import struct

from docket.workers.sources.capture_files.block_selector import Extent
from docket.workers.sources.capture_files.formats import FILE_HEADER_BYTES, Classic
from docket.workers.sources.capture_files.opened_file import OpenedFile

_US_PER_S = 1_000_000
_HEAD_BYTES = 64 * 1024
_LONG_HEAD_BYTES = 1024 * 1024
"""Of pcapng, where names and secrets may come first."""


def first_packet(opened: OpenedFile) -> tuple[int | None, bool]:
    """Its time, None if there is none yet or none so near; and whether the file's clock is finer than microseconds."""
    form = opened.form
    if isinstance(form, Classic) and opened.packing is None:
        return _of_classic(os.pread(opened.file.fileno(), 8, FILE_HEADER_BYTES), form), form.nanoseconds
    nanoseconds = isinstance(form, Classic) and form.nanoseconds
    for length_bytes in (_HEAD_BYTES, _LONG_HEAD_BYTES):
        start = FILE_HEADER_BYTES if isinstance(form, Classic) else 0
        reader = opened.reader_of(_head(start, length_bytes, packed=opened.packing is not None))
        for block in reader.blocks():
            return int(block.records.time_ns[0]) // 1000, reader.finest_nanoseconds
        nanoseconds = nanoseconds or reader.finest_nanoseconds
    return None, nanoseconds


def earliest_packet(opened: OpenedFile) -> int | None:
    """The earliest time among the packets of the first megabyte; None if there is none."""
    start = FILE_HEADER_BYTES if isinstance(opened.form, Classic) else 0
    reader = opened.reader_of(_head(start, _LONG_HEAD_BYTES, packed=opened.packing is not None))
    times = [int(block.records.time_ns.min()) // 1000 for block in reader.blocks() if len(block.records)]
    return min(times, default=None)


def _of_classic(begin: bytes, form: Classic) -> int | None:
    if len(begin) < 8:
        return None
    seconds, fraction = struct.unpack(form.byte_order + "II", begin)
    return int(seconds * _US_PER_S + (fraction // 1000 if form.nanoseconds else fraction))


def _head(start: int, length_bytes: int, *, packed: bool) -> Extent:
    return Extent(0, start, length_bytes, start) if packed else Extent(start, start, length_bytes)
