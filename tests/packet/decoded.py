"""Packets put through the decoder, and what it found written as the levels of `tests.packet.levels`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np

from docket.packet.decode import decode
from docket.packet.headers import NONE, Headers, Layer
from docket.packet.records import scan
from tests.packet.levels import Level


def block_of(packets: Sequence[bytes], originals: Sequence[int] | None = None) -> bytes:
    """The records of packets, without a file's header."""
    lengths = [len(packet) for packet in packets] if originals is None else originals
    return b"".join(
        struct.pack("<IIII", index, 0, len(packet), length) + packet
        for index, (packet, length) in enumerate(zip(packets, lengths, strict=True))
    )


def decoded(packets: Sequence[bytes], linktype: int, originals: Sequence[int] | None = None) -> Headers:
    block = block_of(packets, originals)
    scanned = scan(block)
    assert len(scanned.records) == len(packets)
    return decode(block, scanned.records, linktype)


def levels_of(headers: Headers) -> list[tuple[Level, ...]]:
    """What the decoder found, record by record."""
    found: list[list[Level]] = [[] for _ in range(headers.count)]
    for layer in headers.layers:
        for record, level in zip(layer.record.tolist(), _levels(layer), strict=True):
            found[record].append(level)
    return [tuple(levels) for levels in found]


def _levels(layer: Layer) -> list[Level]:
    source = _addresses(layer, "source")
    destination = _addresses(layer, "destination")
    from_port, to_port = _numbers(layer.source_port()), _numbers(layer.destination_port())
    senders, receivers = _numbers(layer.mac_from()), _numbers(layer.mac_to())
    vlans, labels = _listed(layer.vlan), _listed(layer.label)
    levels = []
    for row in range(len(layer)):
        protocol = int(layer.protocol[row])
        ports = (from_port[row], to_port[row]) if row in to_port else None
        macs = (_mac(senders.get(row)), _mac(receivers.get(row)))
        levels.append(
            Level(
                source.get(row),
                destination.get(row),
                None if protocol == NONE else protocol,
                ports,
                bool(layer.ethertype[row] == 0x0806),
                vlans.get(row, ()),
                labels.get(row, ()),
                macs if any(macs) else None,
                bool(layer.pseudowire[row]),
            )
        )
    return levels


def _addresses(layer: Layer, side: str) -> dict[int, IPv4Address | IPv6Address]:
    rows, values = layer.source4() if side == "source" else layer.destination4()
    rows6, (upper, lower) = layer.source6() if side == "source" else layer.destination6()
    found: dict[int, IPv4Address | IPv6Address] = {
        row: IPv4Address(value) for row, value in _numbers((rows, values)).items()
    }
    for row, high, low in zip(rows6.tolist(), upper.tolist(), lower.tolist(), strict=True):
        found[row] = ip_address((high << 64 | low).to_bytes(16, "big"))
    return found


def _numbers(pairs: tuple[np.ndarray, np.ndarray]) -> dict[int, int]:
    return dict(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))


def _listed(pairs: tuple[np.ndarray, np.ndarray]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for row, value in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
        found[row] = (*found.get(row, ()), value)
    return found


def _mac(number: int | None) -> str:
    return "" if number is None else number.to_bytes(6, "big").hex(":")
