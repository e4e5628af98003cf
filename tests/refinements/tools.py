"""Captures as the original programs read and change them; and bytes of pcapng, read and written here alone."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.workers.inspector.reference_tshark import ENVIRON

_WALL_S = 120


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet of a capture."""

    time_ns: int
    data: bytes
    wire_length: int
    interface: str
    linktype: int


def read(path: Path) -> list[Frame]:
    """Of a pcapng file in the order of this machine's bytes."""
    content, at = path.read_bytes(), 0
    found: list[Frame] = []
    interfaces: list[tuple[str, int, int]] = []
    while at < len(content):
        kind, size = struct.unpack_from("<II", content, at)
        body = content[at + 8 : at + size - 4]
        at += size
        if kind == 1:
            interfaces.append(_interface(body))
        elif kind == 6:
            number, high, low, kept, wire = struct.unpack_from("<IIIII", body)
            name, linktype, unit_ns = interfaces[number]
            found.append(Frame((high << 32 | low) * unit_ns, body[20 : 20 + kept], wire, name, linktype))
    return found


def _interface(body: bytes) -> tuple[str, int, int]:
    """Name, link type, and how many nanoseconds its unit of time has."""
    (linktype,) = struct.unpack_from("<H", body)
    name, digits, at = "", 6, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from("<HH", body, at)
        value = body[at + 4 : at + 4 + size]
        name = value.decode() if code == 2 else name
        digits = value[0] if code == 9 else digits
        at += 4 + size + -size % 4
    assert digits <= 9
    return name, linktype, 10 ** (9 - digits)


def write(path: Path, frames: Sequence[Frame]) -> Path:
    """As pcapng with an interface for each name and link type, in nanoseconds."""
    kinds = list(dict.fromkeys((one.interface, one.linktype) for one in frames))
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for name, linktype in kinds:
        options = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")
        blocks.append(_block(1, struct.pack("<HHI", linktype, 0, 0) + options))
    for one in frames:
        place = kinds.index((one.interface, one.linktype))
        head = struct.pack("<IIIII", place, one.time_ns >> 32, one.time_ns & 0xFFFFFFFF, len(one.data), one.wire_length)
        blocks.append(_block(6, head + one.data + bytes(-len(one.data) % 4)))
    path.write_bytes(b"".join(blocks))
    return path


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def editcap(path: Path, frames: Sequence[Frame], *options: str) -> list[Frame]:
    """What editcap leaves of packets; `path` is written and read."""
    if not frames:
        return []
    changed = path.with_suffix(".changed")
    _run("editcap", "-F", "pcapng", *options, str(write(path, frames)), str(changed))
    return read(changed)


def shown(path: Path, display_filter: str) -> set[int]:
    """The numbers of the packets of a file that tshark shows, from 0 on."""
    printed = _run("tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields", "-e", "frame.number")
    return {int(line) - 1 for line in printed.split()}


def let_through(path: Path, frames: Sequence[Frame], packet_filter: str) -> set[int] | None:
    """The numbers of those that tcpdump lets through, without its optimizer; None where it knows no such filter.

    It is given the packets of each link type for itself, with their numbers in place of the seconds.
    """
    found, known = set(), False
    for linktype in {one.linktype for one in frames}:
        header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, linktype)
        records = (
            struct.pack("<IIII", number, 0, len(one.data), one.wire_length) + one.data
            for number, one in enumerate(frames)
            if one.linktype == linktype
        )
        path.write_bytes(header + b"".join(records))
        found |= set(_seconds(_tcpdump(path, "-O", "-w", "-", "--", packet_filter).stdout))
        # Only the optimizer sees that a filter lets nothing through, which is refused.
        known |= _tcpdump(path, "-d", "--", packet_filter).returncode == 0
    assert known or not found
    return found if known else None


def _tcpdump(path: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["tcpdump", "-n", "-r", str(path), *arguments]
    return subprocess.run(command, env=ENVIRON, capture_output=True, timeout=_WALL_S)


def _seconds(content: bytes) -> Iterable[int]:
    at = 24
    while at < len(content):
        seconds, _, size, _ = struct.unpack_from("<IIII", content, at)
        yield seconds
        at += 16 + size


def outermost_packets(path: Path) -> list[tuple[int, int] | None]:
    """Where the first IP header of each packet stands and which version it is, as tshark finds it."""
    protocols = "ip ipv6 frame"
    printed = _run("tshark", "-n", "-r", str(path), "-T", "json", "-x", "-J", protocols, "--no-duplicate-keys")
    found: list[tuple[int, int] | None] = []
    for packet in json.loads(printed):
        layers = packet["_source"]["layers"]
        places = [
            (*_first(layers[name + "_raw"]), version)
            for name, version in (("ip", 4), ("ipv6", 6))
            if name + "_raw" in layers
        ]
        found.append(min(places) if places else None)
    return found


def _first(raw: list[object]) -> tuple[int]:
    """The smallest position: of one layer, or of several."""
    many = raw if isinstance(raw[0], list) else [raw]
    return (min(int(one[1]) for one in many),)  # type: ignore[index]


def _run(*command: str) -> str:
    return subprocess.run(command, env=ENVIRON, capture_output=True, check=True, timeout=_WALL_S).stdout.decode()
