"""What `decode` finds in packets: the places of the headers, level by level, and the values read there on demand.

A *layer* is one level of encapsulation: everything up to and including one IP header and the ports behind it.
`Headers.layers[0]` is the outermost one and has one row per record; the layers behind it are what tunnels carry,
and have rows only for records with such a tunnel: `layer.record[row]` is the record's index. Pure; anybody may
import it.

A value that a packet does not have is just missing from the arrays: each reader gives the rows that have it, and
the values. `layer.open` marks the rows of which something is not known, because the packet was cut by the recorder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from docket.packet.octets import Integers, Mask, Octets, Wide, where

T = TypeVar("T")

TCP, UDP, SCTP = 6, 17, 132

NONE = -1
"""An offset or a number that a row does not have."""

LINK_CUT = 1
"""The packet was cut before it is known which header of the network layer follows, so nothing of this layer is."""
PROTOCOL_CUT = 2
"""The IP header, or its extension headers, were cut before the protocol."""
DEEPER_CUT = 4
"""It is not known whether a tunnel follows."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The headers of one level, as arrays with one element per row."""

    octets: Octets
    record: Integers
    """The index of the row's record; 0, 1, 2 … in the outermost layer."""
    captured_end: Integers
    """Offset behind the packet's last byte."""
    wire_end: Integers
    """The same, had the recorder kept the whole packet."""
    ethertype: Integers
    """What the link header says of what follows its tags, NONE where there is none."""
    family: NDArray[np.uint8]
    """4, 6, or 0 without an IP header."""
    ip_at: Integers
    """Offset of the IP header; beyond the packet's end where only the link header announces one."""
    protocol: Integers
    """The IP protocol, in IPv6 the one behind the extension headers; 44 in later fragments of IPv6."""
    transport_at: Integers
    """Offset of what follows the IP header; NONE in later fragments, which have no transport header."""
    mac_to_at: Integers
    mac_from_at: Integers
    """Offsets of six bytes each."""
    vlan: tuple[Integers, Integers]
    """Rows and VLAN ids, one pair of elements per tag."""
    label: tuple[Integers, Integers]
    """Rows and MPLS labels, one pair of elements per label."""
    open: NDArray[np.uint8]
    """Flags: LINK_CUT, PROTOCOL_CUT, DEEPER_CUT."""
    pseudowire: Mask
    """The IP header was found in an Ethernet frame behind MPLS labels."""
    _read: dict[str, tuple[Integers, object]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.record.size)

    @property
    def is_whole(self) -> bool:
        """Whether everything is known: no row was cut."""
        return self._once("whole", self._whole)[1]

    def lacks(self, flags: int) -> Mask:
        """Rows of which one of these things is not known."""
        found: Mask = (self.open & flags) != 0
        return found

    def source4(self) -> tuple[Integers, Integers]:
        """Rows with an IPv4 source address, and the addresses as numbers."""
        return self._once("source4", lambda: self._numbers(self._having(4, 12, 4), 12))

    def destination4(self) -> tuple[Integers, Integers]:
        return self._once("destination4", lambda: self._numbers(self._having(4, 16, 4), 16))

    def source6(self) -> tuple[Integers, tuple[Wide, Wide]]:
        """Rows with an IPv6 source address, and the upper and lower halves of the addresses."""
        return self._once("source6", lambda: self._halves(self._having(6, 8, 16), 8))

    def destination6(self) -> tuple[Integers, tuple[Wide, Wide]]:
        return self._once("destination6", lambda: self._halves(self._having(6, 24, 16), 24))

    def source_port(self) -> tuple[Integers, Integers]:
        """Rows of TCP, UDP and SCTP with a source port, and the ports. `protocol` tells of which they are."""
        return self._once("source_port", lambda: self._port(0))

    def destination_port(self) -> tuple[Integers, Integers]:
        return self._once("destination_port", lambda: self._port(2))

    def mac_from(self) -> tuple[Integers, Integers]:
        """Rows with the sender's MAC address, and the addresses as numbers of 48 bits."""
        return self._once("mac_from", lambda: self._mac(self.mac_from_at))

    def mac_to(self) -> tuple[Integers, Integers]:
        return self._once("mac_to", lambda: self._mac(self.mac_to_at))

    def with_ports(self) -> Mask:
        """Rows in which ports are to be expected, whether they were kept or not."""
        kinds = (self.protocol == TCP) | (self.protocol == UDP) | (self.protocol == SCTP)
        expected: Mask = kinds & (self.transport_at != NONE)
        return expected

    def missing(self, at: Integers, size: int) -> Mask:
        """Rows whose `size` bytes at an offset were on the wire, and were not kept."""
        end = at + size
        lost: Mask = (at != NONE) & (end > self.captured_end) & (end <= self.wire_end)
        return lost

    def _whole(self) -> tuple[Integers, bool]:
        cut = bool(self.open.any() or (self.captured_end < self.wire_end).any())
        return self.record, not cut

    def _having(self, family: int, offset: int, size: int) -> Integers:
        return where((self.family == family) & (self.ip_at + (offset + size) <= self.captured_end))

    def _numbers(self, rows: Integers, offset: int) -> tuple[Integers, Integers]:
        return rows, self.octets.u32(self.ip_at[rows] + offset)

    def _halves(self, rows: Integers, offset: int) -> tuple[Integers, tuple[Wide, Wide]]:
        at = self.ip_at[rows] + offset
        return rows, (self.octets.u64(at), self.octets.u64(at + 8))

    def _port(self, offset: int) -> tuple[Integers, Integers]:
        at = self.transport_at + offset
        rows = where(self.with_ports() & (at + 2 <= self.captured_end))
        return rows, self.octets.u16(at[rows])

    def _mac(self, places: Integers) -> tuple[Integers, Integers]:
        rows = where((places != NONE) & (places + 6 <= self.captured_end))
        at = places[rows]
        return rows, (self.octets.u32(at) << 16) | self.octets.u16(at + 4)

    def _once(self, name: str, read: Callable[[], tuple[Integers, T]]) -> tuple[Integers, T]:
        """Read once what several terms of a query ask for."""
        if name not in self._read:
            self._read[name] = read()
        return cast(tuple[Integers, T], self._read[name])


@dataclass(frozen=True, slots=True, eq=False)
class Headers:
    """The headers of all records that were decoded together."""

    count: int
    """How many records there are."""
    captured: Integers
    original: Integers
    """Lengths in bytes, as in `Records`."""
    layers: tuple[Layer, ...]
    """The outermost layer, then what tunnels carry, as deep as any packet goes: at most five, and a sixth
    where something lies deeper still, of which nothing is known."""
