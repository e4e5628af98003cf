"""Packets of any capture as records of the result: classic PCAP, little-endian, with micro- or nanoseconds. Pure.

Bytes and lengths stay what they are. Where a packet already has such a record header, its bytes are handed on as
they stand in the file.
"""

from __future__ import annotations

import struct

import numpy as np

from docket.domain.timewindow import NS_PER_S
from docket.packet.octets import Integers
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.packet.records import LARGEST_RECORD_BYTES
from docket.workers.sources.capture_files.reading.record_block import RecordBlock

END_NS = (1 << 32) * NS_PER_S
"""A record cannot say a time from here on, in February 2106, nor one before 1970."""
_MICRO, _NANO = 0xA1B2_C3D4, 0xA1B2_3C4D


def header(linktype: int, *, nanoseconds: bool) -> bytes:
    """The beginning of the answer."""
    magic = _NANO if nanoseconds else _MICRO
    return struct.pack("<IHHiIII", magic, 2, 4, 0, 0, LARGEST_RECORD_BYTES, linktype)


def render(block: RecordBlock, chosen: Integers, *, nanoseconds: bool) -> bytes:
    """The records of the packets with these indices, in their order; at least one."""
    if block.native and block.nanoseconds == nanoseconds:
        return _runs(block, chosen)
    return _rewritten(block, chosen, nanoseconds=nanoseconds)


def _runs(block: RecordBlock, chosen: Integers) -> bytes:
    """Neighbours in the file are copied together."""
    begin = block.records.data_at[chosen] - RECORD_HEADER_BYTES
    end = block.records.data_at[chosen] + block.records.captured[chosen]
    breaks = np.flatnonzero(begin[1:] != end[:-1])
    view = memoryview(block.buffer)
    starts = begin[np.concatenate(([0], breaks + 1))].tolist()
    ends = end[np.concatenate((breaks, [chosen.size - 1]))].tolist()
    return b"".join([view[start:stop] for start, stop in zip(starts, ends, strict=True)])


def _rewritten(block: RecordBlock, chosen: Integers, *, nanoseconds: bool) -> bytes:
    records = block.records.chosen(chosen)
    seconds, fraction = np.divmod(records.time_ns, NS_PER_S)
    headers = np.empty((chosen.size, 4), dtype="<u4")
    headers[:, 0] = seconds
    headers[:, 1] = fraction if nanoseconds else fraction // 1000
    headers[:, 2] = records.captured
    headers[:, 3] = records.original
    written = memoryview(headers.tobytes())
    view = memoryview(block.buffer)
    pieces: list[memoryview] = []
    at = 0
    for start, length in zip(records.data_at.tolist(), records.captured.tolist(), strict=True):
        pieces.append(written[at : at + RECORD_HEADER_BYTES])
        pieces.append(view[start : start + length])
        at += RECORD_HEADER_BYTES
    return b"".join(pieces)
