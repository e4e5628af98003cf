"""What a file is, by its first bytes: a capture, a compressed file, a capture that cannot be read, or none. Pure.

A file counts as no capture only if it begins like something else, or if nothing about it says capture. What looks
like one and cannot be read is named with the reason, so that its packets are not taken for absent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from docket.packet.records import ByteOrder

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
FILE_HEADER_BYTES = 24


class Packing(Enum):
    """How a file is compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    LZ4 = "lz4"
    BZIP2 = "bzip2"
    XZ = "xz"


@dataclass(frozen=True, slots=True)
class Classic:
    """A classic PCAP: what its header of 24 bytes says."""

    byte_order: ByteOrder
    nanoseconds: bool
    record_header_bytes: int
    linktype: int
    swapped_lengths: Literal["no", "yes", "maybe"] = "no"
    """Before version 2.4 some programs wrote the two lengths the other way round."""


@dataclass(frozen=True, slots=True)
class NotReadable:
    """A capture, or what may be one, that Docket cannot read."""

    reason: str
    advice: str = ""


_MAGIC: dict[bytes, tuple[ByteOrder, bool, int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", False, 16),
    b"\xa1\xb2\xc3\xd4": (">", False, 16),
    b"\x4d\x3c\xb2\xa1": ("<", True, 16),
    b"\xa1\xb2\x3c\x4d": (">", True, 16),
    # Kuznetzov's tcpdump, and netsniff-ng -T 0xa1b2cd34: index, protocol and direction behind the lengths.
    b"\x34\xcd\xb2\xa1": ("<", False, 24),
    b"\xa1\xb2\xcd\x34": (">", False, 24),
    # netsniff-ng -T 0xa1e2cb12: the same with nanoseconds.
    b"\x12\xcb\xe2\xa1": ("<", True, 24),
    b"\xa1\xe2\xcb\x12": (">", True, 24),
}

_PACKINGS = {
    b"\x1f\x8b": Packing.GZIP,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
    b"\x04\x22\x4d\x18": Packing.LZ4,
    b"BZh": Packing.BZIP2,
    b"\xfd7zXZ\x00": Packing.XZ,
}
_SKIPPABLE = tuple(bytes((low,)) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
"""Frames without data, with which zstd files and lz4 files may begin. What follows tells which of the two it is."""

_FOREIGN = {
    b"snoop\0\0\0": "snoop, of Solaris",
    b"RTSS": "Microsoft Network Monitor 1",
    b"GMBU": "Microsoft Network Monitor 2",
    b"TRSNIFF data": "Sniffer",
    b"XCP\0": "NetXRay or Sniffer",
    b"\x1c\x00\x01\xac": "lcap, of Ixia",
    b"\x1c\x00\x01\xab": "lcap, of Ixia",
    b"\xac\x01\x00\x1c": "lcap, of Ixia",
    b"\xab\x01\x00\x1c": "lcap, of Ixia",
    b"\xa1\x2b\x3c\x4d": "pcap of Navtel",
    b"\x4d\x3c\x2b\xa1": "pcap of Navtel",
    b"btsnoop\0": "btsnoop",
    b"\xaa\xaa\xaa\xaa": "5View",
    b"\x01\x10\x4c\x00\x01\x05": "LANalyzer",
    b"TR\x00\x64": "nettl, of HP-UX",
    b"ObserverPktBufferVer": "Observer",
    b"\x05VNF": "Visual Networks",
    b"VL\0\0": "NetXRay",
    b"iptrace ": "iptrace, of AIX",
    b"EyeSDN": "EyeSDN",
    b"\x00\x00\x02\x00\x12\x05\x00\x10": "K12",
    b"+---------+---------------+": "K12 as text",
    b"\x7fver": "EtherPeek",
    b"NetS": "NetScaler trace",
    b"PEEK": "Peek",
}
_PACKED = {
    b"\x02\x21\x4c\x18": "lz4 of the old kind",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"PK\x03\x04": "zip",
    b"Rar!": "RAR",
    b"\x89LZO\0": "lzop",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress (.Z)",
    b"\x5d\0\0": "lzma of the old kind",
    b"\xff\x06\0\0sNaPpY": "snappy",
}
_STENOTYPE = b"\x02\0\0\0\x30\0\0\0"
"""A block of the kernel's packet ring, which stenotype writes as it is: version 3, 48 bytes to the private part."""
_TAR_MAGIC = slice(257, 262)
_ENCRYPTED_NAME = ".arkime"
_CAPTURE_NAMES = ("pcap", ".cap", ".dmp", ".dump", ".erf", ".snoop", ".trc", ".trace", ".ntar", "snort.log.")
_ADVICE = "Convert it to pcap or pcapng (editcap), or move it out of the directory."
_UNPACK = "Unpack it, or pack it again with gzip, zstd, lz4, xz or bzip2."

_SNIFFED_BYTES = 64
_MAGIC_BYTES = 4


def recognise(
    head: bytes, name: str, *, packed: bool = False
) -> Classic | Packing | NotReadable | Literal["pcapng"] | None:
    """What begins with these bytes; None for what is no capture. A file that is empty is none (yet).

    `packed`: the bytes come out of a compressed file; a second compression is not undone.
    """
    if name.endswith(_ENCRYPTED_NAME):
        return NotReadable("is encrypted by Arkime", "Let Arkime write it without encryption, or export it there.")
    if head.startswith(PCAPNG_MAGIC):
        return "pcapng"
    if head[:_MAGIC_BYTES] in _MAGIC:
        return _classic(head)
    packing = None if packed else _packing(head)
    return packing or (None if is_begun(head, name) else _foreign(head, name))


def is_begun(head: bytes, name: str) -> bool:
    """Whether this is all of a file that may become a capture, or that was one before its packets were lost."""
    if len(head) >= FILE_HEADER_BYTES:
        return False
    if len(head) >= _MAGIC_BYTES:
        return head[:_MAGIC_BYTES] in _MAGIC
    return named_like_a_capture(name) and any(magic.startswith(head) for magic in (*_MAGIC, PCAPNG_MAGIC))


def _classic(head: bytes) -> Classic | NotReadable | None:
    byte_order, nanoseconds, record_header_bytes = _MAGIC[head[:4]]
    if len(head) < FILE_HEADER_BYTES:
        return None  # being written in this very moment
    major, minor, linktype = struct.unpack_from(byte_order + "HH12xI", head, 4)
    if major != 2:
        return NotReadable(f"is PCAP of version {major}.{minor}, and only version 2 is known")
    swapped: Literal["no", "yes", "maybe"] = "no" if minor > 3 else ("maybe" if minor == 3 else "yes")
    return Classic(byte_order, nanoseconds, record_header_bytes, linktype & 0x03FF_FFFF, swapped)


def _packing(head: bytes) -> Packing | None:
    for magic, packing in _PACKINGS.items():
        if head.startswith(magic):
            return packing
    if head[:4] in _SKIPPABLE:
        rest = head[8 + int.from_bytes(head[4:8], "little") :]
        return (_packing(rest) if rest else None) or Packing.ZSTD
    return None


def _foreign(head: bytes, name: str) -> NotReadable | None:
    for magic, program in _FOREIGN.items():
        if head.startswith(magic):
            return NotReadable(f"is {program}, which cannot be read", _ADVICE)
    for magic, program in _PACKED.items():
        if head.startswith(magic) and (len(magic) > 3 or named_like_a_capture(name)):
            return NotReadable(f"is {program}, which cannot be read", _UNPACK)
    if named_like_a_capture(name) and _packing(head) is not None:
        return NotReadable("is compressed twice", _UNPACK)
    if head[_TAR_MAGIC] == b"ustar" and named_like_a_capture(head[:100].decode("latin-1")):
        return NotReadable("is a tar archive of captures, which cannot be read", "Unpack it.")
    if head.startswith(_STENOTYPE):
        advice = "Ask it by a source of the kind stenographer, which reads them."
        return NotReadable("is a file of stenographer's, which has a form of its own", advice)
    if len(head) >= FILE_HEADER_BYTES and not head.strip(b"\0"):
        return NotReadable("begins with zeros, as a loss of power leaves files", "Its packets are lost.")
    if head and named_like_a_capture(name) and not _is_text(head):
        return NotReadable(f"begins with {head[:4].hex(' ')}, which no known capture does", _ADVICE)
    return None


def named_like_a_capture(name: str) -> bool:
    lower = name.lower()
    return any(ending in lower for ending in _CAPTURE_NAMES)


def _is_text(head: bytes) -> bool:
    sample = head[:_SNIFFED_BYTES]
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in sample)
