"""What a right answer is: the packets of tcpdump's own capture, through tcpdump's own filter.

Pure but for tcpdump itself. A record is compared by its time in µs and its bytes.
"""

import struct
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER, file_header, scan
from tests.services import needs

_TAGS = (b"\x81\x00", b"\x88\xa8")


class Packet(NamedTuple):
    """One packet of a capture."""

    time_us: int
    frame: bytes


NANOSECONDS = bytes.fromhex("4d3cb2a1")
"""The magic of a little-endian capture with nanoseconds."""
PCAPNG = bytes.fromhex("0a0d0d0a")
_INTERFACE, _ENHANCED_PACKET = 1, 6
_RESOLUTION_IN_NS = struct.pack("<HHB3x", 9, 1, 9)
"""An interface's option if_tsresol: 10 to the power of -9 s."""


def packets_of(capture: Path | bytes) -> list[Packet]:
    """Read all packets of a little-endian capture in the order they are in, with their times in microseconds.

    Raises ValueError if the capture ends in the middle of a record.
    """
    content = capture if isinstance(capture, bytes) else capture.read_bytes()
    if content[:4] == PCAPNG:
        return list(_enhanced_packets(content))
    times, places, end = scan(content, FILE_HEADER_BYTES)
    if end != len(content):
        raise ValueError(f"{len(content) - end} bytes too many: half a record")
    packets = [content[begin + 16 : stop] for begin, stop in pairwise(places)]
    if content[:4] == NANOSECONDS:
        moments = [struct.unpack_from("<II", content, begin) for begin in places[:-1]]
        times = [seconds * 1_000_000 + nanoseconds // 1_000 for seconds, nanoseconds in moments]
    return [Packet(time_us, frame) for time_us, frame in zip(times, packets, strict=True)]


def _enhanced_packets(content: bytes) -> Iterator[Packet]:
    """The packets of a little-endian pcapng of one section; the times of its interfaces are micro- or nanoseconds."""
    place, per_us = 0, []
    while place < len(content):
        kind, size = struct.unpack_from("<II", content, place)
        if place + size > len(content) or struct.unpack_from("<I", content, place + size - 4) != (size,):
            raise ValueError(f"half a block at byte {place}")
        if kind == _INTERFACE:
            per_us.append(1_000 if _RESOLUTION_IN_NS in content[place + 16 : place + size - 4] else 1)
        elif kind == _ENHANCED_PACKET:
            interface, high, low, captured = struct.unpack_from("<IIII", content, place + 8)
            yield Packet((high << 32 | low) // per_us[interface], content[place + 28 : place + 28 + captured])
        place += size


def filtered(capture: Path, expression: str, after_us: int | None = None, before_us: int | None = None) -> list[Packet]:
    """Give the packets that tcpdump's filter takes from a capture and that lie in [after_us, before_us)."""
    command = [needs.program("tcpdump", "tcpdump"), "-n", "-r", str(capture), "-w", "-", expression]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    return [
        packet
        for packet in packets_of(output)
        if (after_us is None or packet.time_us >= after_us) and (before_us is None or packet.time_us < before_us)
    ]


def as_stored(wire: Path, truth: Path) -> None:
    """Write a capture as a stenographer would give it back: the kernel takes the outermost VLAN tag away."""
    pieces = [file_header()]
    for time_us, frame in packets_of(wire):
        kept = frame[:12] + frame[16:] if frame[12:14] in _TAGS else frame
        pieces += [RECORD_HEADER.pack(*divmod(time_us, 1_000_000), len(kept), len(kept)), kept]
    truth.write_bytes(b"".join(pieces))
