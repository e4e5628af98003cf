"""A store's answer cut into whole records, however it comes in pieces."""

import struct
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from docket.domain.timewindow import Window
from docket.errors import CaptureError
from docket.packet.pcap import file_header
from docket.packet.record_cutter import RecordCutter

_PACKETS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 15, 16, 60, 262_144, 262_145])), max_size=8)


def _answer(packets: list[tuple[int, int]]) -> bytes:
    return file_header() + b"".join(
        struct.pack("<IIII", 1, time_us, length, length) + bytes(min(length, 60)) for time_us, length in packets
    )


def _chunks(answer: bytes, cuts: list[int]) -> Iterator[bytes]:
    ends = sorted({min(cut, len(answer)) for cut in cuts} | {len(answer)})
    return (answer[begin:end] for begin, end in zip([0, *ends], ends, strict=False))


def _outcome(cutter: RecordCutter, chunks: Iterator[bytes] | Iterator[list[bytes]]) -> tuple[bytes, int, int, str]:
    """All that comes out, what was counted, and what was wrong."""
    body, outside, fault = b"", 0, ""
    try:
        for chunk in chunks:
            found = cutter.feed(chunk)
            body, outside = body + bytes(found.body), outside + found.outside
        cutter.finish()
    except CaptureError as error:
        fault = str(error)
    return body, outside, cutter.received_packets, fault


@given(
    _PACKETS, st.lists(st.integers(0, 400), max_size=6), st.none() | st.integers(0, 5), st.none() | st.integers(0, 99)
)
def test_pieces_are_what_is_fed(
    packets: list[tuple[int, int]], cuts: list[int], most_packets: int | None, most_bytes: int | None
) -> None:
    """With a record cut anywhere, with limits, with a window, and with something that is no record."""
    answer, window = _answer(packets), Window(1_000_002, 1_000_008)
    at_once, by_chunks, by_pieces = (RecordCutter(window, most_packets, most_bytes) for _ in range(3))
    fed = _outcome(by_chunks, _chunks(answer, cuts))
    assert _outcome(at_once, iter([answer])) == fed
    assert _outcome(by_pieces, ([chunk[:20], chunk[20:]] for chunk in _chunks(answer, cuts))) == fed


def test_what_stays_is_a_view() -> None:
    """The pieces of a chunk are joined with the record that began before, and nothing is copied after that."""
    answer = _answer([(5, 60)] * 50)
    cutter = RecordCutter(Window(0, 2_000_000), None, None)
    cutter.feed(answer[:90])
    found = cutter.feed([answer[90:200], answer[200:]])
    assert found.packets == 50
    assert isinstance(found.body, memoryview)
