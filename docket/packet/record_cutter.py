"""Turns a stream of capture bytes into whole records inside a window and inside limits. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from docket.domain.timewindow import Window
from docket.errors import CaptureError
from docket.packet.octets import Integers, where
from docket.packet.pcap import (
    ETHERNET,
    FILE_HEADER_BYTES,
    RECORD_HEADER_BYTES,
    Buffer,
    FileHeader,
    Trimmed,
    convert,
    parse_file_header,
)
from docket.packet.record_filter import RecordFilter
from docket.packet.records import Positions, pack_lengths, positions

_NOTHING = Trimmed(b"", 0, 0, None, None, False)


class FurtherHeader(bytes):
    """A file header in mid-stream, between two records: the packets behind it are of another link type."""


class RecordCutter:
    """One answer of a store, fed piece by piece. Whatever classic form it has, little-endian records come out."""

    def __init__(
        self,
        window: Window,
        most_packets: int | None,
        most_bytes: int | None,
        matching: Callable[[FileHeader], RecordFilter] | None = None,
    ) -> None:
        """`matching` makes the filter of an answer that holds more than is asked for; limits count what it keeps."""
        self.header: FileHeader | None = None
        self.received_packets = 0
        self.received_bytes = 0
        """Whole records as the store sent them, with their headers, inside the window or not."""
        self.received_last_us: int | None = None
        """The latest time among them."""
        self.more = False
        """A limit was reached and a further record inside the window came."""
        self._window = window
        self._packets_left = most_packets
        self._bytes_left = most_bytes
        self._rest = b""
        self._fault: CaptureError | None = None
        self._matching = matching
        self._filter: RecordFilter | None = None

    @property
    def linktype(self) -> int:
        return self.header.linktype if self.header else ETHERNET

    @property
    def nanoseconds(self) -> bool:
        """The resolution of what comes out."""
        return self.header is not None and self.header.nanoseconds

    @property
    def undecided_packets(self) -> int:
        """Packets that the recorder cut before the bytes that decide; they are left out."""
        return 0 if self._filter is None else self._filter.undecided

    @property
    def full(self) -> bool:
        """A limit allows no further packet."""
        no_bytes = self._bytes_left is not None and self._bytes_left <= RECORD_HEADER_BYTES
        return self.more or self._packets_left == 0 or no_bytes

    def feed(self, chunk: bytes | memoryview | list[bytes]) -> Trimmed:
        """The whole records of what has come so far, up to the first thing that is none.

        A list holds the pieces of a chunk: they are joined with the record that began before, in one copy. Raises
        CaptureError, with the offset in the answer, when nothing good is left before that.
        """
        self._raise_fault()
        if isinstance(chunk, FurtherHeader) and self.header is not None:
            if self._rest:
                raise CaptureError(f"it goes on with another link type after half a record of {len(self._rest)} bytes")
            self.header = None
        if isinstance(chunk, list):
            chunk = b"".join((self._rest, *chunk))
        elif self._rest:
            chunk = self._rest + chunk
        data: bytes | memoryview = chunk
        if self.header is None:
            if len(data) < FILE_HEADER_BYTES:
                self._rest = bytes(data)
                return _NOTHING
            self.header = parse_file_header(data)
            self._filter = None if self._matching is None else self._matching(self.header)
            data = data[FILE_HEADER_BYTES:]
        try:
            return self._records(data, self.header)
        except CaptureError as error:
            self._fault = self._at(error)
            if not error.offset:
                raise self._fault from error
            return self._records(data[: error.offset], self.header)

    def finish(self) -> None:
        """The stream has ended. Raises CaptureError if it ended inside its header or inside a record."""
        self._raise_fault()
        if self.header is None:
            parse_file_header(self._rest)
        elif self._rest:
            raise CaptureError(f"it ends with half a record of {len(self._rest)} bytes")

    def _records(self, data: bytes | memoryview, header: FileHeader) -> Trimmed:
        records, end = (data, 0) if header.native else convert(data, header)
        found = _in_us(records, header)
        end = end if records is not data else int(found.offsets[-1])
        self._rest = bytes(data[end:])
        if not found.times.size:
            return _NOTHING
        self.received_packets += found.times.size
        self.received_bytes += end
        self.received_last_us = max(int(found.times.max()), self.received_last_us or 0)
        if self._filter is None:
            return self._trim(records, found)
        kept = self._filter.feed(memoryview(records)[: int(found.offsets[-1])])
        return self._trim(kept, _in_us(kept, header))

    def _trim(self, records: bytes | memoryview, found: Positions) -> Trimmed:
        window = self._window
        trimmed = trim(
            records,
            found,
            window.after_us,
            window.before_us,
            most_packets=self._packets_left,
            most_bytes=self._bytes_left,
        )
        self.more = self.more or trimmed.more
        if self._packets_left is not None:
            self._packets_left -= trimmed.packets
        if self._bytes_left is not None:
            self._bytes_left = 0 if trimmed.more else self._bytes_left - len(trimmed.body)
        return trimmed

    def _at(self, error: CaptureError) -> CaptureError:
        offset = FILE_HEADER_BYTES + self.received_bytes + (error.offset or 0)
        return CaptureError(f"at byte {offset} there is no packet record", offset)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def trim(
    buffer: Buffer,
    found: Positions,
    after_us: int,
    before_us: int,
    *,
    most_packets: int | None = None,
    most_bytes: int | None = None,
) -> Trimmed:
    """Keep the records whose time, in µs, lies in `[after_us, before_us)`, as many as the limits allow.

    `most_bytes` counts whole records with their 16-byte headers. In the usual case, when all stay, the body is
    a view of the buffer and nothing is copied.
    """
    times, offsets = found
    if not times.size:
        return _NOTHING
    first_us, last_us = int(times.min()), int(times.max())
    size_bytes = int(offsets[-1] - offsets[0])
    fits = most_packets is None or times.size <= most_packets
    fits = fits and (most_bytes is None or size_bytes <= most_bytes)
    if fits and after_us <= first_us and last_us < before_us:
        whole = memoryview(buffer)[int(offsets[0]) : int(offsets[-1])]
        return Trimmed(whole, times.size, 0, first_us, last_us, False, pack_lengths(np.diff(offsets)))
    inside = where((times >= after_us) & (times < before_us))
    kept = _limited(inside, offsets, most_packets, most_bytes)
    outside = times.size - inside.size
    if not kept.size:
        return Trimmed(b"", 0, outside, None, None, inside.size > 0)
    view = memoryview(buffer)
    pieces = [view[begin:end] for begin, end in _neighbours(kept, offsets)]
    kept_us = times[kept]
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return Trimmed(
        body,
        kept.size,
        outside,
        int(kept_us.min()),
        int(kept_us.max()),
        kept.size < inside.size,
        pack_lengths(offsets[kept + 1] - offsets[kept]),
    )


def _limited(inside: Integers, offsets: Integers, most_packets: int | None, most_bytes: int | None) -> Integers:
    """The records of these indices that both limits allow."""
    kept = inside if most_packets is None else inside[:most_packets]
    if most_bytes is None:
        return kept
    sizes = np.cumsum(offsets[kept + 1] - offsets[kept])
    return kept[: int(np.searchsorted(sizes, most_bytes, side="right"))]


def _neighbours(kept: Integers, offsets: Integers) -> list[tuple[int, int]]:
    """Where the runs of neighbouring records begin and end."""
    breaks = where(np.diff(kept) != 1)
    begins = offsets[kept[np.append(0, breaks + 1)]]
    ends = offsets[kept[np.append(breaks, kept.size - 1)] + 1]
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def _in_us(records: Buffer, header: FileHeader) -> Positions:
    found = positions(records, nanoseconds=header.nanoseconds)
    return found._replace(times=found.times // 1000) if header.nanoseconds else found
