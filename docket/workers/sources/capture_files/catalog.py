"""What lies in a directory of rotated capture files, in time order. For `capture_files` only.

Files are known by their first bytes, not by their names: dumpcap, tcpdump and Suricata name them as they like.
Only the time of the first packet is read, and kept, since it never changes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docket.errors import CaptureError
from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER_BYTES, parse_file_header

US_PER_S = 1_000_000

DISORDER_US = 5 * US_PER_S
"""Packets of one file may be this much older than its first one (several queues, several interfaces)."""

LATE_MTIME_US = 60 * US_PER_S
"""How long after a file was last written its last packet may have been captured, clocks being what they are."""

_PCAPNG = b"\x0a\x0d\x0d\x0a"
_CLASSIC = frozenset(bytes.fromhex(magic) for magic in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d"))
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"BZh", b"\xfd7zXZ")
_PCAPNG_HEAD_BYTES = 1024 * 1024
"""The first packet of a pcapng file comes after its interfaces, and at times after names and secrets."""

_INTERFACE, _OBSOLETE_PACKET, _ENHANCED_PACKET = 1, 2, 6
_RESOLUTION_OPTION = 9


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """One file, as it was when it was listed."""

    path: Path
    first_us: int
    """Time of its first packet."""
    modified_us: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    files: tuple[CaptureFile, ...]
    """With at least one packet, by the time of their first packet."""
    unusable: tuple[CaptureFile, ...]
    """Compressed files and files that cannot be read; `first_us` is 0, as it is not known."""

    def overlapping(self, after_us: int, before_us: int) -> list[CaptureFile]:
        """The files that may hold packets of the window."""
        return [
            file
            for index, file in enumerate(self.files)
            if file.first_us - DISORDER_US < before_us and not self._ended_before(index, after_us)
        ]

    def _ended_before(self, index: int, after_us: int) -> bool:
        """Two witnesses must agree: the next file began before that time, and this one was last written before."""
        following = self.files[index + 1 : index + 2]
        if not following or following[0].first_us + DISORDER_US > after_us:
            return False
        return self.files[index].modified_us + LATE_MTIME_US < after_us


class CaptureIndex:
    """The capture files in a directory and in the directories right below it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._first_us: dict[tuple[str, int], int] = {}

    def list(self) -> Listing:
        """Look at the directory. Raises OSError if it cannot be read."""
        files: list[CaptureFile] = []
        unusable: list[CaptureFile] = []
        known: dict[tuple[str, int], int] = {}
        for entry in _entries(self._directory):
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # rotated away in this very moment
            path, identity = Path(entry.path), (entry.path, status.st_ino)
            modified_us = status.st_mtime_ns // 1000
            try:
                first_us = self._first_us.get(identity) or _first_packet_us(path)
            except FileNotFoundError:
                continue
            except (OSError, CaptureError):
                unusable.append(CaptureFile(path, 0, modified_us))
                continue
            if first_us is not None:
                known[identity] = first_us
                files.append(CaptureFile(path, first_us, modified_us, status.st_size))
        self._first_us = known
        files.sort(key=lambda file: (file.first_us, file.path))
        return Listing(tuple(files), tuple(unusable))


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Regular files of the directory and of those right below it."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                with os.scandir(entry.path) as below:
                    yield from (inner for inner in below if inner.is_file())
            elif entry.is_file():
                yield entry


def _first_packet_us(path: Path) -> int | None:
    """Time of the first packet; None if there is none yet, or if this is no capture at all.

    Raises OSError, and CaptureError for a capture that Docket cannot read.
    """
    with path.open("rb") as file:
        head = file.read(FILE_HEADER_BYTES + RECORD_HEADER_BYTES)
        if head[:4] in _CLASSIC:
            return _first_of_classic(head)
        if head[:4] == _PCAPNG:
            return _first_of_pcapng(head + file.read(_PCAPNG_HEAD_BYTES))
    if head.startswith(_COMPRESSED):
        raise CaptureError("compressed")
    return None


def _first_of_classic(head: bytes) -> int | None:
    if len(head) < FILE_HEADER_BYTES + RECORD_HEADER_BYTES:
        return None
    header = parse_file_header(head)
    seconds, fraction = struct.unpack_from(header.byte_order + "II", head, FILE_HEADER_BYTES)
    return int(seconds * US_PER_S + (fraction // 1000 if header.nanoseconds else fraction))


def _first_of_pcapng(head: bytes) -> int | None:
    """Walk the blocks up to the first packet (draft-ietf-opsawg-pcapng, section 4)."""
    order: Literal["<", ">"] = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    per_s: list[int] = []
    position = 0
    while position + 28 <= len(head):
        kind, length = struct.unpack_from(order + "II", head, position)
        if length < 12 or length % 4:
            raise CaptureError("a block of the file has no sensible length")
        if kind == _INTERFACE:
            per_s.append(_ticks_per_s(head[position + 16 : position + length - 4], order))
        elif kind in (_ENHANCED_PACKET, _OBSOLETE_PACKET):
            form = "III" if kind == _ENHANCED_PACKET else "HxxII"
            interface, high, low = struct.unpack_from(order + form, head, position + 8)
            if interface >= len(per_s):
                raise CaptureError("a packet names an interface that the file does not describe")
            return int(((high << 32) | low) * US_PER_S // per_s[interface])
        position += length
    if len(head) > _PCAPNG_HEAD_BYTES:
        raise CaptureError("no packet in the first megabyte of the file")
    return None


def _ticks_per_s(options: bytes, order: Literal["<", ">"]) -> int:
    """The clock of an interface: 10^n, or 2^n where the upper bit is set; microseconds by default."""
    position = 0
    while position + 5 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, position)
        if code == 0:
            break
        if code == _RESOLUTION_OPTION:
            value = options[position + 4]
            return int(2 ** (value & 0x7F) if value & 0x80 else 10**value)
        position += 4 + (length + 3) // 4 * 4
    return US_PER_S
