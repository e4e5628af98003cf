"""Link types and the headers before the IP header: Ethernet, tags, labels, PPPoE, PPP, Linux cooked, loopback. Pure.

Which bytes are looked at follows stenographer for Ethernet and libpcap for everything else, so that a word means
the same at every source. The numbers of link types are those of files (https://www.tcpdump.org/linktypes.html), and
where systems wrote their own DLT into files, that too. They are those that carry IP and that libpcap's filters know.
"""

from __future__ import annotations

import numpy as np

from docket.packet.headers import LINK_CUT, NONE
from docket.packet.octets import Integers, Mask, table, where
from docket.packet.walk import Kind, Walk

LINKTYPE_BITS = 0x03FF_FFFF
"""The upper bits of the field in a file tell of frame check sequences."""

FIRST_HEADERS: dict[int, tuple[Kind, int]] = {
    0: (Kind.LOOPBACK, 0),  # BSD loopback
    1: (Kind.ETHERNET, 0),
    8: (Kind.RAW, 16),  # SLIP
    9: (Kind.FRAMED_PPP, 0),
    10: (Kind.LLC, 13),  # FDDI
    12: (Kind.RAW, 0),  # raw IP: DLT_RAW of most systems
    14: (Kind.RAW, 0),  # raw IP: DLT_RAW of OpenBSD
    50: (Kind.SERIAL, 0),  # PPP or Cisco's HDLC
    51: (Kind.PPPOE, 0),
    100: (Kind.LLC, 0),  # ATM, RFC 1483
    101: (Kind.RAW, 0),
    104: (Kind.SERIAL, 0),  # Cisco's HDLC
    105: (Kind.WIFI, 0),
    108: (Kind.LOOPBACK, 0),  # OpenBSD's loopback
    113: (Kind.COOKED, 0),
    119: (Kind.PRISM, 0),
    122: (Kind.LLC, 16),  # IP over Fibre Channel
    127: (Kind.RADIOTAP, 0),
    163: (Kind.AVS, 0),
    166: (Kind.PPP, 2),  # pppd: the direction in the place of the address, then the control byte
    192: (Kind.PPI, 0),
    204: (Kind.FRAMED_PPP, 1),  # PPP behind a byte of direction
    228: (Kind.IPV4, 0),
    229: (Kind.IPV6, 0),
    240: (Kind.ETHERNET, 4),  # netANALYZER
    241: (Kind.ETHERNET, 12),  # netANALYZER, with preamble
    242: (Kind.ETHERTYPE, 40),  # IP over InfiniBand
    274: (Kind.ETHERNET, 8),  # with preamble
    276: (Kind.COOKED2, 0),
}

ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD

ETHERTYPES = {
    ETHERTYPE_IPV4: Kind.IPV4,
    ETHERTYPE_IPV6: Kind.IPV6,
    0x8100: Kind.TAG,
    0x88A8: Kind.TAG,
    0x9100: Kind.TAG,
    0x9200: Kind.TAG,
    0x9300: Kind.TAG,
    0x8847: Kind.LABEL,
    0x8848: Kind.LABEL,
}
"""What leads to an IP header of the same layer."""
_PPPOE_SESSION = 0x8864
_LOOKED_BEHIND = table((*ETHERTYPES, _PPPOE_SESSION), 1 << 16)
_TAGS = table((number for number, kind in ETHERTYPES.items() if kind is Kind.TAG), 1 << 16)

PPP_PROTOCOLS = {0x0021: Kind.IPV4, 0x0057: Kind.IPV6, 0x0281: Kind.LABEL, 0x0283: Kind.LABEL}
_PPP_ETHERTYPES = {0x0021: ETHERTYPE_IPV4, 0x0057: ETHERTYPE_IPV6}
_PPP_FRAMING = 0xFF03
_CISCO_FRAMING = (0x0F, 0x8F)
"""Unicast and broadcast: the first byte of Cisco's HDLC, where PPP has 0xff."""

_VERSIONS = {4: Kind.IPV4, 6: Kind.IPV6}
_VERSION_ETHERTYPES = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}

_LOOPBACK_IPV4 = 2
_LOOPBACK_IPV6 = (10, 23, 24, 28, 30)
"""AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS."""

_SNAP = 0xAAAA03

_SHORTEST_FRAME = 64
"""Shorter packets are filled up on Ethernet."""


def is_known(linktype: int) -> bool:
    """Whether packets of this link type can be filtered."""
    return (linktype & LINKTYPE_BITS) in FIRST_HEADERS


def ethernet(walk: Walk, rows: Integers, at: Integers) -> None:
    """Two addresses and the type. The addresses of a layer are those of its first Ethernet header."""
    first = walk.mac_to_at[rows] == NONE
    walk.mac_to_at[rows[first]] = at[first]
    walk.mac_from_at[rows[first]] = at[first] + 6
    ethertype(walk, rows, at + 12)


