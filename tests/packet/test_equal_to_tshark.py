"""Addresses and ports of all levels are those that tshark finds, on each link type and in each tunnel it can follow."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.packet.decoded import block_of, decoded, levels_of
from tests.packet.levels import Level
from tests.packet.linked import MAKERS
from tests.packet.made import Maker

COUNT = 500
FIELDS = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.port", "udp.port", "sctp.port", "mpls.label")
_PORTS = {"tcp.port": 6, "udp.port": 17, "sctp.port": 132}
_NOT_BY_TSHARK = {
    166,  # taken for plain PPP
    163,  # 802.11 behind AVS needs its own checks
}


class _Followed(Maker):
    """Without what tshark does not look into, or takes for something else by a heuristic of its own.

    That is: IPv6 behind a mobility header, tags of old types, sessions of L2TP 3 whose cookie it was not told, an
    IPv4 header of 60 bytes in GTP-U, ERSPAN II without a sequence number,
    and a control word before an address that begins with a zero.
    """

    tag_types = (0x8100,)
    extensions = ((), (), (0,), (60, 43), (44,), (0, 44), (-1,))
    tunnels = tuple(name for name in Maker.tunnels if name not in ("l2tp3", "l2tp3_ip", "gtp"))
    sender_ports = (40001,)
    careless = 0.0
    wires = False


@pytest.mark.parametrize("linktype", sorted(set(MAKERS) - _NOT_BY_TSHARK))
def test_the_levels_are_those_of_tshark(linktype: int, tmp_path: Path) -> None:
    """For each made packet both name the same addresses, ports and labels, as often as they occur."""
    maker = _Followed(linktype + 1)
    made = [MAKERS[linktype](maker, 3).data for _ in range(COUNT)]
    found = levels_of(decoded(made, linktype))
    assert [_as_fields(levels) for levels in found] == _tshark(made, linktype, tmp_path)


def _as_fields(levels: Iterable[Level]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {name: [] for name in FIELDS}
    for level in levels:
        for name, address in (("src", level.source), ("dst", level.destination)):
            if address is not None:
                values[("ip." if address.version == 4 else "ipv6.") + name].append(str(address))
        for name, protocol in _PORTS.items():
            if level.protocol == protocol and level.ports:
                values[name] += map(str, level.ports)
        values["mpls.label"] += map(str, level.labels)
    return {name: sorted(found) for name, found in values.items()}


def _tshark(made: list[bytes], linktype: int, directory: Path) -> list[dict[str, list[str]]]:
    capture = directory / "made.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, linktype)
    capture.write_bytes(header + block_of(made))
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    for preference in ("ip.defragment:FALSE", "ipv6.defragment:FALSE"):
        command += ["-o", preference]
    for name in FIELDS:
        command += ["-e", name]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    rows = [line.split("\t") for line in shown.split("\n")[: len(made)]]
    return [
        {name: sorted(filter(None, text.split(";"))) for name, text in zip(FIELDS, row, strict=True)} for row in rows
    ]
