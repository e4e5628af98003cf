"""Random packets of every encapsulation, each with what it holds. Pure but for the chance that is handed in.

Nothing here looks into bytes: a packet is put together from the inside to the outside, and its levels are noted on
the way. For the tests of `docket.packet`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from tests.packet.levels import Level, Packet
from tests.services import frames

HOSTS4 = ("10.1.2.3", "10.9.0.1", "192.0.2.77", "10.1.2.4", "203.0.113.9", "0.0.0.0", "255.255.255.255")
HOSTS6 = ("2001:db8::1", "2001:db8:0:ffff::2", "fe80::7", "::1", "2001:db8:0:0:8000::1", "ff02::16")
PORTS = (22, 53, 80, 443, 5060, 40001, 0, 65535)
VLANS = (0, 1, 100, 200, 4095)
LABELS = (16, 77, 78, 2**20 - 1)
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "00:1b:21:aa:bb:cc", "ff:ff:ff:ff:ff:ff")
TAG_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)

TCP, UDP, SCTP, GRE = 6, 17, 132, 47
_FRAGMENT = 44

Tunnel = Callable[[int], tuple[int, bytes, int | None, Packet]]
"""Gives the outer protocol, the tunnel's own header, the UDP port if it has one, and what is inside."""


class Maker:
    """Makes packets; two makers with the same seed make the same ones. Who wants less overrides the class's choices."""

    tag_types: tuple[int, ...] = TAG_TYPES
    extensions: tuple[tuple[int, ...], ...] = ((), (), (), (0,), (60, 43), (_FRAGMENT,), (135, _FRAGMENT, 60), (-1,))
    """Chains of IPv6 extension headers; -1 is the header of a later fragment."""
    tunnels: tuple[str, ...] = (
        "ip_in_ip",
        "etherip",
        "labels_in_ip",
        "gre_ip",
        "gre_frame",
        "erspan",
        "gre_ppp",
        "vxlan",
        "geneve",
        "gtp",
        "l2tp2",
        "l2tp3",
        "l2tp3_ip",
    )
    sender_ports: tuple[int, ...] = (40001, 53, 65535)
    """From which datagrams with tunnels come."""
    orders = "<>"
    """Of the bytes of a loopback header."""
    wifi_ways: tuple[int, ...] = (0, 1, 2, 3)
    """Between stations, to an access point, from one, from one to another."""
    pads = True
    """Whether an 802.11 header may be filled up to a multiple of four bytes."""
    careless = 0.2
    """How much of ERSPAN II comes without the sequence number that tells it from type I."""
    wires = True
    """Whether there is Ethernet behind labels."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def ethernet(self, depth: int) -> Packet:
        """A frame: tags, labels, and what they carry. `depth` bounds the tunnels inside."""
        pick = self.chance.random()
        if pick < 0.04:
            return self._framed(0x0806, Packet(self._bytes(28), (Level(is_arp=True),)))
        if pick < 0.07:
            return self._framed(0x88CC, Packet(self._bytes(50)))
        if pick < 0.13 and depth:
            return self._framed(0x8864, self._pppoe(depth))
        if pick < 0.30:
            return self._framed(self.chance.choice((0x8847, 0x8848)), self._labelled(depth))
        packet = self.ip(depth)
        return self._framed(ethertype_of(packet), packet)

    def ip(self, depth: int) -> Packet:
        """An IP packet of either version, with whatever inside."""
        protocol, carried, ports, inside = self._payload(depth)
        if self.chance.random() < 0.55:
            return self._ipv4(protocol, carried, ports, inside)
        return self._ipv6(protocol, carried, ports, inside)

    def _framed(self, ethertype: int, carried: Packet) -> Packet:
        most = self.chance.choice((0, 0, 0, 0, 1, 1, 2, 3, 5)) if self.tag_types else 0
        tags = [self.chance.choice(VLANS) for _ in range(most)]
        data = carried.data
        for tag in reversed(tags):
            data = struct.pack("!HH", self.chance.randrange(8) << 13 | tag, ethertype) + data
            ethertype = self.chance.choice(self.tag_types)
        macs = (self.chance.choice(MACS), self.chance.choice(MACS))
        data = frames.mac(macs[1]) + frames.mac(macs[0]) + struct.pack("!H", ethertype) + data
        return carried.at_outer(data, replace(carried.outer.behind(vlans=tuple(tags)), macs=macs))

    def _labelled(self, depth: int) -> Packet:
        labels = tuple(self.chance.choice(LABELS) for _ in range(self.chance.choice((1, 1, 2, 3))))
        carried = self._wire(depth) if self.wires and depth and self.chance.random() < 0.3 else self.ip(depth)
        data = carried.data
        for number, label in enumerate(reversed(labels)):
            data = struct.pack("!I", label << 12 | (number == 0) << 8 | 64) + data
        return carried.at_outer(data, carried.outer.behind(labels=labels))

    def _wire(self, depth: int) -> Packet:
        """Ethernet behind labels, with a control word or without. Only IP inside: how a frame is told is a guess."""
        packet = self.ip(depth - 1)
        word = self.chance.random() < 0.7
        frame = self._framed(ethertype_of(packet), packet)
        if word:
            # The addresses of a level are those of its first frame, which stands before the labels.
            return frame.at_outer(bytes(4) + frame.data, replace(frame.outer, pseudowire=True))
        return Packet(frame.data, (Level(), *frame.levels))

    def _pppoe(self, depth: int) -> Packet:
        carried = self.ppp(depth - 1, framing=(b"",))
        data = struct.pack("!BBHH", 0x11, 0, 7, len(carried.data)) + carried.data
        return Packet(data, (Level(), *carried.levels))

    def ppp(self, depth: int, framing: tuple[bytes, ...] = (b"", b"\xff\x03")) -> Packet:
        packet = self.ip(depth)
        number = {4: 0x0021, 6: 0x0057}[packet.data[0] >> 4]
        wide = self.chance.random() < 0.7
        protocol = struct.pack("!H", number) if wide else bytes([number])
        return Packet(self.chance.choice(framing) + protocol + packet.data, packet.levels)

    def _payload(self, depth: int) -> tuple[int, bytes, tuple[int, int] | None, tuple[Level, ...]]:
        """A protocol's number, what it carries, ports if it has them, and the levels inside."""
        if depth and self.chance.random() < 0.45:
            return self._tunnel(depth - 1)
        ports = (self.chance.choice(PORTS), self.chance.choice(PORTS))
        rest = self._bytes(self.chance.randrange(30))
        kind = self.chance.choice(("tcp", "tcp", "udp", "udp", "sctp", "icmp", "other"))
        if kind == "tcp":
            return TCP, struct.pack("!HHIIHHHH", *ports, 1, 2, 0x5010, 500, 0, 0) + rest, ports, ()
        if kind == "udp":
            return UDP, struct.pack("!HHHH", *ports, 8 + len(rest), 0) + rest, ports, ()
        if kind == "sctp":
            return SCTP, struct.pack("!HHII", *ports, 1, 0) + rest, ports, ()
        return (1 if kind == "icmp" else self.chance.choice((2, 58, 50, 51, 89))), b"\x08\0" + bytes(6) + rest, None, ()

    def _tunnel(self, depth: int) -> tuple[int, bytes, tuple[int, int] | None, tuple[Level, ...]]:
        make: Tunnel = getattr(self, "_" + self.chance.choice(self.tunnels))
        protocol, head, port, carried = make(depth)
        data = head + carried.data
        if port is None:
            return protocol, data, None, carried.levels
        ports = (self.chance.choice(self.sender_ports), port)
        return UDP, struct.pack("!HHHH", *ports, 8 + len(data), 0) + data, ports, carried.levels

    def _ip_in_ip(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        packet = self.ip(depth)
        return {4: 4, 6: 41}[packet.data[0] >> 4], b"", None, packet

    def _etherip(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        return 97, b"\x30\0", None, self.ethernet(depth)

    def _labels_in_ip(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        return 137, b"", None, self._labelled(depth)

    def _gre(self, kind: int, *, numbered: bool | None = None) -> bytes:
        checksum, key = self.chance.random() < 0.3, self.chance.random() < 0.3
        sequence = self.chance.random() < 0.3 if numbered is None else numbered
        flags = 0x8000 * checksum | 0x2000 * key | 0x1000 * sequence
        return struct.pack("!HH", flags, kind) + self._bytes(4) * (checksum + key + sequence)

    def _gre_ip(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        packet = self.ip(depth)
        return GRE, self._gre(ethertype_of(packet)), None, packet

    def _gre_frame(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        return GRE, self._gre(0x6558), None, self.ethernet(depth)

    def _gre_ppp(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        sequence, acknowledged = self.chance.random() < 0.5, self.chance.random() < 0.5
        flags = 0x2001 | 0x1000 * sequence | 0x0080 * acknowledged
        packet = self.ppp(depth)
        head = struct.pack("!HHHH", flags, 0x880B, len(packet.data), 7) + bytes(4) * (sequence + acknowledged)
        return GRE, head, None, packet

    def _erspan(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        frame = self.ethernet(depth)
        kind = self.chance.randrange(3)
        if kind == 0:
            return GRE, self._gre(0x88BE, numbered=False), None, frame
        if kind == 1:
            numbered = self.chance.random() >= self.careless
            return GRE, self._gre(0x88BE, numbered=numbered) + b"\x10\x64" + self._bytes(6), None, frame
        platform = self.chance.random() < 0.5
        head = b"\x20\x64" + bytes(8) + struct.pack("!H", int(platform)) + bytes(8 * platform)
        return GRE, self._gre(0x22EB, numbered=True) + head, None, frame

    def _vxlan(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        head = bytes([0x08, 0, 0, 0]) + self._bytes(3) + b"\0"
        return UDP, head, 4789, self.ethernet(depth)

    def _geneve(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        units = self.chance.choice((0, 0, 1, 3))
        options = (struct.pack("!HBB", 0x0102, 0x80, units - 1) + bytes(4 * (units - 1))) if units else b""
        frame = self.chance.random() < 0.7
        packet = self.ethernet(depth) if frame else self.ip(depth)
        kind = 0x6558 if frame else ethertype_of(packet)
        return UDP, struct.pack("!BBH", units, 0, kind) + self._bytes(3) + b"\0" + options, 6081, packet

    def _gtp(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        packet = self.ip(depth)
        extensions = self.chance.choice((0, 0, 1, 2))
        numbered = extensions == 0 and self.chance.random() < 0.5
        flags = 0x30 | 4 * bool(extensions) | 2 * numbered
        rest = b""
        if extensions or numbered:
            rest = struct.pack("!HBB", 9, 0, 0x85 if extensions else 0)
        if extensions:
            rest += b"\x01\0\x05" + (b"\x85" if extensions == 2 else b"\0")
        if extensions == 2:
            rest += b"\x02" + bytes(6) + b"\0"
        head = struct.pack("!BBHI", flags, 255, len(rest) + len(packet.data), 77)
        return UDP, head + rest, 2152, packet

    def _l2tp2(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        length, numbers, offset = (self.chance.random() < 0.5 for _ in range(3))
        packet = self.ppp(depth)
        flags = 0x4000 * length | 0x0800 * numbers | 0x0200 * offset | 2
        body = struct.pack("!HH", 5, 6) + bytes(4 * numbers)
        if offset:
            padding = self.chance.choice((0, 2, 6))
            body += struct.pack("!H", padding) + bytes(padding)
        size = 4 + len(body) + len(packet.data)
        return UDP, struct.pack("!H", flags) + struct.pack("!H", size) * length + body, 1701, packet

    def _l2tp3(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        return UDP, struct.pack("!HHI", 3, 0, 9) + self._cookie(), 1701, self._sensible(depth)

    def _l2tp3_ip(self, depth: int) -> tuple[int, bytes, int | None, Packet]:
        return 115, struct.pack("!I", 9) + self._cookie(), None, self._sensible(depth)

    def _cookie(self) -> bytes:
        return b"\xc0\x0c\x1e\x0f" * self.chance.choice((0, 1, 2))

    def _sensible(self, depth: int) -> Packet:
        """A frame that is told without knowing where it begins: IP inside."""
        packet = self.ip(depth)
        macs = (MACS[0], MACS[1])
        data = frames.ethernet(*macs, packet.data)
        return packet.at_outer(data, replace(packet.outer, macs=macs))

    def _ipv4(self, protocol: int, carried: bytes, ports: tuple[int, int] | None, inside: tuple[Level, ...]) -> Packet:
        source, destination = self.chance.choice(HOSTS4), self.chance.choice(HOSTS4)
        options = b"\x01" * self.chance.choice((0, 0, 0, 4, 8, 40))
        fragment = self.chance.choice((0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2005, 0x0005))
        later = bool(fragment & 0x1FFF)
        size = 20 + len(options) + len(carried)
        head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, size, 7, fragment, 64, protocol, 0)
        data = head + frames.address(source) + frames.address(destination) + options + carried
        level = Level(ip_address(source), ip_address(destination), protocol, None if later else ports)
        return Packet(data, (level, *(() if later else inside)))

    def _ipv6(self, protocol: int, carried: bytes, ports: tuple[int, int] | None, inside: tuple[Level, ...]) -> Packet:
        source, destination = self.chance.choice(HOSTS6), self.chance.choice(HOSTS6)
        following, body, later = protocol, carried, False
        for extension in self.chance.choice(self.extensions):
            later = extension == -1
            if extension in (_FRAGMENT, -1):
                body = struct.pack("!BBHI", following, 0, 0x0101 * later | 1, 7) + body
                following = _FRAGMENT
            else:
                units = self.chance.choice((0, 1, 3))
                body = bytes([following, units, 1, 4 + 8 * units]) + bytes(4 + 8 * units) + body
                following = extension
        head = struct.pack("!IHBB", 6 << 28, len(body), following, 64)
        data = head + frames.address(source) + frames.address(destination) + body
        known = _FRAGMENT if later else protocol
        level = Level(ip_address(source), ip_address(destination), known, None if later else ports)
        return Packet(data, (level, *(() if later else inside)))

    def _bytes(self, size: int) -> bytes:
        return self.chance.randbytes(size)


def ethertype_of(packet: Packet) -> int:
    """The Ethernet type of an IP packet."""
    return 0x0800 if packet.data[0] >> 4 == 4 else 0x86DD
