"""Drops duplicates and shortens packets, record by record. Pure.

Two packets are duplicates if their bytes and their lengths on the wire are equal: what two taps on the same wire see.
A router between the taps changes addresses and hop counts, and then they are not.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b

from docket.packet.pcap import RECORD_HEADER, RECORD_HEADER_BYTES, in_us, scan

MOST_REMEMBERED = 1_000_000
"""Packets within the time of comparison; at more than that, the earliest are forgotten."""

_DIGEST_BYTES = 16


class Deduplicator:
    """Fed with whole records in the order of time."""

    def __init__(self, duplicates_us: int, snaplen: int, *, nanoseconds: bool = False) -> None:
        """0 means: keep duplicates, keep whole packets. `nanoseconds`: the records tell them."""
        self._nanoseconds = nanoseconds
        self.duplicates = 0
        """Packets that were dropped."""
        self.shortened = 0
        self._duplicates_us = duplicates_us
        self._snaplen = snaplen
        self._seen: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def feed(self, records: bytes | memoryview) -> bytes | memoryview:
        """The records that stay."""
        if not self._duplicates_us and not self._snaplen:
            return records
        timestamps, offsets, _ = scan(records, nanoseconds=self._nanoseconds)
        timestamps = in_us(timestamps, nanoseconds=self._nanoseconds)
        view = memoryview(records)
        kept: list[bytes | memoryview] = []
        for place, time_us in enumerate(timestamps):
            record = view[offsets[place] : offsets[place + 1]]
            if self._duplicates_us and self._is_duplicate(time_us, record):
                self.duplicates += 1
            else:
                kept += self._cut(record)
        return b"".join(kept)

    def _is_duplicate(self, time_us: int, record: memoryview) -> bool:
        while self._order and (time_us - self._order[0][0] > self._duplicates_us or len(self._order) > MOST_REMEMBERED):
            at_us, digest = self._order.popleft()
            if self._seen.get(digest) == at_us:
                del self._seen[digest]
        # From the lengths on: everything but the time.
        digest = blake2b(record[8:], digest_size=_DIGEST_BYTES).digest()
        seen_us = self._seen.get(digest)
        if seen_us is not None and time_us - seen_us <= self._duplicates_us:
            return True
        self._seen[digest] = time_us
        self._order.append((time_us, digest))
        return False

    def _cut(self, record: memoryview) -> list[bytes | memoryview]:
        seconds, fraction, length, wire_length = RECORD_HEADER.unpack_from(record)
        if not self._snaplen or length <= self._snaplen:
            return [record]
        self.shortened += 1
        header = RECORD_HEADER.pack(seconds, fraction, self._snaplen, wire_length)
        return [header, record[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + self._snaplen]]
