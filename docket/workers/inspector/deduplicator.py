"""Recognises duplicates, drops them and shortens packets, record by record.

Two kinds. *Equal packets*: same bytes, same length on the wire, whichever source recorded them, and no longer after the
one before than the time of comparison: what `editcap -w` drops. *Tap duplicates*: the same IP packet recorded by
another source: a router between two taps changes MAC addresses, tags, hop count and the checksum of the IPv4 header,
and nothing else counts here. What one source recorded twice is no tap duplicate, so the retransmissions of one tap
stay: each packet of a source stands for at most one of every other source.
"""

from __future__ import annotations

from array import array
from collections import deque
from contextlib import suppress
from hashlib import blake2b
from threading import Event

from docket.errors import CaptureError, DissectionError
from docket.packet.pcap import RECORD_HEADER, RECORD_HEADER_BYTES
from docket.workers.inspector.tshark.result_capture import Capture

MOST_REMEMBERED = 1_000_000
"""Packets within the time of comparison; at more than that, the earliest are forgotten."""
USUAL_TAP_US = 50_000
"""How far apart two taps see one packet at most, where nothing else is said: routers, and clocks of sensors."""

_DIGEST_BYTES = 16
_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_IP4, _IP6, _PPPOE = 0x0800, 0x86DD, 0x8864
_MPLS = (0x8847, 0x8848)
_RAW = frozenset({12, 14, 101, 228, 229})
_LOOPBACK = frozenset({0, 108})
_ETHERNET, _COOKED, _COOKED2 = 1, 113, 276


class Deduplicator:
    """Fed with whole records in the order of time."""

    def __init__(self, duplicates_us: int, snaplen: int, tap_us: int = 0) -> None:
        """0 means: keep equal packets, keep whole packets, keep tap duplicates."""
        self.duplicates = 0
        """Packets that were dropped."""
        self.shortened = 0
        self._duplicates_us = duplicates_us
        self._snaplen = snaplen
        self._seen: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes]] = deque()
        self._taps = TapDuplicates(tap_us) if tap_us else None
        self._fed = 0

    def feed(self, time_us: int, record: bytes, source: str, linktype: int) -> bytes | None:
        """The record as it stays; None for a duplicate."""
        self._fed += 1
        repeats = bool(self._duplicates_us) and self._is_duplicate(time_us, record)
        if not repeats and self._taps is not None:
            packet = record[RECORD_HEADER_BYTES:]
            repeats = self._taps.feed(self._fed, time_us, packet, source, linktype) > 0
        if repeats:
            self.duplicates += 1
            return None
        return self._cut(record) if self._snaplen else record

    def _is_duplicate(self, time_us: int, record: bytes) -> bool:
        while self._order and (time_us - self._order[0][0] > self._duplicates_us or len(self._order) > MOST_REMEMBERED):
            at_us, digest = self._order.popleft()
            if self._seen.get(digest) == at_us:
                del self._seen[digest]
        # From the lengths on: everything but the time.
        digest = blake2b(record[8:], digest_size=_DIGEST_BYTES).digest()
        seen_us = self._seen.get(digest)
        # One that is dropped counts for the next, too, as with editcap -w: a packet that comes again and again is one.
        self._seen[digest] = time_us
        self._order.append((time_us, digest))
        return seen_us is not None and time_us - seen_us <= self._duplicates_us

    def _cut(self, record: bytes) -> bytes:
        seconds, fraction, length, wire_length = RECORD_HEADER.unpack_from(record)
        if length <= self._snaplen:
            return record
        self.shortened += 1
        header = RECORD_HEADER.pack(seconds, fraction, self._snaplen, wire_length)
        return header + record[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + self._snaplen]


class _First:
    """A packet that was seen first, and which sources have seen it by now."""

    __slots__ = ("number", "sources", "time_us")

    def __init__(self, number: int, time_us: int, source: str) -> None:
        self.number = number
        self.time_us = time_us
        self.sources = {source}


