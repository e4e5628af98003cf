"""Packets made up for a stand-in: small, good enough for filters, and each one different."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

US_PER_S = 1_000_000


class Packet(NamedTuple):
    """One packet of the store: time in microseconds since 1970 UTC, and an Ethernet frame."""

    time_us: int
    data: bytes


def record(packet: Packet, form: str = "<IIII", per_us: int = 1) -> bytes:
    """One packet as a PCAP record."""
    seconds, fraction = divmod(packet.time_us, US_PER_S)
    return struct.pack(form, seconds, fraction * per_us, len(packet.data), len(packet.data)) + packet.data


def udp(time_us: int, port: int = 53, size: int = 60, source: str = "10.1.2.3") -> Packet:
    """A small UDP packet over IPv4 and Ethernet, good enough for filters."""
    length = max(size - 14, 28)
    addresses = socket.inet_aton(source) + socket.inet_aton("10.9.8.7")
    ip = struct.pack(">BBHHHBBH", 0x45, 0, length, time_us & 0xFFFF, 0, 64, 17, 0) + addresses
    datagram = struct.pack(">HHHH", 40_000, port, length - 20, 0)
    payload = (b"%016d" % time_us * (length // 16 + 1))[: length - 28]
    return Packet(time_us, b"\x02" * 12 + b"\x08\x00" + ip + datagram + payload)


def capture(packets: Iterable[Packet]) -> bytes:
    """The packets as the records that Docket sends around."""
    return b"".join(map(record, packets))
