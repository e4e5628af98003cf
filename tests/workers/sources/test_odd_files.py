"""What a capture directory may hold besides captures: each is named or left alone in bounded time, the others whole."""

import gzip
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd

from docket.domain.job import Verdict
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files import catalog as catalog_module
from docket.workers.sources.capture_files import files_pass
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.opened_file import open_capture
from tests.faults.packets import capture, udp
from tests.workers.requests import START_US, US
from tests.workers.sources.capture_formats import block, interface, packet, section
from tests.workers.sources.test_capture_formats import DATA, PACKETS, START_S, TRUTH, ask_all, place

WHOLE = file_header() + capture(PACKETS)
SKIPPABLE = b"\x5a\x2a\x4d\x18" + (6).to_bytes(4, "little") + b"notice"


@pytest.mark.parametrize("name", ["fifo.pcap", "socket.pcap", "disk.pcap", "loop.pcap", "nowhere.pcap", "dir.pcap"])
def test_names_of_captures_that_are_no_files(tmp_path: Path, name: str) -> None:
    """A pipe is not waited for, a device not read, a link in circles not followed; nothing is missing for it."""
    path = tmp_path / name
    make: dict[str, Callable[[], object]] = {
        "fifo.pcap": lambda: os.mkfifo(path),
        "socket.pcap": lambda: os.mknod(path, 0o140644),
        "disk.pcap": lambda: path.symlink_to("/dev/zero"),
        "loop.pcap": lambda: path.symlink_to(path),
        "nowhere.pcap": lambda: path.symlink_to("gone"),
        "dir.pcap": path.mkdir,
    }
    make[name]()
    place(tmp_path, "x", WHOLE)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


def test_what_comes_later_and_is_no_file_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is followed by its changes is seen as in a look at everything."""
    monkeypatch.setattr(catalog_module, "_SETTLED_NS", -(10**18))  # no change is too young to be trusted
    place(tmp_path, "x", WHOLE)
    catalog = Catalog(str(tmp_path))
    before = catalog.look()
    (tmp_path / "loop.pcap").symlink_to(tmp_path / "loop.pcap")
    (tmp_path / "nowhere.pcap").symlink_to("gone")
    os.mkfifo(tmp_path / "fifo.pcap")
    os.mknod(tmp_path / "socket.pcap", 0o140644)
    assert [one.path for one in catalog.glance().unusable] == []
    assert catalog.glance().files == before.files


def test_files_without_a_size_are_not_read_for_ever(tmp_path: Path) -> None:
    """/proc has files of no bytes that deliver some without end or change: they are no captures."""
    for number, name in enumerate(("status", "mountinfo", "environ")):
        (tmp_path / f"{number}.log").symlink_to(f"/proc/self/{name}")
    place(tmp_path, "x", WHOLE)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (gzip.compress(WHOLE[:1000]) + gzip.compress(WHOLE[1000:]), "gz"),
        (gzip.compress(WHOLE) + bytes(512), "gz"),
        (SKIPPABLE + zstd.compress(WHOLE[:1000]) + SKIPPABLE + zstd.compress(WHOLE[1000:]) + SKIPPABLE, "zst"),
        (lz4.frame.compress(WHOLE[:1000]) + SKIPPABLE + lz4.frame.compress(WHOLE[1000:]), "lz4"),
    ],
    ids=["two gzip members", "gzip padded with zeros", "zstd with frames to skip", "lz4 with a frame to skip"],
)
def test_compressed_files_of_several_parts(tmp_path: Path, content: bytes, ending: str) -> None:
    """As pigz, tar and archivers leave them: all of it is read."""
    place(tmp_path, f"a.pcap.{ending}", content)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress, lz4.frame.compress])
def test_rubbish_behind_compressed_data_is_told(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """The packets before it are there."""
    place(tmp_path, "a.pcap.z", compress(WHOLE) + b"this is not compressed data")
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert "a.pcap.z" in finding.sentence


def test_old_lz4_and_encrypted_files_are_named(tmp_path: Path) -> None:
    """With what would help; the other file is whole."""
    place(tmp_path, "old.pcap.lz4", b"\x02\x21\x4c\x18" + bytes(100))
    place(tmp_path, "node-1.pcap.arkime", os.urandom(2000))
    place(tmp_path, "x.pcap", WHOLE)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert "old.pcap.lz4 is lz4 of the old kind" in finding.sentence
    assert "node-1.pcap.arkime is encrypted by Arkime" in finding.sentence


def test_blocks_of_pcapng_that_are_not_known_are_passed_over(tmp_path: Path) -> None:
    """Custom blocks, blocks of later versions, and another order of bytes from one section to the next."""
    half, body = len(DATA) // 2, b""
    for order, numbers in (("<", range(half)), (">", range(half, len(DATA)))):
        body += section(order) + block(0x0BAD, struct.pack(order + "I", 1) + b"text", order)
        body += interface(order) + block(0x80001234, bytes(64), order)
        for number in numbers:
            body += packet((START_S + number) * US, DATA[number], order) + block(0x7777, b"", order)
    place(tmp_path, "x.pcapng", body)
    finding, found = ask_all(tmp_path)
    assert (finding.verdict, found) == (Verdict.COMPLETE, TRUTH)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut off meanwhile is not called complete; the other file is whole."""
    path = place(tmp_path, "a.pcap", file_header() + capture(udp(START_US + n, 80) for n in range(200_000)))
    place(tmp_path, "b.pcap", WHOLE)
    opened = open_capture

    def shrinking(name: str) -> object:
        if name == str(path):
            os.truncate(path, 100_000)
        return opened(name)

    monkeypatch.setattr(files_pass, "open_capture", shrinking)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert "a.pcap" in finding.sentence


def test_a_file_that_may_not_be_read_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its recorder took the right away between the listing and the reading: the verdict says why."""
    path = place(tmp_path, "a.pcap", WHOLE)
    place(tmp_path, "b.pcap", WHOLE)
    opened = open_capture

    def denied(name: str) -> object:
        if name == str(path):
            raise PermissionError(13, "Permission denied", name)
        return opened(name)

    monkeypatch.setattr(files_pass, "open_capture", denied)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert "a.pcap cannot be read: Permission denied" in finding.sentence


def test_a_reading_ends_where_nothing_can_be_read(tmp_path: Path) -> None:
    """Only files of other kinds: refused, in bounded time, with each named."""
    for number, content in enumerate((b"PK\x03\x04" + bytes(100), b"snoop\0\0\0" + bytes(100), b"\0" * 4096)):
        place(tmp_path, f"{number}.pcap", content)
    done: list[Verdict | None] = []
    thread = threading.Thread(target=lambda: done.append(ask_all(tmp_path)[0].verdict), daemon=True)
    thread.start()
    thread.join(60)
    assert done == [Verdict.REFUSED]
