"""Classic PCAP as bytes: headers, scanning, trimming to a window and to limits, foreign byte orders."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docket.errors import CaptureError
from docket.packet.pcap import (
    FILE_HEADER_BYTES,
    RECORD_HEADER,
    Trimmed,
    convert,
    file_header,
    in_nanoseconds,
    in_us,
    parse_file_header,
    scan,
)
from docket.packet.record_cutter import trim
from docket.packet.records import positions, unpack_lengths

US = 1_000_000


def record(timestamp_us: int, data: bytes = b"packet") -> bytes:
    return RECORD_HEADER.pack(timestamp_us // US, timestamp_us % US, len(data), len(data)) + data


def records(*timestamps_us: int) -> bytes:
    return b"".join(record(timestamp_us, b"packet %d" % timestamp_us) for timestamp_us in timestamps_us)


def cut(data: bytes, after_us: int, before_us: int, **limits: int | None) -> Trimmed:
    return trim(data, positions(data), after_us, before_us, **limits)


def test_own_header_is_read_back() -> None:
    """The header that Docket writes says little-endian, microseconds, and the link type."""
    header = parse_file_header(file_header(linktype=113, snaplen=96))
    assert (header.byte_order, header.nanoseconds, header.linktype, header.snaplen, header.native) == (
        "<",
        False,
        113,
        96,
        True,
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "pcapng"),
        (b"<html><body>login</body></html>", "3c 68 74 6d"),
        (b"", r"\(none\)"),
        (file_header()[:20], "after 20 of 24 bytes"),
        (b"\xd4\xc3\xb2\xa1\x01\x00\x02\x00" + bytes(16), "version 1.2"),
    ],
)
def test_other_beginnings_are_refused(data: bytes, reason: str) -> None:
    """What is no classic capture of version 2 is refused, and the error says what it is."""
    with pytest.raises(CaptureError, match=reason):
        parse_file_header(data)


def test_frame_check_bits_are_not_part_of_the_link_type() -> None:
    """The upper four bits of the field do not disturb the link type."""
    data = file_header()[:20] + struct.pack("<I", 0x4400_0001 | 0xF000_0000)
    assert parse_file_header(data).linktype == 0x0400_0001


def test_scan_finds_records_and_leaves_the_rest() -> None:
    """Half a record at the end is not counted; `end` is where it begins."""
    whole = records(5, 7 * US + 3)
    assert scan(whole + record(9)[:-1]) == ([5, 7 * US + 3], [0, 24, len(whole)], len(whole))


def test_scan_starts_where_it_is_told() -> None:
    """Offsets count from the buffer's beginning, not from the start."""
    timestamps, offsets, end = scan(file_header() + record(5), FILE_HEADER_BYTES)
    assert (timestamps, offsets, end) == ([5], [24, 46], 46)


@pytest.mark.parametrize(
    "header",
    [(1, 0, 262_145, 60), (0, 0, 0, 0)],
    ids=["longer than any packet", "zeros"],
)
def test_impossible_record_is_named_by_its_offset(header: tuple[int, int, int, int]) -> None:
    """Garbage is an error at its first byte, even when the record is not whole yet."""
    with pytest.raises(CaptureError, match="at byte 22 "):
        scan(record(5) + RECORD_HEADER.pack(*header))


