"""Which values occur in packets, and in which of them: for an index that excludes. Pure; anybody may import it.

    for found in occurring(decode(block, scanned.records, linktype)):
        found.kind           "address4", "address6", "port", "protocol", "vlan", "label", "mac", "ethertype"
        found.values         one number per occurrence; an IPv6 address is a row of two: upper and lower half
        found.records        the index of the record of each

The values are those of all layers, so that what is not listed for a record can match no term in it, asked of the
outside, the inside or both. Ports are those of TCP, UDP and SCTP. `unsure` gives the records that a term may match
or leave undecided although its value is not listed, because they were cut: they belong to every question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from docket.packet.headers import NONE, Headers, Layer
from docket.packet.octets import Integers, Mask, where

ValueKind: TypeAlias = Literal["address4", "address6", "port", "protocol", "vlan", "label", "mac", "ethertype"]

_ETHERTYPES = {4: 0x0800, 6: 0x86DD}


@dataclass(frozen=True, slots=True, eq=False)
class Occurrences:
    """The occurrences of one kind in one layer, on one side."""

    kind: ValueKind
    values: NDArray[Any]
    """uint32 for IPv4 addresses and labels, uint64 for MAC addresses and (in two columns) IPv6 ones, uint16, uint8."""
    records: Integers


def occurring(headers: Headers) -> Iterator[Occurrences]:
    """All values of all layers; a kind comes several times, and never empty."""
    for layer in headers.layers:
        for found in _of_layer(layer):
            if found.records.size:
                yield found


def unsure(headers: Headers) -> Mask:
    """The records of which something that a term asks for may be missing, for they were cut."""
    found = np.zeros(headers.count, dtype=np.bool_)
    for layer in headers.layers:
        if not layer.is_whole:
            found[layer.record[_cut(layer)]] = True
    return found


def _cut(layer: Layer) -> Mask:
    cut: Mask = layer.open != 0
    for family, places in ((4, ((12, 4), (16, 4))), (6, ((8, 16), (24, 16)))):
        for offset, size in places:
            cut |= (layer.family == family) & layer.missing(layer.ip_at + offset, size)
    for offset in (0, 2):
        cut |= layer.with_ports() & layer.missing(layer.transport_at + offset, 2)
    return cut | layer.missing(layer.mac_from_at, 6) | layer.missing(layer.mac_to_at, 6)


def _of_layer(layer: Layer) -> Iterator[Occurrences]:
    for rows, addresses in (layer.source4(), layer.destination4()):
        yield Occurrences("address4", addresses.astype(np.uint32), layer.record[rows])
    for rows, (upper, lower) in (layer.source6(), layer.destination6()):
        yield Occurrences("address6", np.stack((upper, lower), axis=1), layer.record[rows])
    for rows, ports in (layer.source_port(), layer.destination_port()):
        yield Occurrences("port", ports.astype(np.uint16), layer.record[rows])
    for rows, macs in (layer.mac_from(), layer.mac_to()):
        yield Occurrences("mac", macs.astype(np.uint64), layer.record[rows])
    rows = where(layer.protocol != NONE)
    yield Occurrences("protocol", layer.protocol[rows].astype(np.uint8), layer.record[rows])
    yield Occurrences("vlan", layer.vlan[1].astype(np.uint16), layer.record[layer.vlan[0]])
    yield Occurrences("label", layer.label[1].astype(np.uint32), layer.record[layer.label[0]])
    yield from _ethertypes(layer)


def _ethertypes(layer: Layer) -> Iterator[Occurrences]:
    """What the words ip, ip6 and arp ask for: the type, or where no header says it the version of IP."""
    types = layer.ethertype.copy()
    for family, value in _ETHERTYPES.items():
        types[layer.family == family] = value
    rows = where(types != NONE)
    yield Occurrences("ethertype", types[rows].astype(np.uint16), layer.record[rows])
