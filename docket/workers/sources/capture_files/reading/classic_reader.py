"""Reads classic PCAP of every make: both byte orders and resolutions, and the variants with longer record headers.

Records of no bytes, longer than the snaplen, or with a fraction beyond a second are records, as for tcpdump and
Wireshark. Zeros are none: a loss of power leaves them where packets were.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from docket.packet.records import RECORD_HEADER_BYTES, Records, Scanned, scan
from docket.workers.sources.capture_files.formats import Classic
from docket.workers.sources.capture_files.reading.byte_stream import ByteStream
from docket.workers.sources.capture_files.reading.long_records import scan_long
from docket.workers.sources.capture_files.reading.record_block import FileEnd, RecordBlock, Stretch, extent_of

_US_PER_S = 1_000_000


class ClassicReader:
    """`stream` stands behind the file header, or where an extent begins."""

    def __init__(self, stream: ByteStream, form: Classic, length_bytes: int | None = None) -> None:
        self.end = FileEnd()
        self.finest_nanoseconds = form.nanoseconds
        self._stream = stream
        self._form = form
        self._stretch = Stretch(stream, length_bytes)

    def blocks(self) -> Iterator[RecordBlock]:
        """The packets; see `CaptureReader`."""
        rest = b""
        while chunk := self._stretch.read():
            data = rest + chunk if rest else chunk
            base = self._stream.position - len(data)
            if not data[0] and data == bytes(len(data)):
                rest = self._pass_zeros(data, base)
                continue
            scanned = self._scanned(data)
            records = self._without_zeros(scanned.records, base)
            if len(records):
                yield self._block(data, records, base, scanned.end)
            if scanned.damaged_at is not None:
                self.end.fault = f"at byte {base + scanned.damaged_at:,} there is no packet record"
                return
            rest = data[scanned.end :]
        self._finish(rest)

    def _scanned(self, data: bytes) -> Scanned:
        form = self._form
        if form.record_header_bytes == RECORD_HEADER_BYTES and form.swapped_lengths == "no":
            return scan(data, byte_order=form.byte_order, nanoseconds=form.nanoseconds)
        return scan_long(data, form)

    def _without_zeros(self, records: Records, base: int) -> Records:
        """The records but those whose header is all zeros, of which the first place is noted."""
        zeros = (records.captured == 0) & (records.original == 0) & (records.time_ns == 0)
        if not zeros.any():
            return records
        if not self.end.fault:
            place = base + int(records.data_at[int(np.argmax(zeros))]) - self._form.record_header_bytes
            self.end.fault = _zeros_from(place)
        return records.chosen(~zeros)

    def _pass_zeros(self, data: bytes, base: int) -> bytes:
        """Note them, and give what may belong to the record behind them: there may be terabytes of them."""
        header_bytes = self._form.record_header_bytes
        if len(data) >= header_bytes and not self.end.fault:
            self.end.fault = _zeros_from(base)
        return bytes(len(data) % header_bytes)

    def _block(self, data: bytes, records: Records, base: int, end: int) -> RecordBlock:
        form = self._form
        native = form.byte_order == "<" and form.record_header_bytes == RECORD_HEADER_BYTES
        native = native and form.swapped_lengths == "no"
        extent = extent_of(self._stream, base, end)
        return RecordBlock(data, records, form.linktype, form.nanoseconds, native, extent, base, bool(self.end.fault))

    def _finish(self, rest: bytes) -> None:
        stream, end = self._stream, self.end
        if stream.fault:
            end.fault = end.fault or stream.fault
        elif rest and not rest.strip(b"\0") and not end.fault:
            end.fault = _zeros_from(stream.position - len(rest))
        elif rest or stream.ended_early:
            what = "of a packet" if rest else "of its compressed data"
            end.unfinished = f"it ends in the middle {what}, after {stream.position:,} bytes"
            end.unfinished_us = self._time_us(rest)

    def _time_us(self, rest: bytes) -> int | None:
        if len(rest) < 8:
            return None
        seconds, fraction = struct.unpack_from(self._form.byte_order + "II", rest)
        return int(seconds * _US_PER_S + (fraction // 1000 if self._form.nanoseconds else fraction))


def _zeros_from(place: int) -> str:
    return f"there are zeros instead of packets from byte {place:,} on"
