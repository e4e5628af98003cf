"""An index hides no fault of a file: what a reading says without one it says with one, also where it opens no file."""

from __future__ import annotations

import gzip
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index import indexer as indexer_module
from docket.index.group import Group
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import file_header, parse_file_header
from docket.packet.record_cutter import FurtherHeader
from docket.packet.records import scan
from docket.workers.sources.base import Shortfall
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.faults.packets import capture, udp
from tests.index.captures import index_directory
from tests.services.answers import chunks_of
from tests.workers.requests import START_US, US
from tests.workers.sources.capture_formats import (
    INTERFACE,
    block,
    interface,
    option,
    packet,
    section,
    simple,
    statistics,
)

MINUTE_US = 60 * US
FILES = 8
ODD = 3
"""Of the files, the one with the fault."""
RECORDS = [capture([udp(START_US + ODD * MINUTE_US + n * US, 53 if n % 2 else 80)]) for n in range(60)]
PLAIN = file_header() + b"".join(RECORDS)
BLOCKS = [packet(START_US + ODD * MINUTE_US + n * US, record[16:]) for n, record in enumerate(RECORDS)]
BEGIN = section() + interface()
ABSENT = "host 10.9.9.9"
QUERIES = ("", "port 53", ABSENT)


def _in_blocks(at: int, what: bytes) -> bytes:
    return BEGIN + b"".join(BLOCKS[:at]) + what + b"".join(BLOCKS[at:])


def _in_records(at: int, what: bytes) -> bytes:
    return file_header() + b"".join(RECORDS[:at]) + what + b"".join(RECORDS[at:])


def _cut(record: bytes, size: int) -> bytes:
    return record[:8] + struct.pack("<I", size) + record[12 : 16 + size]


FAULTS: dict[str, tuple[str, bytes]] = {
    "drops counted at the end": ("x.pcapng", _in_blocks(60, statistics(7))),
    "drops counted in the middle": ("x.pcapng", _in_blocks(30, statistics(7))),
    "drops counted again and again": ("x.pcapng", _in_blocks(30, statistics(7)) + statistics(9)),
    "drops of an earlier section": ("x.pcapng", _in_blocks(30, statistics(7) + BEGIN) + statistics(2)),
    "drops of a last section without packets": (
        "x.pcapng",
        _in_blocks(60, statistics(7)) + BEGIN + statistics(2) + BLOCKS[0][:-9],
    ),
    "drops of several interfaces": ("x.pcapng", _in_blocks(30, interface() + statistics(7, number=1)) + statistics(2)),
    "half a packet": ("x.pcap", PLAIN[:-9]),
    "half a block": ("x.pcapng", _in_blocks(60, b"")[:-9]),
    "half of a gzip file": ("x.pcap.gz", gzip.compress(PLAIN)[:-30]),
    "half of a zstd file": ("x.pcap.zst", zstd.compress(PLAIN)[:-30]),
    "half of a lz4 file": ("x.pcap.lz4", lz4.frame.compress(PLAIN)[:-30]),
    "rubbish behind a gzip file": ("x.pcap.gz", gzip.compress(PLAIN) + b"this is not compressed data"),
    "wrong bytes in a gzip file": ("x.pcap.gz", gzip.compress(PLAIN)[:-8] + bytes(8)),
    "rubbish in the middle": ("x.pcap", _in_records(30, b"\xff" * 400)),
    "rubbish in the middle of pcapng": ("x.pcapng", _in_blocks(30, b"\xff" * 400)),
    "zeros in the middle": ("x.pcap", _in_records(30, bytes(160))),
    "zeros at the end": ("x.pcap", _in_records(60, bytes(160))),
    "zeros at the end, no whole records": ("x.pcap", _in_records(60, bytes(165))),
    "zeros at the end of pcapng": ("x.pcapng", _in_blocks(60, bytes(160))),
    "an unknown link type": ("x.pcap", file_header(147) + b"".join(RECORDS)),
    "an unknown link type in the middle": (
        "x.pcapng",
        _in_blocks(30, interface(linktype=147) + packet(START_US + ODD * MINUTE_US + 30 * US, b"x" * 60, number=1)),
    ),
    "packets that were cut": ("x.pcap", _in_records(30, _cut(RECORDS[30], 30))),
    "packets without a time": ("x.pcapng", _in_blocks(30, simple(RECORDS[30][16:]))),
    "encryption": ("x.pcap.arkime", bytes(range(256)) * 8),
    "compression that is not known": ("x.pcap.lz4", b"\x02\x21\x4c\x18" + bytes(100)),
}


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """A file for each minute but the one of the fault."""
    directory = tmp_path / "captures"
    directory.mkdir()
    for number in range(FILES):
        if number != ODD:
            first_us = START_US + number * MINUTE_US
            packets = capture(udp(first_us + n * US, 53 if n % 2 else 80) for n in range(60))
            _place(directory / f"{number}.pcap", file_header() + packets, number)
    return directory


