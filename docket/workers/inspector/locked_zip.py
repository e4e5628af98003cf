"""A zip archive with the traditional encryption, which every unpacker reads. It keeps scanners out, not people.

The standard library reads such archives and does not write them (APPNOTE.TXT, 6.1).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator

_DOS_EPOCH = (0, 0x21)
"""1980-01-01 00:00; the list says when a file was transferred."""
_ENCRYPTED = 1


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ 0xEDB8_8320 if value & 1 else value >> 1
        table.append(value)
    return table


_CRC = _table()


def locked_zip(members: Iterable[tuple[str, bytes]], password: bytes) -> Iterator[bytes]:
    """The archive in pieces: names, which must be plain ASCII, and contents."""
    directory: list[bytes] = []
    at = 0
    for name, data in members:
        crc = zlib.crc32(data)
        packed = _deflated(data)
        body = encrypted(os.urandom(11) + bytes([crc >> 24]) + packed, password)
        header = struct.pack("<HHHHHIIIHH", 20, _ENCRYPTED, 8, *_DOS_EPOCH, crc, len(body), len(data), len(name), 0)
        local = b"PK\x03\x04" + header + name.encode()
        directory.append(b"PK\x01\x02\x14\x00" + header + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode())
        yield local
        yield body
        at += len(local) + len(body)
    central = b"".join(directory)
    count = len(directory)
    yield central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(central), at, 0)


def encrypted(data: bytes, password: bytes) -> bytes:
    """The traditional cipher: three keys, turned by each byte of the plain text."""
    crc, (key0, key1, key2) = _CRC, (0x1234_5678, 0x2345_6789, 0x3456_7890)
    for byte in password:
        key0 = (key0 >> 8) ^ crc[(key0 ^ byte) & 0xFF]
        key1 = ((key1 + (key0 & 0xFF)) * 134_775_813 + 1) & 0xFFFF_FFFF
        key2 = (key2 >> 8) ^ crc[(key2 ^ (key1 >> 24)) & 0xFF]
    out = bytearray(len(data))
    for place, byte in enumerate(data):
        mixed = (key2 | 2) & 0xFFFF
        out[place] = byte ^ ((mixed * (mixed ^ 1)) >> 8) & 0xFF
        key0 = (key0 >> 8) ^ crc[(key0 ^ byte) & 0xFF]
        key1 = ((key1 + (key0 & 0xFF)) * 134_775_813 + 1) & 0xFFFF_FFFF
        key2 = (key2 >> 8) ^ crc[(key2 ^ (key1 >> 24)) & 0xFF]
    return bytes(out)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
