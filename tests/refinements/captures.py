"""What sources recorded, made at random: packets of several link types, each with what it holds. Pure."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

from tests.packet.levels import Packet
from tests.packet.linked import MAKERS
from tests.packet.made import Maker
from tests.services import frames

START_US = 1_795_491_000_000_000
LONGEST_US = 60_000_000

KINDS = (
    (1,),
    (1,),
    (1, 1),
    (1, 1),
    (1, 101),
    (1, 113),
    (276, 1),
    (101, 228),
    (127, 1),
    (9,),
    (0,),
    (113, 113),
    (104, 276),
)
"""The link types of the sources of one result."""

_ROUTED = {1: 14, 113: 16, 276: 20, 101: 0, 228: 0, 0: 4}
"""Link types whose copies behind a router are recognised, and how long their own header is without tags."""


class Wire(Maker):
    """Without ERSPAN II that cannot be told from type I, and Ethernet behind labels, which is a guess."""

    careless = 0.0
    wires = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """One packet of one source."""

    time_ns: int
    data: bytes
    wire_length: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Recording:
    """What one source recorded, in order of time."""

    linktype: int
    nanoseconds: bool
    packets: list[Recorded]

    @property
    def records(self) -> bytes:
        """As a worker sends them."""
        per_s, unit_ns = (1_000_000_000, 1) if self.nanoseconds else (1_000_000, 1_000)
        parts = []
        for one in self.packets:
            seconds, fraction = divmod(one.time_ns // unit_ns, per_s)
            parts.append(struct.pack("<IIII", seconds, fraction, len(one.data), one.wire_length) + one.data)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Result:
    """What the sources of one job recorded."""

    recordings: tuple[Recording, ...]
    is_cut: bool
    """A recorder kept only the beginning of packets: what they hold cannot be known from what is there."""


def random_result(seed: int, count: int) -> Result:
    """Of one or two sources, with equal packets, retransmissions, and copies that the other source saw."""
    chance = random.Random(seed)
    maker = Wire(seed)
    kinds = chance.choice(KINDS)
    is_cut = chance.random() < 0.2
    nanoseconds = [chance.random() < 0.4 for _ in kinds]
    lists: list[list[Recorded]] = [[] for _ in kinds]
    taken: set[int] = set()
    now_ns = START_US * 1_000
    while sum(map(len, lists)) < count:
        now_ns += chance.choice((1_000, 40_000, 1_000_000, 3_000_000, 30_000_000)) + chance.randrange(1_000)
        place = chance.randrange(len(kinds))
        packet = _one(chance, maker, kinds[place])
        _add(lists[place], taken, now_ns, packet, nanoseconds[place])
        for _ in range(chance.choice((0, 0, 0, 0, 1, 2, 4))):
            later_ns = now_ns + chance.choice((0, 2_000_000, 9_000_000, 10_000_000, 11_000_000, 400_000_000))
            other = chance.randrange(len(kinds))
            copy = packet if kinds[other] == kinds[place] else None
            if copy is not None and other != place and kinds[place] in _ROUTED and chance.random() < 0.6:
                copy = _routed(packet, kinds[place])
            if copy is not None:
                _add(lists[other], taken, later_ns, copy, nanoseconds[other])
    snaplen = chance.choice((20, 40, 60, 96))
    return Result(
        tuple(
            Recording(kind, exact, sorted((_cut(one, snaplen) if is_cut else one for one in found), key=_time))
            for kind, exact, found in zip(kinds, nanoseconds, lists, strict=True)
        ),
        is_cut,
    )


def _one(chance: random.Random, maker: Maker, kind: int) -> Packet:
    packet = MAKERS[kind](maker, chance.choice((0, 0, 1, 2, 3)))
    return Packet(b"", packet.levels) if chance.random() < 0.001 else packet


def _add(found: list[Recorded], taken: set[int], time_ns: int, packet: Packet, exact: bool) -> None:
    """At a microsecond of its own: the order of a result is then known, and its packets are known by their times."""
    while time_ns // 1_000 in taken:
        time_ns += 1_000
    taken.add(time_ns // 1_000)
    time_ns = time_ns if exact else time_ns // 1_000 * 1_000
    found.append(Recorded(time_ns, packet.data, len(packet.data), packet))


def _routed(packet: Packet, kind: int) -> Packet | None:
    """The same behind a router: other addresses of Ethernet, one hop less. None where it is no plain IP packet."""
    at = _ROUTED[kind]
    data = bytearray(packet.data)
    if packet.outer.source is None or packet.outer.vlans or packet.outer.labels or len(data) <= at:
        return None
    if data[at] >> 4 == 4:
        data[at + 8] -= 1
        data[at + 10 : at + 12] = bytes(2)
        size = (data[at] & 15) * 4
        data[at + 10 : at + 12] = struct.pack("!H", frames.checksum(bytes(data[at : at + size])))
    elif data[at] >> 4 == 6:
        data[at + 7] -= 1
    else:
        return None
    if kind == 1:
        data[0:12] = bytes.fromhex("0200000000110200000000ee")
    return Packet(bytes(data), packet.levels)


def _cut(one: Recorded, snaplen: int) -> Recorded:
    return Recorded(one.time_ns, one.data[:snaplen], one.wire_length, one.packet)


def _time(one: Recorded) -> int:
    return one.time_ns
