"""Records are found in a block of a classic capture as tcpdump and Wireshark find them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docket.errors import CaptureError
from docket.packet import pcap
from docket.packet.records import LARGEST_RECORD_BYTES, ByteOrder, positions, scan, unpack_lengths


def record(order: str, seconds: int, fraction: int, data: bytes, original: int | None = None) -> bytes:
    length = len(data)
    return struct.pack(order + "IIII", seconds, fraction, length, length if original is None else original) + data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nanoseconds", "expected_ns"), [(False, 5_000_000_007_000), (True, 5_000_000_000_007)])
def test_both_orders_of_bytes_and_both_resolutions(order: ByteOrder, nanoseconds: bool, expected_ns: int) -> None:
    """The four classic forms give the same offsets and lengths, and times in nanoseconds."""
    block = bytes(24) + record(order, 5_000, 7, b"abcd", 60) + record(order, 5_001, 8, b"xy")
    scanned = scan(block, byte_order=order, nanoseconds=nanoseconds, start=24)
    assert scanned.records.data_at.tolist() == [40, 60]
    assert scanned.records.captured.tolist() == [4, 2]
    assert scanned.records.original.tolist() == [60, 2]
    assert scanned.records.time_ns[0] == expected_ns
    assert (scanned.end, scanned.damaged_at) == (len(block), None)


def test_odd_records_are_read_on() -> None:
    """A record without bytes, one with a fraction beyond a second and one longer than 65,535 bytes are records."""
    long = bytes(100_000)
    block = record("<", 1, 0, b"") + record("<", 2, 3_000_001, b"a") + record("<", 3, 0, long) + record("<", 4, 0, b"b")
    scanned = scan(block)
    assert scanned.records.captured.tolist() == [0, 1, 100_000, 1]
    assert scanned.records.time_ns.tolist() == [10**9, 5_000_001_000, 3 * 10**9, 4 * 10**9]


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_a_cut_block_gives_its_whole_records(packets: list[bytes], data: st.DataObject) -> None:
    """Wherever a block ends, the whole records before the cut are found, and `end` is where the rest begins."""
    pieces = [record("<", index, 0, packet) for index, packet in enumerate(packets)]
    block = b"".join(pieces)
    cut = data.draw(st.integers(0, len(block)))
    ends = [sum(map(len, pieces[: count + 1])) for count in range(len(pieces))]
    whole = sum(end <= cut for end in ends)
    scanned = scan(block[:cut])
    assert len(scanned.records) == whole
    assert scanned.end == ([0, *ends])[whole]
    assert scanned.damaged_at is None


@pytest.mark.parametrize("behind", [0, 400_000])
def test_an_impossible_length_is_damage(behind: int) -> None:
    """Behind the last good record the offset of the header that tells of too many bytes is given."""
    good = record("<", 1, 0, b"abcdef")
    bad = struct.pack("<IIII", 2, 0, LARGEST_RECORD_BYTES + 1, 5) + bytes(behind)
    scanned = scan(good + bad)
    assert len(scanned.records) == 1
    assert (scanned.end, scanned.damaged_at) == (len(good), len(good))


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(block: bytes) -> None:
    """Whatever the bytes are, the records lie inside of the block."""
    scanned = scan(block)
    assert scanned.end <= len(block)
    assert all(scanned.records.data_at + scanned.records.captured <= len(block))


_HEADERS = st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([0, 1, 5, 40, 262_144, 262_145, 2**32 - 1]))


@given(st.lists(_HEADERS, max_size=6), st.integers(0, 60), st.integers(0, 3), st.booleans())
def test_positions_are_those_of_the_plain_loop(
    headers: list[tuple[int, int, int]], cut: int, start: int, nanoseconds: bool
) -> None:
    """Good records, halves and headers that are none: both ways of finding records say the same, faults included."""
    block = bytes(start) + b"".join(
        struct.pack("<IIII", seconds, fraction, length, length) + bytes(min(length, 40))
        for seconds, fraction, length in headers
    )
    block = block[: max(len(block) - cut, start)]

    def found(how: str) -> object:
        try:
            if how == "plain":
                return pcap.scan(block, start, nanoseconds=nanoseconds)[:2]
            times, offsets = positions(block, start, nanoseconds=nanoseconds)
            return times.tolist(), offsets.tolist()
        except CaptureError as error:
            return str(error), error.offset

    assert found("plain") == found("quick")


_LENGTHS = st.sampled_from([0, 1, 5, 40, 41, 262_144, 262_145, 2**32 - 1])


@given(st.lists(_HEADERS, max_size=6), st.lists(_LENGTHS, max_size=7), st.booleans(), st.integers(0, 60))
def test_lengths_that_are_told_change_nothing(
    headers: list[tuple[int, int, int]], lies: list[int], truthful: bool, cut: int
) -> None:
    """True ones, false ones, too few and too many: the records are those that the bytes have."""
    block = b"".join(
        struct.pack("<IIII", seconds, fraction, length, length) + bytes(min(length, 40))
        for seconds, fraction, length in headers
    )
    block = block[: max(len(block) - cut, 0)]
    told = [length for _, _, length in headers] + lies if truthful else lies

    def found(lengths: list[int] | None) -> object:
        try:
            told = None if lengths is None else unpack_lengths(struct.pack(f"<{len(lengths)}I", *lengths))
            times, offsets = positions(block, lengths=told)
            return times.tolist(), offsets.tolist()
        except CaptureError as error:
            return str(error), error.offset

    assert found(told) == found(None)