def _place(path: Path, content: bytes, number: int, later_s: int = 0) -> None:
    """As if it had been written to until the end of its minute. One that is there is written over in place."""
    path.write_bytes(content)
    end_s = (START_US + (number + 1) * MINUTE_US) // US + later_s
    os.utime(path, (end_s, end_s))


def _answers(
    captures: Path, selector: IndexSelector | None
) -> dict[tuple[str, str], tuple[list[tuple[int, bytes]], list[Shortfall]]]:
    """By query and window: the packets, and what fell short."""
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", captures), selector=selector)
    fault_us = START_US + ODD * MINUTE_US
    windows = {
        "all": Window(START_US, START_US + FILES * MINUTE_US),
        "its minute": Window(fault_us, fault_us + MINUTE_US),
        "its first seconds": Window(fault_us, fault_us + 5 * US),
        "long before": Window(START_US, START_US + MINUTE_US),
        "long after": Window(fault_us + 3 * MINUTE_US, fault_us + 4 * MINUTE_US),
    }
    found = {}
    for text in QUERIES:
        for name, window in windows.items():
            with source.read(
                parse(text), window, most_bytes=None, most_packets=None, stop=threading.Event()
            ) as reading:
                found[text, name] = _by_link_type(chunks_of(reading)), list(reading.shortfalls())
    return found


