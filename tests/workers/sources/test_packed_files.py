"""Files that are compressed, archived, encrypted or of a form of their own: read, or named with what would help."""

import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest

from docket.domain.job import Verdict
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.opened_file import open_capture
from tests.faults.packets import capture
from tests.workers.sources.capture_formats import interface, option, section
from tests.workers.sources.test_capture_formats import PACKETS, START_S, TRUTH, ask_all, place

WHOLE = file_header() + capture(PACKETS)
SKIPPABLE = b"\x5a\x2a\x4d\x18" + (6).to_bytes(4, "little") + b"notice"


def archive() -> bytes:
    """A tar archive of one capture."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("em1/1.pcap")
        member.size = len(WHOLE)
        tar.addfile(member, io.BytesIO(WHOLE))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pcap.lz4", SKIPPABLE + lz4.frame.compress(WHOLE)),
        ("a.pcap.xz", bytes(8).join((lzma.compress(WHOLE[:1000]), lzma.compress(WHOLE[1000:]), b""))),
    ],
    ids=["lz4 that begins with a frame to skip", "xz with padding between and behind its streams"],
)
def test_unusual_beginnings_and_paddings(tmp_path: Path, name: str, content: bytes) -> None:
    """All of it is read."""
    place(tmp_path, name, content)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


@pytest.mark.parametrize(
    ("name", "make", "reason", "step"),
    [
        ("a.pcap.lz4", lambda: b"\x02\x21\x4c\x18" + bytes(600), "is lz4 of the old kind", "Unpack it, or pack it"),
        ("a.zip", lambda: b"PK\x03\x04" + bytes(600), "is zip", "Unpack it, or pack it"),
        ("a.pcap.lzma", lambda: lzma.compress(WHOLE, lzma.FORMAT_ALONE), "is lzma of the old kind", "Unpack it"),
        ("a.pcap.gz", lambda: gzip.compress(gzip.compress(WHOLE)), "is compressed twice", "Unpack it"),
        ("a.tar", archive, "is a tar archive of captures", "Unpack it."),
        ("a.tgz", lambda: gzip.compress(archive()), "is a tar archive of captures", "Unpack it."),
        ("PKT0/17", lambda: b"\x02\0\0\0\x30\0\0\0" + bytes(600), "is a file of stenographer's", "kind stenographer"),
        ("a.pcap.zst", lambda: bytes.fromhex("28b52ffd04a85c0000186162"), "more than 128 MiB", "zstd -d --long=31"),
        ("so-pcap.17", lambda: b"\x13\x37" + WHOLE, "begins with 13 37", "Convert it"),
    ],
)
def test_what_would_help_is_said(tmp_path: Path, name: str, make: Callable[[], bytes], reason: str, step: str) -> None:
    """Each is named with its reason, and no packets are called lost that could be read elsewhere."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    place(tmp_path, name, make())
    place(tmp_path, "x", WHOLE)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert f"{name} " in finding.sentence
    assert reason in finding.sentence
    assert step in finding.next_step


@pytest.mark.parametrize(
    ("name", "content", "modified_s"),
    [
        ("a.pcap", WHOLE[:-7], 0),
        ("a.pcap", WHOLE[:-7], START_S - 86_400),
        ("a.pcap", b"snoop\0\0\0" + bytes(600), 0),
        ("a.arkime", WHOLE, 0),
    ],
)
def test_times_that_were_set_hide_no_loss(tmp_path: Path, name: str, content: bytes, modified_s: int) -> None:
    """A file that was last written to in 1970, or before its own packets, may hold something of any window."""
    path = place(tmp_path, name, content)
    os.utime(path, (modified_s, modified_s))
    place(tmp_path, "x", WHOLE)
    finding, _ = ask_all(tmp_path)
    assert finding.verdict is Verdict.CUT
    assert name in finding.sentence


def test_a_short_file_that_grows_is_the_same_file(tmp_path: Path) -> None:
    """Its few first bytes are still there: it was not overwritten. Other bytes are another file."""
    path = place(tmp_path, "a.pcap", WHOLE[:100])
    before = FileIdentity.of(path.stat(), path.read_bytes())
    with path.open("ab") as file:
        file.write(WHOLE[100:])
    with open_capture(str(path)) as opened:
        assert opened.follows(before)
    path.write_bytes(b"\0" + WHOLE[1:])
    with open_capture(str(path)) as opened:
        assert not opened.follows(before)


def test_interfaces_without_end_are_damage(tmp_path: Path) -> None:
    """What a reader would have to keep in memory of one file is bounded."""
    large = interface()[:-4]
    comment = option(1, bytes(65_000)) + option(0, b"")
    size = len(large) + len(comment) + 4
    large = large[:4] + size.to_bytes(4, "little") + large[8:] + comment + size.to_bytes(4, "little")
    place(tmp_path, "a.pcapng", section() + large * 300)
    place(tmp_path, "x", WHOLE)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)
    assert "the descriptions of interfaces take more than 16 MiB" in finding.sentence
