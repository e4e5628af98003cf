"""Random packets of each link type that can be looked into. Pure but for chance; for the tests of `docket.packet`."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace

from tests.packet.levels import Level, Packet
from tests.packet.made import LABELS, MACS, VLANS, Maker, ethertype_of
from tests.services import frames


def ethernet(maker: Maker, depth: int) -> Packet:
    return maker.ethernet(depth)


def raw(maker: Maker, depth: int) -> Packet:
    return maker.ip(depth)


def raw4(maker: Maker, depth: int) -> Packet:
    return _of_version(maker, depth, 4)


def raw6(maker: Maker, depth: int) -> Packet:
    return _of_version(maker, depth, 6)


def _of_version(maker: Maker, depth: int, version: int) -> Packet:
    while (packet := maker.ip(depth)).data[0] >> 4 != version:
        pass
    return packet


def _typed(maker: Maker, depth: int) -> tuple[int, Packet]:
    """An Ethernet type and what it stands for, behind a tag or labels now and then."""
    chance = maker.chance
    if chance.random() < 0.05:
        return 0x0806, Packet(chance.randbytes(28), (Level(is_arp=True),))
    packet = maker.ip(depth)
    kind = ethertype_of(packet)
    if chance.random() < 0.2:
        label = chance.choice(LABELS)
        data = struct.pack("!I", label << 12 | 0x140) + packet.data
        kind, packet = 0x8847, packet.at_outer(data, packet.outer.behind(labels=(label,)))
    if chance.random() < 0.2:
        vlan = chance.choice(VLANS)
        data = struct.pack("!HH", vlan, kind) + packet.data
        kind, packet = 0x8100, packet.at_outer(data, packet.outer.behind(vlans=(vlan,)))
    return kind, packet


def cooked(maker: Maker, depth: int) -> Packet:
    kind, packet = _typed(maker, depth)
    sender = maker.chance.choice(MACS)
    head = struct.pack("!HHH", 0, 1, 6) + frames.mac(sender) + b"\0\0" + struct.pack("!H", kind)
    return _sent_by(packet, head, sender)


def cooked2(maker: Maker, depth: int) -> Packet:
    kind, packet = _typed(maker, depth)
    sender = maker.chance.choice(MACS)
    head = struct.pack("!HHIHBB", kind, 0, 3, 1, 0, 6) + frames.mac(sender) + b"\0\0"
    return _sent_by(packet, head, sender)


def _sent_by(packet: Packet, head: bytes, sender: str) -> Packet:
    return packet.at_outer(head + packet.data, replace(packet.outer, macs=(sender, "")))


def loopback(maker: Maker, depth: int) -> Packet:
    packet = maker.ip(depth)
    family = 2 if ethertype_of(packet) == 0x0800 else maker.chance.choice((24, 28, 30))
    return packet.at_outer(struct.pack(maker.chance.choice(maker.orders) + "I", family) + packet.data, packet.outer)


def loop(maker: Maker, depth: int) -> Packet:
    packet = maker.ip(depth)
    return packet.at_outer(struct.pack("!I", 2 if ethertype_of(packet) == 0x0800 else 24) + packet.data, packet.outer)


def ppp(maker: Maker, depth: int) -> Packet:
    return maker.ppp(depth)


def ppp_with_direction(maker: Maker, depth: int) -> Packet:
    packet = maker.ppp(depth)
    return packet.at_outer(bytes([maker.chance.randrange(2)]) + packet.data, packet.outer)


def pppd(maker: Maker, depth: int) -> Packet:
    packet = maker.ppp(depth, framing=(b"",))
    return packet.at_outer(bytes([maker.chance.randrange(2), 3]) + packet.data, packet.outer)


def pppoe(maker: Maker, depth: int) -> Packet:
    packet = maker.ppp(depth, framing=(b"",))
    return packet.at_outer(struct.pack("!BBHH", 0x11, 0, 5, len(packet.data)) + packet.data, packet.outer)


def serial(maker: Maker, depth: int) -> Packet:
    return (maker.ppp(depth, framing=(b"\xff\x03",))) if maker.chance.random() < 0.5 else cisco(maker, depth)


def cisco(maker: Maker, depth: int) -> Packet:
    packet = maker.ip(depth)
    head = struct.pack("!BBH", maker.chance.choice((0x0F, 0x8F)), 0, ethertype_of(packet))
    return packet.at_outer(head + packet.data, packet.outer)


def wifi(maker: Maker, depth: int) -> Packet:
    return _wifi(maker, depth, padded=False)


def _wifi(maker: Maker, depth: int, *, padded: bool) -> Packet:
    """A frame of data with LLC and SNAP, in each of the four ways to and from an access point."""
    chance = maker.chance
    kind, packet = _typed(maker, depth)
    sender, receiver, other = chance.choice(MACS), chance.choice(MACS), "0a:0a:0a:0a:0a:0a"
    way, quality = chance.choice(maker.wifi_ways), chance.random() < 0.5
    places = {
        0: (receiver, sender, other),
        1: (other, sender, receiver),
        2: (receiver, other, sender),
        3: (other, other, receiver, sender),
    }[way]
    head = bytes([0x88 if quality else 0x08, way]) + bytes(2)
    head += b"".join(frames.mac(address) for address in places[:3]) + bytes(2)
    head += frames.mac(places[3]) if way == 3 else b""
    head += bytes(2) if quality else b""
    head += bytes(-len(head) % 4) if padded else b""
    data = head + b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", kind) + packet.data
    return packet.at_outer(data, replace(packet.outer, macs=(sender, receiver)))


def radiotap(maker: Maker, depth: int) -> Packet:
    chance = maker.chance
    timed, flagged = chance.random() < 0.5, chance.random() < 0.7
    padded = maker.pads and flagged and chance.random() < 0.5
    body = bytes(8) if timed else b""
    body += bytes([0x20 if padded else 0]) if flagged else b""
    body += bytes(chance.randrange(8))
    head = struct.pack("<BBHI", 0, 0, 8 + len(body), int(timed) | 2 * flagged)
    frame = _wifi(maker, depth, padded=padded)
    return frame.at_outer(head + body + frame.data, frame.outer)


def prism(maker: Maker, depth: int) -> Packet:
    frame = _wifi(maker, depth, padded=False)
    return frame.at_outer(struct.pack("<II", 0x44, 144) + bytes(136) + frame.data, frame.outer)


def avs(maker: Maker, depth: int) -> Packet:
    frame = _wifi(maker, depth, padded=False)
    return frame.at_outer(struct.pack("!II", 0x80211001, 64) + bytes(56) + frame.data, frame.outer)


def ppi(maker: Maker, depth: int) -> Packet:
    frame = _wifi(maker, depth, padded=False)
    return frame.at_outer(struct.pack("<BBHI", 0, 0, 20, 105) + bytes(12) + frame.data, frame.outer)


def _snap(maker: Maker, depth: int, head: bytes) -> Packet:
    kind, packet = _typed(maker, depth)
    return packet.at_outer(head + b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", kind) + packet.data, packet.outer)


def atm(maker: Maker, depth: int) -> Packet:
    return _snap(maker, depth, b"")


def fibre_channel(maker: Maker, depth: int) -> Packet:
    return _snap(maker, depth, bytes(16))


def fddi(maker: Maker, depth: int) -> Packet:
    return _snap(maker, depth, b"\x50" + bytes(12))


MAKERS: dict[int, Callable[[Maker, int], Packet]] = {
    0: loopback,
    1: ethernet,
    9: ppp,
    10: fddi,
    50: serial,
    51: pppoe,
    100: atm,
    101: raw,
    104: cisco,
    105: wifi,
    108: loop,
    113: cooked,
    119: prism,
    122: fibre_channel,
    127: radiotap,
    163: avs,
    166: pppd,
    192: ppi,
    204: ppp_with_direction,
    228: raw4,
    229: raw6,
    276: cooked2,
}
"""By link type. The others are one of these behind some bytes that say nothing."""


def packets(linktype: int, count: int, seed: int, *, depth: int = 4) -> list[Packet]:
    """So many packets of a link type. Tunnels are nested up to so deep."""
    maker = Maker(seed)
    return [MAKERS[linktype](maker, depth) for _ in range(count)]


def shuffled(found: list[Packet], seed: int) -> list[Packet]:
    mixed = list(found)
    random.Random(seed).shuffle(mixed)
    return mixed
