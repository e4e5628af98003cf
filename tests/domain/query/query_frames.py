"""A frame of each sort that a query must tell apart, by name. Pure; for the tests of the dialects."""

from __future__ import annotations

import struct

from tests.services import frames

A4, B4, C4 = "10.1.2.3", "10.9.0.1", "192.0.2.77"
A6, B6, C6 = "2001:db8::1", "2001:db8:0:ffff::2", "fe80::7"

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")


def _frame(packet: bytes, ethertype: int | None = None) -> bytes:
    frame = frames.ethernet(*_MACS, packet, ethertype=ethertype)
    return frame + bytes(max(0, 60 - len(frame)))


def _tcp(source: str, destination: str, ports: tuple[int, int]) -> bytes:
    segment = frames.tcp(source, destination, ports, b"data", sequence=1, acknowledged=1, flags=frames.ACK)
    return frames.ip(source, destination, frames.TCP, segment)


def _udp(source: str, destination: str, ports: tuple[int, int]) -> bytes:
    return frames.ip(source, destination, frames.UDP, frames.udp(source, destination, ports, b"data"))


def _with_options(packet: bytes) -> bytes:
    """An IPv4 packet with eight bytes of options."""
    head = bytearray(packet[:20])
    head[0] = 0x47
    head[2:4] = (len(packet) + 8).to_bytes(2, "big")
    head[10:12] = bytes(2)
    whole = bytes(head) + bytes([1] * 8)
    return whole[:10] + frames.checksum(whole).to_bytes(2, "big") + whole[12:] + packet[20:]


def _extended(packet: bytes, *extensions: tuple[int, int]) -> bytes:
    """An IPv6 packet with extension headers, each (number, length in bytes), put before its payload."""
    chain, following = b"", packet[6]
    for number, length in reversed(extensions):
        chain = bytes([following, length // 8 - 1, 1, length - 4]) + bytes(length - 4) + chain
        following = number
    size = len(packet) - 40 + len(chain)
    return packet[:4] + struct.pack("!HB", size, following) + packet[7:40] + chain + packet[40:]


def _stack(frame: bytes, *labels: int) -> bytes:
    """Put an MPLS stack before the packet of an untagged frame."""
    entries = b"".join(
        struct.pack("!I", label << 12 | int(label_is_last) << 8 | 64)
        for label, label_is_last in zip(labels, [False] * (len(labels) - 1) + [True], strict=True)
    )
    return frame[:12] + struct.pack("!H", frames.ETHERTYPE_MPLS) + entries + frame[14:]


def _tagged(frame: bytes, *vlans: int) -> bytes:
    """Put tags before what the frame carries, the outermost first."""
    for vlan in reversed(vlans):
        frame = frames.tagged(frame, vlan)
    return frame


def all_frames() -> dict[str, bytes]:
    """Some fifty frames; each at least 60 bytes long, as on a wire."""
    plain = {
        "tcp4": _frame(_tcp(A4, B4, (40000, 443))),
        "tcp4 back": _frame(_tcp(B4, A4, (443, 40000))),
        "udp4": _frame(_udp(A4, C4, (5353, 53))),
        "udp4 with options": _frame(_with_options(_udp(C4, B4, (53, 40001)))),
        "icmp4": _frame(frames.ipv4(A4, C4, frames.ICMP, frames.icmp_echo(1, b"ping"))),
        # The first four bytes behind the IP header say 80 and 443, where TCP has its ports.
        "sctp4": _frame(frames.ipv4(A4, B4, frames.SCTP, struct.pack("!HHII", 80, 443, 1, 0))),
        "gre4": _frame(frames.ipv4(B4, C4, frames.GRE, struct.pack("!HH", 0, 0x800) + _udp(A4, C4, (1, 53)))),
        "icmp6 in ipv4": _frame(frames.ipv4(A4, B4, frames.ICMPV6, bytes(24))),
        "tcp6": _frame(_tcp(A6, B6, (40000, 443))),
        "udp6": _frame(_udp(C6, A6, (53, 40000))),
        "icmp6": _frame(frames.ipv6(A6, C6, frames.ICMPV6, frames.icmpv6_echo(A6, C6, 1, b"ping"))),
        "icmp in ipv6": _frame(frames.ipv6(A6, C6, frames.ICMP, bytes(24))),
        "sctp6": _frame(frames.ipv6(A6, B6, frames.SCTP, struct.pack("!HHII", 80, 443, 1, 0))),
        "icmp6 hop by hop": _frame(_extended(frames.ipv6(C6, "ff02::16", frames.ICMPV6, bytes(28)), (_HOP_BY_HOP, 8))),
        "tcp6 behind 24 bytes": _frame(_extended(_tcp(A6, C6, (443, 80)), (_DESTINATION, 24))),
        "udp6 behind two": _frame(_extended(_udp(B6, C6, (53, 443)), (_HOP_BY_HOP, 16), (_ROUTING, 24))),
        "arp": _frame(frames.arp_request(_MACS[0], A4, B4)[14:], frames.ETHERTYPE_ARP),
        "lldp": _frame(bytes(60), 0x88CC),
    }
    pieces4 = frames.ipv4_fragments(A4, B4, frames.UDP, frames.udp(A4, B4, (53, 443), bytes(60)), ident=7, size=32)
    pieces6 = frames.ipv6_fragments(A6, B6, frames.UDP, frames.udp(A6, B6, (53, 443), bytes(60)), ident=7, size=32)
    plain |= {f"fragment4 {number}": _frame(piece) for number, piece in enumerate(pieces4)}
    plain |= {f"fragment6 {number}": _frame(piece) for number, piece in enumerate(pieces6)}
    made = dict(plain)
    for name in ("tcp4", "udp4", "icmp6", "udp6", "udp6 behind two", "fragment4 0", "fragment6 0", "arp"):
        made[f"{name} in vlan 100"] = _tagged(plain[name], 100)
        made[f"{name} in vlan 200 in 100"] = _tagged(plain[name], 100, 200)
    for name in ("tcp4", "udp4", "tcp6", "icmp6 hop by hop"):
        made[f"{name} in mpls 77"] = _stack(plain[name], 77)
        made[f"{name} in mpls 78 in 77"] = _stack(plain[name], 77, 78)
        made[f"{name} in mpls 77 in vlan 100"] = _tagged(_stack(plain[name], 77), 100)
        made[f"{name} in mpls 78 in 77 in vlan 200"] = _tagged(_stack(plain[name], 77, 78), 200)
    made["udp4 in a service tag"] = frames.tagged(_tagged(plain["udp4"], 100), 300, service=True)
    return made
