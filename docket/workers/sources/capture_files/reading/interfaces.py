"""Interfaces of a pcapng section: link type, clock, offset; and what their statistics say. Pure; for `pcapng_reader`.

draft-ietf-opsawg-pcapng, sections 4.2 (interface description) and 4.6 (interface statistics).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from docket.domain.timewindow import NS_PER_S
from docket.packet.octets import Integers, Wide
from docket.packet.records import ByteOrder

_RESOLUTION, _OFFSET = 9, 14
_DROPPED_BY_INTERFACE, _DROPPED_BY_SYSTEM = 5, 7
_NEVER_NS = (1 << 63) - 1
"""A time beyond what 64 bits of nanoseconds can say: the year 2262."""
_MOST_DECIMALS, _MOST_BITS = 19, 34
_LONGEST_OFFSET_S = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Interface:
    """What one interface block says."""

    linktype: int
    snaplen: int
    resolution: int = 6
    """Ticks are 10^-n seconds, or 2^-n where the upper bit is set."""
    offset_s: int = 0

    @property
    def nanoseconds(self) -> bool:
        """Whether its times do not fit into whole microseconds, as far as one can tell beforehand."""
        return self.resolution > 6

    def time_ns(self, ticks: Wide) -> Integers:
        """Ticks as nanoseconds since 1970 UTC, cut down; what is too far away for that comes out as the far end."""
        nanoseconds = self._binary(ticks) if self.resolution & 0x80 else self._decimal(ticks)
        return _moved(nanoseconds, self.offset_s)

    def _decimal(self, ticks: Wide) -> Integers:
        exponent = self.resolution - 9
        if exponent > 0:
            whole: Wide = ticks // np.uint64(10 ** min(exponent, _MOST_DECIMALS))
            return np.minimum(whole, np.uint64(_NEVER_NS)).astype(np.int64)
        factor = 10**-exponent
        whole = np.where(ticks <= np.uint64(_NEVER_NS // factor), ticks * np.uint64(factor), np.uint64(_NEVER_NS))
        return whole.astype(np.int64)

    def _binary(self, ticks: Wide) -> Integers:
        bits = self.resolution & 0x7F
        if bits > _MOST_BITS:
            ticks = ticks >> np.uint64(min(bits - _MOST_BITS, 63))
            bits = _MOST_BITS
        seconds = ticks >> np.uint64(bits)
        fraction = (ticks & np.uint64((1 << bits) - 1)) * np.uint64(NS_PER_S) >> np.uint64(bits)
        seconds = np.minimum(seconds, np.uint64(_NEVER_NS // NS_PER_S - 1))
        nanoseconds: Integers = (seconds * np.uint64(NS_PER_S) + fraction).astype(np.int64)
        return nanoseconds


def _moved(nanoseconds: Integers, offset_s: int) -> Integers:
    if not offset_s:
        return nanoseconds
    bounded_s = max(-_LONGEST_OFFSET_S, min(offset_s, _LONGEST_OFFSET_S))
    room = _NEVER_NS - max(bounded_s, 0) * NS_PER_S
    moved: Integers = np.minimum(nanoseconds, room) + bounded_s * NS_PER_S
    return moved


def parse_interface(body: bytes, order: ByteOrder) -> Interface:
    """From an interface block's body, at least eight bytes."""
    linktype, snaplen = struct.unpack_from(order + "HxxI", body)
    resolution, offset_s = 6, 0
    for code, value in options(body[8:], order):
        if code == _RESOLUTION and len(value) == 1:
            resolution = value[0]
        elif code == _OFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
    return Interface(linktype, snaplen, resolution, offset_s)


def dropped(body: bytes, order: ByteOrder) -> tuple[int, int]:
    """Of a statistics block: the interface's number, and how many packets were lost since the capture began."""
    (number,) = struct.unpack_from(order + "I", body)
    lost = 0
    for code, value in options(body[12:], order):
        if code in (_DROPPED_BY_INTERFACE, _DROPPED_BY_SYSTEM) and len(value) == 8:
            lost += int.from_bytes(value, "little" if order == "<" else "big")
    return number, lost


def options(data: bytes, order: ByteOrder) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0 or at + 4 + length > len(data):
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
