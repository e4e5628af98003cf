"""What a made packet holds, level by level: known because it was put there. Pure; for the tests of `docket.packet`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Level:
    """One level of encapsulation: all up to and including one IP header and its ports."""

    source: Address | None = None
    destination: Address | None = None
    protocol: int | None = None
    ports: tuple[int, int] | None = None
    is_arp: bool = False
    vlans: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    macs: tuple[str, str] | None = None
    """From and to."""
    pseudowire: bool = False
    """The IP header is in an Ethernet frame behind labels and a control word: outermost, and inside of a tunnel."""

    def behind(self, *, vlans: tuple[int, ...] = (), labels: tuple[int, ...] = ()) -> Level:
        """The same level with further tags and labels before all of it."""
        return replace(self, vlans=vlans + self.vlans, labels=labels + self.labels)


@dataclass(frozen=True, slots=True)
class Packet:
    """Bytes, and the levels in them from the outside to the inside."""

    data: bytes
    levels: tuple[Level, ...] = field(default=(Level(),))

    @property
    def outer(self) -> Level:
        return self.levels[0]

    def at_outer(self, data: bytes, outer: Level) -> Packet:
        """The same inside, with other bytes and another outermost level."""
        return Packet(data, (outer, *self.levels[1:]))
