"""Classic PCAP written anew as pcapng, with a word about where it comes from. Pure; anybody may import it.

The format is that of draft-ietf-opsawg-pcapng: a section, one interface, and an enhanced block for each packet.
"""

from __future__ import annotations

import struct

from docket.packet.pcap import RECORD_HEADER_BYTES, Buffer, FileHeader, scan

_SECTION, _INTERFACE, _PACKET = 0x0A0D_0D0A, 1, 6
_BYTE_ORDER = 0x1A2B_3C4D
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF

_END, _COMMENT, _NAME, _APPLICATION, _RESOLUTION = 0, 1, 2, 4, 9
"""Options; a name is an interface's, an application a section's."""

_LONGEST_OPTION = 65_000


def beginning(header: FileHeader, *, application: str, comment: str, interface: str) -> bytes:
    """The blocks before the first packet of a capture that has this header."""
    section = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    section += _options((_COMMENT, comment), (_APPLICATION, application))
    # Without an option that says otherwise, times are in microseconds.
    described = struct.pack("<HHI", header.linktype, 0, header.snaplen)
    if header.nanoseconds:
        described += struct.pack("<HHBxxx", _RESOLUTION, 1, 9)
    described += _options((_NAME, interface))
    return _block(_SECTION, section) + _block(_INTERFACE, described)


def packets(records: Buffer, *, nanoseconds: bool = False) -> tuple[bytes, int]:
    """The whole records of a little-endian capture as blocks; gives them and where they end.

    Raises CaptureError as `scan` does.
    """
    timestamps, offsets, end = scan(records, nanoseconds=nanoseconds)
    blocks: list[bytes | memoryview] = []
    view = memoryview(records)
    for place, ticks in enumerate(timestamps):
        begin = offsets[place]
        length, wire_length = struct.unpack_from("<II", records, begin + 8)
        padding = -length % 4
        size = 32 + length + padding
        blocks.append(struct.pack("<IIIIIII", _PACKET, size, 0, ticks >> 32, ticks & 0xFFFF_FFFF, length, wire_length))
        blocks.append(view[begin + RECORD_HEADER_BYTES : begin + RECORD_HEADER_BYTES + length])
        blocks.append(bytes(padding) + struct.pack("<I", size))
    return b"".join(blocks), end


def _options(*given: tuple[int, str]) -> bytes:
    encoded = b""
    for code, text in given:
        value = text.encode()[:_LONGEST_OPTION]
        if value:
            encoded += struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
    return encoded + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