def _by_link_type(chunks: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """Each packet with its link type: in what order types follow each other in one file is not said."""
    found: list[tuple[int, bytes]] = []
    linktype = 0
    for chunk in chunks:
        if isinstance(chunk, FurtherHeader):
            linktype = parse_file_header(chunk).linktype
        elif chunk:
            one = scan(chunk).records
            places = zip(one.data_at.tolist(), one.captured.tolist(), strict=True)
            found += [(linktype, chunk[at - 16 : at + size]) for at, size in places]
    return sorted(found)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_says_what_no_index_says(fault: str, captures: Path, layout: IndexLayout) -> None:
    """Of each kind of fault, to each query and window; also when the file was indexed before the fault came to it, and
    when it was written over in place."""
    name, content = FAULTS[fault]
    _place(captures / name, content, ODD)
    expected = _answers(captures, None)
    assert expected[ABSENT, "its minute"][1]
    assert not expected[ABSENT, "long after"][1] or fault == "encryption"
    assert _answers(captures, index_directory(captures, layout)) == expected
    for step, before in enumerate((content[: len(content) * 2 // 3], PLAIN[: len(content)])):
        older = IndexLayout(layout.root.with_name(f"older{step}"))
        _place(captures / name, before, ODD)
        selector = index_directory(captures, older)
        _answers(captures, selector)
        _place(captures / name, content, ODD, later_s=1)
        expected = _answers(captures, None)
        assert _answers(captures, selector) == expected, step
        assert _answers(captures, index_directory(captures, older)) == expected, step


def test_packets_in_place_of_zeros_are_found(captures: Path, layout: IndexLayout) -> None:
    """A recorder that makes its file longer before it writes there leaves zeros, which the index does not trust."""
    path = captures / "x.pcap"
    _place(path, file_header() + b"".join(RECORDS[:20]) + bytes(16 * 200), ODD)
    selector = index_directory(captures, layout)
    whole = file_header() + b"".join(RECORDS[:50]) + bytes(16 * 400)
    assert len(whole) > path.stat().st_size
    _place(path, whole, ODD, later_s=1)
    expected = _answers(captures, None)
    assert len(expected["", "its minute"][0]) == 50
    assert _answers(captures, selector) == expected
    assert _answers(captures, index_directory(captures, layout)) == expected


@pytest.mark.parametrize("length", [40, 60])
def test_another_file_that_begins_alike_is_not_taken_for_grown(
    length: int, captures: Path, layout: IndexLayout
) -> None:
    """dumpcap writes its filter, which may be long, before the first packet; and a new file may get the inode of one
    that the ring has just removed."""
    begin = section() + block(INTERFACE, struct.pack("<HHI", 1, 0, 0) + option(11, b"\0" + b"not host " * 70))
    path = captures / "x.pcapng"
    _place(path, begin + b"".join(BLOCKS[:40]), ODD)
    selector = index_directory(captures, layout)
    _place(path, begin + b"".join(reversed(BLOCKS[-length:])) + statistics(0), ODD, later_s=1)
    expected = _answers(captures, None)
    assert len(expected["", "its minute"][0]) == length
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", captures), selector=selector)
    window = Window(START_US + ODD * MINUTE_US, START_US + (ODD + 1) * MINUTE_US)
    survey = source.survey(parse("port 53"), window, threading.Event())
    assert survey is not None
    assert not survey.exact
    assert _answers(captures, selector) == expected
    assert _answers(captures, index_directory(captures, layout)) == expected


def test_a_file_that_may_not_be_read_any_more_is_named(captures: Path, layout: IndexLayout) -> None:
    """Also if the index knows that it holds nothing of what is asked."""
    path = captures / "x.pcap"
    _place(path, PLAIN, ODD)
    selector = index_directory(captures, layout)
    _answers(captures, selector)
    path.chmod(0)
    for one in (captures, *captures.parents):
        if one != Path("/"):
            one.chmod(one.stat().st_mode | 0o555)
    with _as_another_user():
        for state in (None, selector):
            _, shortfalls = _answers(captures, state)[ABSENT, "its minute"]
            assert [(one.verdict, "x.pcap cannot be read" in one.sentence) for one in shortfalls] == [("cut", True)]


@contextmanager
def _as_another_user() -> Iterator[None]:
    """One who may not read everything, as root may."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_lost_packets_are_said_of_files_in_a_group(captures: Path, layout: IndexLayout) -> None:
    """A question that opens none of its files says of each one of the window what its recorder lost, and the figures of
    the source count it."""
    for number in range(FILES):
        if number != ODD:
            (captures / f"{number}.pcap").unlink()
        first_us = START_US + number * MINUTE_US
        blocks = b"".join(packet(first_us + n * US, record[16:]) for n, record in enumerate(RECORDS))
        _place(captures / f"{number}.pcapng", BEGIN + blocks + statistics(number), number)
    selector = index_directory(captures, layout)
    (group,) = layout.groups.iterdir()
    assert len(Group(group).files) == FILES
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", captures), selector=selector)
    assert source.coverage().stats["dropped"] == sum(range(FILES))
    expected = _answers(captures, None)
    assert _answers(captures, selector) == expected
    assert [one.verdict for one in expected[ABSENT, "long after"][1]] == ["gap"]
    (before,) = expected[ABSENT, "long before"][1]
    assert "2.pcapng" not in before.sentence