def ethertype(walk: Walk, rows: Integers, at: Integers) -> None:
    """Two bytes that say what follows them."""
    rows, at = walk.fitting(rows, at, 2)
    by_ethertype(walk, walk.octets.u16(at), rows, at + 2)


def by_ethertype(walk: Walk, types: Integers, rows: Integers, at: Integers) -> None:
    """Go on with what stands behind an Ethernet type."""
    walk.ethertype[rows] = types
    walk.dispatch(types, ETHERTYPES, rows, at)
    sessions = where(types == _PPPOE_SESSION)
    # stenographer does not look into PPPoE: to the plain words what it carries is the inside of a tunnel.
    walk.push_inner(Kind.PPPOE, rows[sessions], at[sessions])


def tag(walk: Walk, rows: Integers, at: Integers) -> None:
    """An 802.1Q or 802.1ad tag: priority and VLAN id, and the type of what follows."""
    rows, at = walk.fitting(rows, at, 2)
    walk.vlans.append((rows, walk.octets.u16(at) & 0xFFF))
    ethertype(walk, rows, at + 2)


def label(walk: Walk, rows: Integers, at: Integers) -> None:
    """An entry of an MPLS stack."""
    rows, at = walk.fitting(rows, at, 4)
    entry = walk.octets.u32(at)
    walk.labels.append((rows, entry >> 12))
    last = (entry & 0x100) != 0
    walk.push(Kind.LABEL, rows[~last], at[~last] + 4)
    walk.push(Kind.BEHIND_LABELS, rows[last], at[last] + 4)


def behind_labels(walk: Walk, rows: Integers, at: Integers) -> None:
    """The first four bits say what a label carries; 0 begins the control word of a pseudowire (RFC 4385)."""
    rows, at = walk.fitting(rows, at, 1)
    version = walk.octets.u8(at) >> 4
    wire = (version != 4) & (version != 6)
    if wire.any():
        _pseudowire(walk, rows[wire], at[wire], version[wire] == 0)
    rows, at, version = _but_frames(walk, rows[~wire], at[~wire], version[~wire])
    _by_version(walk, version, rows, at)


def _but_frames(walk: Walk, rows: Integers, at: Integers, version: Integers) -> tuple[Integers, Integers, Integers]:
    """The rows without frames whose first address begins with 4 or 6.

    A frame shows a type and what the type says, where an IP header would tell of a length that is not the packet's.
    """
    octets, left = walk.octets, walk.wire_end[rows] - at
    lost = (at + 15 > walk.captured_end[rows]) & (left >= 15)
    walk.open[rows[lost]] |= LINK_CUT
    rows, at, version, left = rows[~lost], at[~lost], version[~lost], left[~lost]
    long = where(left >= 15)
    begin = at[long]
    kind, inside = octets.u16(begin + 12), octets.u8(begin + 14) >> 4
    frame = (
        _LOOKED_BEHIND[kind] & ((kind != ETHERTYPE_IPV4) | (inside == 4)) & ((kind != ETHERTYPE_IPV6) | (inside == 6))
    )
    size = np.where(version[long] == 4, octets.u16(begin + 2), octets.u16(begin + 4) + 40)
    padded = (size < left[long]) & (left[long] < _SHORTEST_FRAME) & (size >= 20)
    frame &= (size != left[long]) & ~padded
    if not frame.any():
        return rows, at, version
    walk.push_inner(Kind.ETHERNET, rows[long[frame]], begin[frame])
    kept = np.ones(rows.size, dtype=np.bool_)
    kept[long[frame]] = False
    return rows[kept], at[kept], version[kept]


def _pseudowire(walk: Walk, rows: Integers, at: Integers, control: Mask) -> None:
    """Ethernet behind labels: with a control word, as stenographer takes it, or without, where that makes sense."""
    with_word, at_word = walk.fitting(rows[control], at[control], 18)
    sensible = _LOOKED_BEHIND[walk.octets.u16(at_word + 16)]
    # Two types in a row are those of a tag and of what follows it, in a frame without the word.
    sensible &= ~_TAGS[walk.octets.u16(at_word + 12)]
    walk.pseudowire[with_word[sensible]] = True
    walk.push(Kind.ETHERNET, with_word[sensible], at_word[sensible] + 4)
    without = np.concatenate((with_word[~sensible], rows[~control]))
    at_without = np.concatenate((at_word[~sensible], at[~control]))
    without, at_without = walk.fitting(without, at_without, 14)
    plain = _LOOKED_BEHIND[walk.octets.u16(at_without + 12)]
    walk.push_inner(Kind.ETHERNET, without[plain], at_without[plain])