def test_odd_records_are_records() -> None:
    """One without bytes, and one whose fraction goes beyond a second, are read on as tcpdump does."""
    odd = RECORD_HEADER.pack(1, 2_000_007, 0, 60) + RECORD_HEADER.pack(4, 0, 1, 1) + b"x"
    assert scan(odd) == ([3 * US + 7, 4 * US], [0, 16, 33], 33)
    foreign = struct.pack(">IIII", 1, 2_000_007, 0, 60)
    header = parse_file_header(struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    assert convert(foreign, header) == (RECORD_HEADER.pack(3, 7, 0, 60), 16)


def test_window_is_inclusive_at_its_beginning_and_exclusive_at_its_end() -> None:
    """A packet at `after` stays and one at `before` goes, to the microsecond."""
    trimmed = cut(records(99, 100, 199, 200), 100, 200)
    assert (bytes(trimmed.body), trimmed.packets, trimmed.outside) == (records(100, 199), 2, 2)
    assert (trimmed.first_us, trimmed.last_us, trimmed.more) == (100, 199, False)


def test_nothing_is_copied_when_everything_is_inside() -> None:
    """The body is then a view of the very buffer."""
    data = records(1, 2, 3)
    body = cut(data, 0, 10).body
    assert isinstance(body, memoryview)
    assert body.obj is data


@pytest.mark.parametrize(
    ("limits", "kept", "more"),
    [
        ({"most_packets": 2}, (3, 7), True),
        ({"most_packets": 3}, (3, 7, 4), False),
        ({"most_packets": 0}, (), True),
        ({"most_bytes": 48}, (3, 7), True),
        ({"most_bytes": 47}, (3,), True),
        ({"most_bytes": 72}, (3, 7, 4), False),
        ({"most_bytes": 5}, (), True),
        ({"most_packets": 2, "most_bytes": 24}, (3,), True),
    ],
)
def test_limits_count_only_what_is_inside(limits: dict[str, int], kept: tuple[int, ...], more: bool) -> None:
    """A limit ends the body after exactly the last record it allows, and tells whether more was there."""
    trimmed = cut(records(3, 100, 7, 4, 100), 0, 10, **limits)
    assert (bytes(trimmed.body), trimmed.more, trimmed.outside) == (records(*kept), more, 2)


@given(st.lists(st.integers(0, 40)), st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(0, 9))
def test_trimming_keeps_exactly_the_window(
    times: list[int], after_us: int, before_us: int, most_packets: int | None
) -> None:
    """Whatever the order of the packets: inside stays in its order up to the limit, outside goes."""
    inside = [time for time in times if after_us <= time < before_us]
    kept = inside if most_packets is None else inside[:most_packets]
    expected = Trimmed(
        records(*kept),
        len(kept),
        len(times) - len(inside),
        min(kept, default=None),
        max(kept, default=None),
        len(kept) < len(inside),
    )
    trimmed = cut(records(*times), after_us, before_us, most_packets=most_packets)
    assert trimmed._replace(body=bytes(trimmed.body), lengths=b"") == expected
    _, offsets, _ = scan(expected.body)
    assert unpack_lengths(trimmed.lengths).tolist() == [end - begin - 16 for begin, end in pairwise(offsets)]


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(("magic", "per_us"), [(0xA1B2C3D4, 1), (0xA1B23C4D, 1000)])
def test_foreign_records_become_little_endian(byte_order: str, magic: int, per_us: int) -> None:
    """Both orders of bytes convert to the same records, and nanoseconds stay."""
    start = struct.pack(byte_order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    fraction = 123_456 * per_us + per_us - 1
    foreign = struct.pack(byte_order + "IIII", 7, fraction, 6, 1500) + b"packet"
    header = parse_file_header(start)
    converted, end = convert(start + foreign + foreign[:9], header, FILE_HEADER_BYTES)
    assert (converted, end) == (RECORD_HEADER.pack(7, fraction, 6, 1500) + b"packet", 46)
    assert header.native == (byte_order == "<")


def test_nanoseconds() -> None:
    """Microseconds are exact in nanoseconds, also beyond a second; scanning counts in what the capture has."""
    micros = RECORD_HEADER.pack(7, 1_123_456, 2, 2) + b"ab" + RECORD_HEADER.pack(9, 5, 0, 0)
    nanos = RECORD_HEADER.pack(8, 123_456_000, 2, 2) + b"ab" + RECORD_HEADER.pack(9, 5_000, 0, 0)
    times, offsets, end = scan(micros)
    assert in_nanoseconds(micros, offsets) == nanos
    assert scan(nanos, nanoseconds=True) == ([time_us * 1000 for time_us in times], offsets, end)
    assert in_us(scan(nanos, nanoseconds=True)[0], nanoseconds=True) == times
    assert parse_file_header(file_header(113, 96, nanoseconds=True)) == ("<", True, 113, 96)


def test_foreign_garbage_is_refused() -> None:
    """An impossible record of a foreign capture is an error at its offset."""
    header = parse_file_header(struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    with pytest.raises(CaptureError, match="at byte 0 "):
        convert(b"\xff" * 16, header)
