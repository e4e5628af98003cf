"""Which link types can be looked into, and where their first header is. Pure; anybody may import it.

The numbers are those of files (https://www.tcpdump.org/linktypes.html), and where systems wrote their own DLT into
files, that too. These are the link types that carry IP and that libpcap's filters know.
"""

from __future__ import annotations

from docket.packet.walk import Kind

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


def is_known(linktype: int) -> bool:
    """Whether packets of this link type can be filtered."""
    return (linktype & LINKTYPE_BITS) in FIRST_HEADERS
