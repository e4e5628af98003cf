"""Ethernet frames built by hand, with right lengths and checksums. Pure; for traffic.py and tests.

Addresses are written as people write them; every function gives bytes.
"""

import socket
import struct
from functools import cache

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_MPLS = 0x8847
ETHERTYPE_SERVICE_VLAN = 0x88A8

ICMP, TCP, UDP, GRE, ICMPV6, SCTP = 1, 6, 17, 47, 58, 132
_IPV6_FRAGMENT = 44

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@cache
def address(text: str) -> bytes:
    """Give the 4 or 16 bytes of an IP address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


@cache
def mac(text: str) -> bytes:
    """Give the 6 bytes of a MAC address."""
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return ~total & 0xFFFF


def ethernet(source: str, destination: str, payload: bytes, *, ethertype: int | None = None) -> bytes:
    """A frame around a packet; without an ethertype the packet's own version of IP says it."""
    if ethertype is None:
        ethertype = ETHERTYPE_IPV6 if payload[0] >> 4 == 6 else ETHERTYPE_IPV4
    return mac(destination) + mac(source) + struct.pack("!H", ethertype) + payload


def tagged(frame: bytes, vlan: int, *, service: bool = False) -> bytes:
    """Put a VLAN tag before whatever the frame carries: 802.1Q, or 802.1ad if it is a service tag."""
    kind = ETHERTYPE_SERVICE_VLAN if service else ETHERTYPE_VLAN
    return frame[:12] + struct.pack("!HH", kind, vlan) + frame[12:]


def labelled(frame: bytes, label: int) -> bytes:
    """Put one MPLS label (bottom of stack) before the packet of an untagged frame."""
    return frame[:12] + struct.pack("!HI", ETHERTYPE_MPLS, label << 12 | 1 << 8 | 64) + frame[14:]


def ipv4(source: str, destination: str, protocol: int, payload: bytes, *, ident: int = 0, ttl: int = 64) -> bytes:
    """A whole IPv4 packet."""
    return _ipv4_piece(source, destination, protocol, payload, ident, ttl, 0)


def ipv4_fragments(
    source: str, destination: str, protocol: int, payload: bytes, *, ident: int, size: int = 1480
) -> list[bytes]:
    """The fragments of an IPv4 packet, each with at most `size` bytes (a multiple of 8) of its payload."""
    pieces = []
    for start in range(0, len(payload), size):
        more = 0x2000 if start + size < len(payload) else 0
        piece = payload[start : start + size]
        pieces.append(_ipv4_piece(source, destination, protocol, piece, ident, 64, more | start // 8))
    return pieces


def _ipv4_piece(
    source: str, destination: str, protocol: int, payload: bytes, ident: int, ttl: int, fragment: int
) -> bytes:
    length = 20 + len(payload)
    ends = address(source) + address(destination)
    first = struct.pack("!BBHHHBB", 0x45, 0, length, ident & 0xFFFF, fragment, ttl, protocol)
    return first + struct.pack("!H", checksum(first + ends)) + ends + payload


def ipv6(source: str, destination: str, protocol: int, payload: bytes, *, hop_limit: int = 64) -> bytes:
    """A whole IPv6 packet without extension headers."""
    first = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hop_limit)
    return first + address(source) + address(destination) + payload


def ipv6_fragments(
    source: str, destination: str, protocol: int, payload: bytes, *, ident: int, size: int = 1232
) -> list[bytes]:
    """The fragments of an IPv6 packet, each with at most `size` bytes (a multiple of 8) of its payload."""
    pieces = []
    for start in range(0, len(payload), size):
        more = int(start + size < len(payload))
        extension = struct.pack("!BBHI", protocol, 0, start | more, ident)
        pieces.append(ipv6(source, destination, _IPV6_FRAGMENT, extension + payload[start : start + size]))
    return pieces


def ip(source: str, destination: str, protocol: int, payload: bytes, *, ident: int = 0, ttl: int = 64) -> bytes:
    """A whole packet of the IP version that its addresses have."""
    if ":" in source:
        return ipv6(source, destination, protocol, payload, hop_limit=ttl)
    return ipv4(source, destination, protocol, payload, ident=ident, ttl=ttl)


def _pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    ends = address(source) + address(destination)
    if ":" in source:
        return ends + struct.pack("!II", length, protocol)
    return ends + struct.pack("!BBH", 0, protocol, length)


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """A UDP datagram; the addresses are those of the IP packet that will carry it."""
    length = 8 + len(payload)
    head = struct.pack("!HHH", *ports, length)
    total = checksum(_pseudo_header(source, destination, UDP, length) + head + b"\0\0" + payload)
    return head + struct.pack("!H", total or 0xFFFF) + payload


def tcp(
    source: str,
    destination: str,
    ports: tuple[int, int],
    payload: bytes = b"",
    *,
    sequence: int = 0,
    acknowledged: int = 0,
    flags: int = ACK,
) -> bytes:
    """A TCP segment; the addresses are those of the IP packet that will carry it."""
    begin = struct.pack("!HHIIBBH", *ports, sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 5 << 4, flags, 64240)
    pseudo = _pseudo_header(source, destination, TCP, 20 + len(payload))
    total = checksum(pseudo + begin + b"\0\0\0\0" + payload)
    return begin + struct.pack("!HH", total, 0) + payload


def icmp_echo(number: int, payload: bytes, *, reply: bool = False) -> bytes:
    """An ICMP echo request or reply."""
    kind = 0 if reply else 8
    rest = struct.pack("!HH", 0x0D0C, number & 0xFFFF) + payload
    return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BBH", kind, 0, 0) + rest)) + rest


def icmpv6_echo(source: str, destination: str, number: int, payload: bytes, *, reply: bool = False) -> bytes:
    """An ICMPv6 echo request or reply."""
    kind = 129 if reply else 128
    rest = struct.pack("!HH", 0x0D0C, number & 0xFFFF) + payload
    pseudo = _pseudo_header(source, destination, ICMPV6, 4 + len(rest))
    return struct.pack("!BBH", kind, 0, checksum(pseudo + struct.pack("!BBH", kind, 0, 0) + rest)) + rest


def arp_request(source_mac: str, source: str, wanted: str) -> bytes:
    """A broadcast frame that asks who has an IPv4 address."""
    body = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, 1) + mac(source_mac) + address(source)
    payload = body + bytes(6) + address(wanted)
    return ethernet(source_mac, "ff:ff:ff:ff:ff:ff", payload + bytes(18), ethertype=ETHERTYPE_ARP)
