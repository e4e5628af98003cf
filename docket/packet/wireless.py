"""802.11 frames, and the headers that capture programs put before them. For `decode` only.

Only frames of data are looked into; encrypted ones do not show the pattern that begins their contents.
"""

from __future__ import annotations

import numpy as np

from docket.packet.octets import Integers, Mask, where
from docket.packet.walk import Kind, Walk

_PRISM_BYTES = 144
_AVS_MAGIC, _AVS_MASK = 0x80211000, 0xFFFFF000
_WIFI_LINKTYPE = 105

_TIMESTAMP, _FLAGS, _MORE = 1, 2, 0x80
"""Bits of a radiotap header's first word, in its first and last byte."""
_PADDED = 0x20
"""Flag of radiotap: the 802.11 header is filled up to a multiple of four bytes."""


def wifi(walk: Walk, rows: Integers, at: Integers) -> None:
    """The header of an 802.11 frame."""
    _frame(walk, rows, at, np.zeros(rows.size, dtype=np.bool_))


def _frame(walk: Walk, rows: Integers, at: Integers, padded: Mask) -> None:
    fits = walk.fitting(rows, at, 2)
    padded = padded[np.isin(rows, fits[0])] if fits[0].size < rows.size else padded
    rows, at = fits
    first, flags = walk.octets.u8(at), walk.octets.u8(at + 1) & 3
    _addresses(walk, rows, at, flags)
    data = where(((first & 0x0C) == 0x08) & ((first & 0x40) == 0))
    rows, at, first, flags, padded = rows[data], at[data], first[data], flags[data], padded[data]
    length = 24 + 6 * (flags == 3) + 2 * ((first & 0x80) != 0)
    length = np.where(padded, (length + 3) & ~3, length)
    walk.push(Kind.LLC, rows, at + length)


def _addresses(walk: Walk, rows: Integers, at: Integers, flags: Integers) -> None:
    """Who sent it and to whom stands at places that depend on the way: bit 1 to, bit 2 from the access point."""
    walk.mac_to_at[rows] = at + np.where((flags & 1) != 0, 16, 4)
    walk.mac_from_at[rows] = at + np.array([10, 10, 16, 24])[flags]


def radiotap(walk: Walk, rows: Integers, at: Integers) -> None:
    """A header of its own length, in the order of bytes of Intel; its flags tell whether the next one is padded."""
    rows, at = walk.fitting(rows, at, 8)
    octets = walk.octets
    length = octets.u8(at + 2) | octets.u8(at + 3) << 8
    present = octets.u8(at + 4)
    flagged = ((present & _FLAGS) != 0) & ((octets.u8(at + 7) & _MORE) == 0)
    flags_at = at + 8 + 8 * ((present & _TIMESTAMP) != 0)
    readable = flagged & (flags_at < walk.captured_end[rows])
    padded = np.zeros(rows.size, dtype=np.bool_)
    padded[readable] = (octets.u8(flags_at[readable]) & _PADDED) != 0
    _frame(walk, rows, at + length, padded)


def prism(walk: Walk, rows: Integers, at: Integers) -> None:
    """A header of 144 bytes, or in its place one of AVS, which names itself."""
    rows, at = walk.fitting(rows, at, 4)
    other = (walk.octets.u32(at) & _AVS_MASK) == _AVS_MAGIC
    walk.push(Kind.AVS, rows[other], at[other])
    walk.push(Kind.WIFI, rows[~other], at[~other] + _PRISM_BYTES)


def avs(walk: Walk, rows: Integers, at: Integers) -> None:
    """A magic number, and the header's length."""
    rows, at = walk.fitting(rows, at, 8)
    walk.push(Kind.WIFI, rows, at + walk.octets.u32(at + 4))


def ppi(walk: Walk, rows: Integers, at: Integers) -> None:
    """The length, and the link type of what follows, in the order of bytes of Intel."""
    rows, at = walk.fitting(rows, at, 8)
    octets = walk.octets
    length = octets.u8(at + 2) | octets.u8(at + 3) << 8
    kept = (octets.u8(at + 4) == _WIFI_LINKTYPE) & (octets.u8(at + 5) == 0) & (octets.u16(at + 6) == 0)
    walk.push(Kind.WIFI, rows[kept], (at + length)[kept])
