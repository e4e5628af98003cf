"""What lies between an outer IP header and the inner ones: GRE, ERSPAN, VXLAN, GENEVE, GTP-U, L2TP. For `decode` only.

Each reader stands at the tunnel's own header, which is the first of the inner layer.
"""

from __future__ import annotations

import numpy as np

from docket.packet.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPES, by_ethertype
from docket.packet.octets import Integers, Mask, table, where
from docket.packet.walk import Kind, Walk

_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGED = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
_FRAME, _PPP, _ERSPAN, _ERSPAN3 = 0x6558, 0x880B, 0x88BE, 0x22EB

_GTP_MESSAGE = 255
"""A user's packet; all other messages of GTP-U concern the tunnel itself."""

_L2TP3_OFFSETS = (0, 4, 8, 12)
"""Where the frame may begin behind a session's number: cookies have 0, 4 or 8 bytes, a sublayer 0 or 4."""
_SENSIBLE_TYPES = table((ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0x8100, 0x88A8), 1 << 16)
_USUAL_TYPES = table((*ETHERTYPES, 0x0806, 0x8864, 0x88CC), 1 << 16)
_OWN_TYPES = table((_FRAME, _PPP, _ERSPAN, _ERSPAN3), 1 << 16)


def gre(walk: Walk, rows: Integers, at: Integers) -> None:
    """Flags say which fields there are (RFC 2784, 2890; version 1, with PPP inside, RFC 2637)."""
    rows, at = walk.fitting(rows, at, 4)
    flags, kind = walk.octets.u16(at), walk.octets.u16(at + 2)
    version = flags & 7
    length = np.full(rows.size, 4, dtype=np.int64)
    for flag in (_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE):
        length += 4 * ((flags & flag) != 0)
    length += 4 * ((version == 1) & ((flags & _GRE_ACKNOWLEDGED) != 0))
    # A route inside of GRE was given up before any of today's senders was written.
    readable = ((flags & _GRE_ROUTING) == 0) & (version <= 1)
    kept = where(readable)
    numbered = (flags & _GRE_SEQUENCE) != 0
    _behind_gre(walk, kind[kept], numbered[kept], rows[kept], (at + length)[kept])


def _behind_gre(walk: Walk, kind: Integers, numbered: Mask, rows: Integers, at: Integers) -> None:
    for value, following in ((_FRAME, Kind.ETHERNET), (_PPP, Kind.FRAMED_PPP), (_ERSPAN3, Kind.ERSPAN3)):
        chosen = where(kind == value)
        walk.push(following, rows[chosen], at[chosen])
    mirrored = where((kind == _ERSPAN) & numbered)
    walk.push(Kind.ERSPAN2, rows[mirrored], at[mirrored])
    unnumbered = where((kind == _ERSPAN) & ~numbered)
    if unnumbered.size:
        _erspan_unnumbered(walk, rows[unnumbered], at[unnumbered])
    rest = where(~_OWN_TYPES[kind])
    by_ethertype(walk, kind[rest], rows[rest], at[rest])


def _erspan_unnumbered(walk: Walk, rows: Integers, at: Integers) -> None:
    """Without a sequence number it is type I, which has no header; but some send type II so: where that makes sense."""
    rows, at = walk.fitting(rows, at, 22)
    first = _USUAL_TYPES[walk.octets.u16(at + 12)]
    second = (walk.octets.u8(at) >> 4 == 1) & _USUAL_TYPES[walk.octets.u16(at + 20)] & ~first
    walk.push(Kind.ERSPAN2, rows[second], at[second])
    walk.push(Kind.ETHERNET, rows[~second], at[~second])


def erspan2(walk: Walk, rows: Integers, at: Integers) -> None:
    """Eight bytes that begin with version 1."""
    rows, at = walk.fitting(rows, at, 1)
    known = (walk.octets.u8(at) >> 4) == 1
    walk.push(Kind.ETHERNET, rows[known], at[known] + 8)


def erspan3(walk: Walk, rows: Integers, at: Integers) -> None:
    """Twelve bytes, or twenty with the platform's own part; what they carry is a frame or an IP packet."""
    rows, at = walk.fitting(rows, at, 12)
    last = walk.octets.u16(at + 10)
    begin = at + 12 + 8 * (last & 1)
    carried = (last >> 10) & 0x1F
    for number, kind in ((0, Kind.ETHERNET), (2, Kind.RAW)):
        chosen = where(carried == number)
        walk.push(kind, rows[chosen], begin[chosen])


