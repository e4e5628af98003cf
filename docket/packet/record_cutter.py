"""Turns a stream of capture bytes into whole records inside a window and inside limits. Pure."""

from __future__ import annotations

from collections.abc import Callable

from docket.domain.timewindow import Window
from docket.errors import CaptureError
from docket.packet.pcap import (
    ETHERNET,
    FILE_HEADER_BYTES,
    RECORD_HEADER_BYTES,
    FileHeader,
    Trimmed,
    convert,
    in_us,
    parse_file_header,
    scan,
    trim,
)
from docket.packet.record_filter import RecordFilter

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

    def feed(self, chunk: bytes) -> Trimmed:
        """The whole records of what has come so far, up to the first thing that is none.

        Raises CaptureError, with the offset in the answer, when nothing good is left before that.
        """
        self._raise_fault()
        if isinstance(chunk, FurtherHeader) and self.header is not None:
            if self._rest:
                raise CaptureError(f"it goes on with another link type after half a record of {len(self._rest)} bytes")
            self.header = None
        data = self._rest + chunk if self._rest else chunk
        if self.header is None:
            if len(data) < FILE_HEADER_BYTES:
                self._rest = data
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

    def _records(self, data: bytes, header: FileHeader) -> Trimmed:
        if header.native:
            records = data
            timestamps, offsets, end = scan(data, nanoseconds=header.nanoseconds)
        else:
            records, end = convert(data, header)
            timestamps, offsets, _ = scan(records, nanoseconds=header.nanoseconds)
        timestamps = in_us(timestamps, nanoseconds=header.nanoseconds)
        self._rest = data[end:]
        if timestamps:
            self.received_packets += len(timestamps)
            self.received_bytes += end
            self.received_last_us = max(max(timestamps), self.received_last_us or 0)
        if self._filter is None or not timestamps:
            return self._trim(records, timestamps, offsets)
        kept = self._filter.feed(memoryview(records)[: offsets[-1]])
        timestamps, offsets, _ = scan(kept, nanoseconds=header.nanoseconds)
        return self._trim(kept, in_us(timestamps, nanoseconds=header.nanoseconds), offsets)

    def _trim(self, records: bytes | memoryview, timestamps: list[int], offsets: list[int]) -> Trimmed:
        trimmed = trim(
            records,
            timestamps,
            offsets,
            self._window.after_us,
            self._window.before_us,
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