def _by_version(walk: Walk, version: Integers, rows: Integers, at: Integers) -> None:
    for number, kind in _VERSIONS.items():
        chosen = where(version == number)
        walk.ethertype[rows[chosen]] = _VERSION_ETHERTYPES[number]
        walk.push(kind, rows[chosen], at[chosen])


def raw(walk: Walk, rows: Integers, at: Integers) -> None:
    """An IP packet without any link header; its first four bits tell the version."""
    rows, at = walk.fitting(rows, at, 1)
    _by_version(walk, walk.octets.u8(at) >> 4, rows, at)


def pppoe(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version and type 1, code 0 for a session's data, session, length; then PPP (RFC 2516)."""
    rows, at = walk.fitting(rows, at, 2)
    data = walk.octets.u16(at) == 0x1100
    walk.push(Kind.PPP, rows[data], at[data] + 6)


def framed_ppp(walk: Walk, rows: Integers, at: Integers) -> None:
    """PPP with or without the two bytes of its HDLC framing."""
    rows, at = walk.fitting(rows, at, 2)
    framed = walk.octets.u16(at) == _PPP_FRAMING
    walk.push(Kind.PPP, rows, at + 2 * framed)


def serial(walk: Walk, rows: Integers, at: Integers) -> None:
    """PPP or Cisco's HDLC, whichever the first byte tells."""
    rows, at = walk.fitting(rows, at, 1)
    cisco = np.isin(walk.octets.u8(at), _CISCO_FRAMING)
    walk.push(Kind.ETHERTYPE, rows[cisco], at[cisco] + 2)
    walk.push(Kind.FRAMED_PPP, rows[~cisco], at[~cisco])


def ppp(walk: Walk, rows: Integers, at: Integers) -> None:
    """The protocol in two bytes, or compressed to one, which is odd then (RFC 1661)."""
    rows, at = walk.fitting(rows, at, 1)
    first = walk.octets.u8(at)
    short = (first & 1) == 1
    _by_ppp_protocol(walk, first[short], rows[short], at[short] + 1)
    rows, at = walk.fitting(rows[~short], at[~short], 2)
    _by_ppp_protocol(walk, walk.octets.u16(at), rows, at + 2)


def _by_ppp_protocol(walk: Walk, protocols: Integers, rows: Integers, at: Integers) -> None:
    for number, value in _PPP_ETHERTYPES.items():
        walk.ethertype[rows[protocols == number]] = value
    walk.dispatch(protocols, PPP_PROTOCOLS, rows, at)


def loopback(walk: Walk, rows: Integers, at: Integers) -> None:
    """The address family in four bytes, in the order of the machine that captured."""
    rows, at = walk.fitting(rows, at, 4)
    number = walk.octets.u32(at)
    swapped = number >= 1 << 16
    family = np.where(swapped, ((number >> 24) & 0xFF) | ((number >> 8) & 0xFF00) | ((number & 0xFFFF) << 16), number)
    version = np.where(family == _LOOPBACK_IPV4, 4, np.where(np.isin(family, _LOOPBACK_IPV6), 6, 0))
    _by_version(walk, version, rows, at + 4)


def cooked(walk: Walk, rows: Integers, at: Integers) -> None:
    """Linux cooked capture: kind, ARP type, length of the sender's address, address (8 bytes), protocol."""
    _cooked_sender(walk, rows, at + 4, 2, at + 6)
    ethertype(walk, rows, at + 14)


def cooked2(walk: Walk, rows: Integers, at: Integers) -> None:
    """Version 2: protocol, two reserved bytes, interface, ARP type, kind, address length, address (8 bytes)."""
    _cooked_sender(walk, rows, at + 11, 1, at + 12)
    rows, at = walk.fitting(rows, at, 2)
    by_ethertype(walk, walk.octets.u16(at), rows, at + 20)


def _cooked_sender(walk: Walk, rows: Integers, length_at: Integers, size: int, address_at: Integers) -> None:
    there = length_at + size <= walk.captured_end[rows]
    # Where the length was cut off the address is missing too, and may be one.
    walk.mac_from_at[rows[~there]] = address_at[~there]
    rows, length_at, address_at = rows[there], length_at[there], address_at[there]
    six = (walk.octets.u8(length_at + (size - 1))) == 6
    walk.mac_from_at[rows[six]] = address_at[six]


def llc(walk: Walk, rows: Integers, at: Integers) -> None:
    """802.2 with SNAP: aa aa 03, an organisation, and an Ethernet type."""
    rows, at = walk.fitting(rows, at, 3)
    snap = (walk.octets.u16(at) << 8 | walk.octets.u8(at + 2)) == _SNAP
    walk.push(Kind.ETHERTYPE, rows[snap], at[snap] + 6)