def vxlan(walk: Walk, rows: Integers, at: Integers) -> None:
    """Eight bytes; the flag says that there is a network number (RFC 7348)."""
    rows, at = walk.fitting(rows, at, 1)
    valid = (walk.octets.u8(at) & 0x08) != 0
    walk.push(Kind.ETHERNET, rows[valid], at[valid] + 8)


def geneve(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version 0, options in units of four bytes, the type of what follows (RFC 8926)."""
    rows, at = walk.fitting(rows, at, 4)
    first = walk.octets.u8(at)
    kept = where((first >> 6) == 0)
    rows, at, first = rows[kept], at[kept], first[kept]
    kind, begin = walk.octets.u16(at + 2), at + 8 + 4 * (first & 0x3F)
    frames = kind == _FRAME
    walk.push(Kind.ETHERNET, rows[frames], begin[frames])
    by_ethertype(walk, kind[~frames], rows[~frames], begin[~frames])


def gtp(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version 1 with a user's packet; any of three flags makes four further bytes (3GPP TS 29.281, 5.1)."""
    rows, at = walk.fitting(rows, at, 2)
    flags = walk.octets.u8(at)
    kept = where(((flags & 0xF0) == 0x30) & (walk.octets.u8(at + 1) == _GTP_MESSAGE))
    rows, at, flags = rows[kept], at[kept], flags[kept]
    short = (flags & 7) == 0
    walk.push(Kind.RAW, rows[short], at[short] + 8)
    long = where(~short)
    rows, at = walk.fitting(rows[long], at[long], 12)
    extended = ((walk.octets.u8(at) & 4) != 0) & (walk.octets.u8(at + 11) != 0)
    walk.push(Kind.RAW, rows[~extended], at[~extended] + 12)
    walk.push(Kind.GTP_EXTENSION, rows[extended], at[extended] + 12)


def gtp_extension(walk: Walk, rows: Integers, at: Integers) -> None:
    """A length in units of four bytes, contents, and in the last byte what follows."""
    rows, at = walk.fitting(rows, at, 1)
    length = 4 * walk.octets.u8(at)
    kept = where(length != 0)
    rows, end = rows[kept], (at + length)[kept]
    rows, last = walk.fitting(rows, end - 1, 1)
    more = walk.octets.u8(last) != 0
    walk.push(Kind.GTP_EXTENSION, rows[more], last[more] + 1)
    walk.push(Kind.RAW, rows[~more], last[~more] + 1)


def l2tp(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version 2 carries PPP (RFC 2661), version 3 over UDP most often Ethernet (RFC 3931); control messages nothing."""
    rows, at = walk.fitting(rows, at, 2)
    flags = walk.octets.u16(at)
    data = (flags & 0x8000) == 0
    third = data & ((flags & 0xF) == 3)
    walk.push(Kind.L2TP3, rows[third], at[third] + 8)
    second = data & ((flags & 0xF) == 2)
    rows, at, flags = rows[second], at[second], flags[second]
    at = at + 6 + 2 * ((flags & 0x4000) != 0) + 4 * ((flags & 0x0800) != 0)
    padded = (flags & 0x0200) != 0
    walk.push(Kind.FRAMED_PPP, rows[~padded], at[~padded])
    rows, at = walk.fitting(rows[padded], at[padded], 2)
    walk.push(Kind.FRAMED_PPP, rows, at + 2 + walk.octets.u16(at))


def l2tp_ip(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version 3 over IP: the session's number, which is 0 in control messages."""
    rows, at = walk.fitting(rows, at, 4)
    data = walk.octets.u32(at) != 0
    walk.push(Kind.L2TP3, rows[data], at[data] + 4)


def l2tp3(walk: Walk, rows: Integers, at: Integers) -> None:
    """Only the two ends know how long a session's cookie is: take the first place where a frame makes sense."""
    left, begin = rows, at
    for offset in _L2TP3_OFFSETS:
        left, begin = walk.fitting(left, begin, offset + 15)
        kind, version = walk.octets.u16(begin + (offset + 12)), walk.octets.u8(begin + (offset + 14)) >> 4
        sensible = _SENSIBLE_TYPES[kind]
        sensible &= ((kind != ETHERTYPE_IPV4) | (version == 4)) & ((kind != ETHERTYPE_IPV6) | (version == 6))
        walk.push(Kind.ETHERNET, left[sensible], begin[sensible] + offset)
        left, begin = left[~sensible], begin[~sensible]


def etherip(walk: Walk, rows: Integers, at: Integers) -> None:
    """Two bytes, of which the first four bits are the version, 3 (RFC 3378)."""
    rows, at = walk.fitting(rows, at, 1)
    known = (walk.octets.u8(at) >> 4) == 3
    walk.push(Kind.ETHERNET, rows[known], at[known] + 2)
