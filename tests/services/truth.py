"""What a right answer is: the packets of tcpdump's own capture, through tcpdump's own filter.

Pure but for tcpdump itself. A record is compared by its time in µs and its bytes.
"""

import struct
import subprocess
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


def packets_of(capture: Path | bytes) -> list[Packet]:
    """Read all packets of a little-endian capture in the order they are in, with their times in microseconds.

    Raises ValueError if the capture ends in the middle of a record.
    """
    content = capture if isinstance(capture, bytes) else capture.read_bytes()
    times, places, end = scan(content, FILE_HEADER_BYTES)
    if end != len(content):
        raise ValueError(f"{len(content) - end} bytes too many: half a record")
    packets = [content[begin + 16 : stop] for begin, stop in pairwise(places)]
    if content[:4] == NANOSECONDS:
        moments = [struct.unpack_from("<II", content, begin) for begin in places[:-1]]
        times = [seconds * 1_000_000 + nanoseconds // 1_000 for seconds, nanoseconds in moments]
    return [Packet(time_us, frame) for time_us, frame in zip(times, packets, strict=True)]


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
