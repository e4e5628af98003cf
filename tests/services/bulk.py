"""Bulk traffic for measuring: capture files of any size, written at about a million packets a second. Pure.

For bench/ and tests of limits. Every packet is different and its checksums are right: each carries a counter and the
counter's complement, whose sum does not change.
"""

import random
import struct
from pathlib import Path

from docket.packet.pcap import RECORD_HEADER, file_header
from tests.services import frames
from tests.services.traffic import START_US

PACKETS = 840_000
"""With the mix of lengths below this is about 424 MB, the size that the design's figures are given for."""

SERVER, NEEDLE_CLIENT, NEEDLE_PORT = "10.9.0.1", "10.9.9.9", 9999
"""Every bulk packet is to or from SERVER; the needle is the one conversation that a narrow query finds."""

NEEDLE_PACKETS = 50

_LENGTHS = ((0, 40), (120, 20), (380, 15), (1400, 25))
"""Payload bytes and how many packets in a hundred have them: acknowledgements, small talk, full segments."""

_COUNTERS = struct.Struct("<QQ")
_FULL = 2**64 - 1
_TEMPLATES = 2048
_PIECE_PACKETS = 20_000


def write_bulk(path: Path, packets: int = PACKETS, *, seed: int = 1, step_us: int = 5) -> int:
    """Write a capture with so many packets, step_us apart, and give its size in bytes.

    Of these, NEEDLE_PACKETS (or all, if fewer are asked for) belong to the needle and are spread evenly.
    """
    chance = random.Random(seed)
    templates = [_frame(chance, number) for number in range(_TEMPLATES)]
    order = chance.choices(templates, k=_PIECE_PACKETS)
    needle = _datagram(NEEDLE_CLIENT, (50009, NEEDLE_PORT), 0)
    needle_every = max(1, packets // NEEDLE_PACKETS)
    pack_header, pack_counters = RECORD_HEADER.pack, _COUNTERS.pack
    with path.open("wb") as file:
        file.write(file_header())
        for start in range(0, packets, _PIECE_PACKETS):
            pieces: list[bytes] = []
            for number in range(start, min(start + _PIECE_PACKETS, packets)):
                is_needle = number % needle_every == 0 and number // needle_every < NEEDLE_PACKETS
                frame = needle if is_needle else order[number - start]
                length = len(frame) + 16
                seconds, rest_us = divmod(START_US + number * step_us, 1_000_000)
                pieces += (
                    pack_header(seconds, rest_us, length, length),
                    frame,
                    pack_counters(number, _FULL - number),
                )
            file.write(b"".join(pieces))
        return file.tell()


def _frame(chance: random.Random, number: int) -> bytes:
    """One frame of the mix, whose last 16 bytes are still missing."""
    lengths, weights = zip(*_LENGTHS, strict=True)
    (length,) = chance.choices(lengths, weights)
    client = f"10.8.{number % 250}.{1 + number // 250}"
    return _datagram(client, (chance.randrange(20000, 60000), chance.choice((53, 443, 443, 8443))), length)


def _datagram(client: str, ports: tuple[int, int], length: int) -> bytes:
    # The counter and its complement add up to what 16 bytes of ones do, so the checksum can be made with these.
    payload = bytes(length) + b"\0" * 8 + b"\xff" * 8
    packet = frames.ipv4(client, SERVER, frames.UDP, frames.udp(client, SERVER, ports, payload))
    return frames.ethernet("02:00:00:00:03:10", "02:00:00:00:03:01", packet)[:-16]