class TapDuplicates:
    """Fed with packets in the order of time, each with the source that recorded it."""

    def __init__(self, within_us: int) -> None:
        self._within_us = within_us
        self._firsts: dict[bytes, deque[_First]] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def feed(self, number: int, time_us: int, packet: bytes, source: str, linktype: int) -> int:
        """The number of the packet that this one repeats; 0 for one that is seen for the first time."""
        self._forget(time_us)
        digest = fingerprint(packet, linktype)
        firsts = self._firsts.setdefault(digest, deque())
        for first in firsts:
            if source not in first.sources:
                first.sources.add(source)
                return first.number
        firsts.append(_First(number, time_us, source))
        self._order.append((time_us, digest))
        return 0

    def _forget(self, time_us: int) -> None:
        order = self._order
        while order and (time_us - order[0][0] > self._within_us or len(order) > MOST_REMEMBERED):
            _, digest = order.popleft()
            firsts = self._firsts[digest]
            firsts.popleft()
            if not firsts:
                del self._firsts[digest]


def tap_duplicates(capture: Capture, stop: Event) -> array[int]:
    """For each packet of a result the number of the one that it repeats, 0 for none; empty where there is one source.

    Of a damaged capture, those before the damage. Raises SpoolError, and DissectionError if asked to stop.
    """
    repeats: array[int] = array("I")
    names = capture.sources
    if len(set(names)) < 2:
        return repeats
    kinds = [one.linktype for one in capture.form.interfaces]
    linktypes = kinds if capture.form.is_pcapng else kinds * len(names)
    taps, per_us = TapDuplicates(USUAL_TAP_US), 1000 if capture.form.nanoseconds else 1
    with suppress(CaptureError):  # the summary tells of the damage
        for batch in capture.batches():
            if stop.is_set():
                raise DissectionError("it was stopped")
            for place, number in enumerate(batch.sources.tolist()):
                packet = batch.record(place)[RECORD_HEADER_BYTES:]
                time_us = batch.timestamps[place] // per_us
                repeats.append(taps.feed(batch.first + place, time_us, packet, names[number], linktypes[number]))
    return repeats


def fingerprint(packet: bytes, linktype: int) -> bytes:
    """The same for a packet on both sides of a router: its IP packet without hop count and checksum of the header.

    Of what is no IP packet: all of it.
    """
    at = _ip_begins(packet, linktype)
    version = packet[at] >> 4 if 0 <= at < len(packet) else 0
    if version == 4 and len(packet) >= at + 20:
        whole = int.from_bytes(packet[at + 2 : at + 4], "big") or len(packet) - at
        parts = (packet[at : at + 8], packet[at + 9 : at + 10], packet[at + 12 : at + whole])
    elif version == 6 and len(packet) >= at + 40:
        length = int.from_bytes(packet[at + 4 : at + 6], "big")
        whole = 40 + length if length else len(packet) - at
        parts = (packet[at : at + 7], b"", packet[at + 8 : at + whole])
    else:
        parts = (packet, b"", linktype.to_bytes(2, "big"))
    return blake2b(b"".join(parts), digest_size=_DIGEST_BYTES).digest()


def _ip_begins(packet: bytes, linktype: int) -> int:
    """Where the IP header is; -1 where there is none that can be found."""
    if linktype in _RAW:
        return 0
    if linktype in _LOOPBACK:
        return 4
    if linktype == _COOKED2:
        return _behind_tags(packet, int.from_bytes(packet[0:2], "big"), 20)
    if linktype in (_ETHERNET, _COOKED):
        at = 14 if linktype == _ETHERNET else 16
        return _behind_tags(packet, int.from_bytes(packet[at - 2 : at], "big"), at)
    return -1


def _behind_tags(packet: bytes, kind: int, at: int) -> int:
    while kind in _TAGS:
        kind = int.from_bytes(packet[at + 2 : at + 4], "big")
        at += 4
    if kind in _MPLS:
        while at + 4 <= len(packet):
            at += 4
            if packet[at - 2] & 1:
                return at
    if kind == _PPPOE:
        protocol = int.from_bytes(packet[at + 6 : at + 8], "big")
        return at + 8 if protocol in (0x0021, 0x0057) else -1
    return at if kind in (_IP4, _IP6) else -1
