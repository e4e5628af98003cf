"""Whatever bytes a packet has: nothing is raised, nothing outside of it is read, and a cut makes no wrong answer."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docket.packet.decode import decode
from docket.packet.headers import Headers
from docket.packet.link import FIRST_HEADERS
from docket.packet.records import Records, scan
from tests.packet.decoded import block_of, decoded, levels_of
from tests.packet.levels import Level
from tests.packet.linked import MAKERS, packets

LINKTYPES = sorted(FIRST_HEADERS)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The packet with some bytes changed, taken out or put in, most of them where headers are."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = min(int(chance.expovariate(1 / 40)), max(0, len(changed) - 1))
        match chance.randrange(4):
            case 0 if changed:
                changed[at] = chance.randrange(256)
            case 1 if changed:
                changed[at] = chance.choice((0, 0x45, 0x60, 0x81, 0x88, 0x47, 0xFF, 4, 6, 17, 41, 44, 47))
            case 2:
                del changed[at : at + chance.choice((1, 2, 4, 8))]
            case _:
                changed[at:at] = chance.randbytes(chance.choice((1, 2, 4, 8)))
    return bytes(changed)


def hostile(linktype: int, count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    kind = linktype if linktype in MAKERS else 101
    return [mutated(packet.data, chance) for packet in packets(kind, count, seed)]


def opened(headers: Headers) -> list[bool]:
    """Records of which something is not known."""
    found = np.zeros(headers.count, dtype=np.bool_)
    for layer in headers.layers:
        found[layer.record[layer.open != 0]] = True
    return [bool(one) for one in found]


@pytest.mark.parametrize("linktype", LINKTYPES)
def test_many_packets_at_once_are_read_as_each_alone(linktype: int) -> None:
    """Spoiled packets have no influence on each other: together they give what each gives by itself."""
    made = hostile(linktype, 150, seed=linktype)
    together = levels_of(decoded(made, linktype))
    assert together == [levels_of(decoded([data], linktype))[0] for data in made]


@pytest.mark.parametrize("linktype", LINKTYPES)
def test_bytes_outside_of_a_packet_are_not_read(linktype: int) -> None:
    """What stands behind and before a packet in the buffer changes nothing, also at the buffer's very end."""
    made = hostile(linktype, 150, seed=100 + linktype)
    expected = levels_of(decoded(made, linktype))
    for filler in (b"\0", b"\xff", b"\x45\x60\x81\0\x88\x47"):
        between = filler * 40
        starts = np.cumsum([len(between)] + [len(data) + len(between) for data in made[:-1]]).astype(np.int64)
        buffer = b"".join(between + data for data in made)
        lengths = np.array([len(data) for data in made], dtype=np.int64)
        records = Records(starts, lengths, lengths, np.zeros_like(starts))
        assert levels_of(decode(buffer, records, linktype)) == expected


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_a_cut_packet_says_the_same_or_does_not_know(linktype: int) -> None:
    """Cut anywhere, a packet gives no value that the whole one does not have, and flags what it lost of the way."""
    for data in hostile(linktype, 25, seed=200 + linktype) + [one.data for one in packets(linktype, 25, linktype)]:
        whole = levels_of(decoded([data], linktype))[0]
        size = min(len(data), 260)
        headers = decoded([data[:cut] for cut in range(size)], linktype, [len(data)] * size)
        for cut, (found, is_open) in enumerate(zip(levels_of(headers), opened(headers), strict=True)):
            assert_part(found, whole, is_open, (data.hex(), cut))


def assert_part(found: tuple[Level, ...], whole: tuple[Level, ...], is_open: bool, what: object) -> None:
    """What was found is part of the whole; where the way is known to its end, only single values may be missing."""
    assert len(found) <= len(whole) or is_open, what
    for part, full in zip(found, whole, strict=False):
        for name in ("source", "destination", "protocol", "ports"):
            assert getattr(part, name) in (None, getattr(full, name)), (what, name)
        assert part.vlans == full.vlans[: len(part.vlans)], what
        assert part.labels == full.labels[: len(part.labels)], what
        if not is_open:
            assert (part.protocol, part.vlans, part.labels) == (full.protocol, full.vlans, full.labels), what
    assert is_open or len(found) == len(whole), what


@given(st.sampled_from(LINKTYPES), st.lists(st.binary(max_size=120), max_size=8), st.integers(0, 100))
@settings(max_examples=400, deadline=None)
def test_random_bytes_are_never_an_error(linktype: int, made: list[bytes], more: int) -> None:
    """Packets of random bytes, whole or cut, decode without an exception."""
    headers = decoded(made, linktype, [len(data) + more for data in made])
    assert headers.count == len(made)
    assert len(levels_of(headers)) == len(made)


@pytest.mark.parametrize(
    "unit",
    [
        b"\x81\x00\x00\x64",
        b"\x88\x47\x00\x04\xd0\x40" + b"\x00\x04\xd0\x40" * 60,
        b"\x86\xdd\x60\0\0\0\0\0\0\x40" + bytes(32) + b"\0\0\1\4\0\0\0\0" * 60,
    ],
)
def test_a_packet_of_nothing_but_headers_ends(unit: bytes) -> None:
    """A packet of 65 thousand tags, labels or extension headers is given up after some, and said to be unknown."""
    data = (bytes(12) + unit * 20_000)[:65_000]
    if unit[:2] != b"\x81\x00":
        data = bytes(12) + unit[: len(unit) - 4 * 60 if unit[0] == 0x88 else len(unit) - 8 * 60]
        data += (unit[-4:] if unit[0] == 0x88 else unit[-8:]) * 8_000
    headers = decoded([data] * 50, 1)
    assert all(opened(headers))


def test_a_length_beyond_all_bounds_is_no_header() -> None:
    """A record that tells of more bytes on the wire than can be is decoded by what was kept."""
    made = packets(1, 50, seed=2)
    headers = decoded([packet.data for packet in made], 1, [2**32 - 1] * 50)
    assert levels_of(headers) == [packet.levels for packet in made]
    headers = decoded([packet.data for packet in made], 1, [0] * 50)
    assert levels_of(headers) == [packet.levels for packet in made]


def test_a_record_outside_of_the_buffer_is_refused() -> None:
    """Records of another buffer are an error of the caller."""
    block = block_of([b"abc"])
    with pytest.raises(IndexError):
        decode(block[:-1], scan(block).records)
