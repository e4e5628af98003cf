"""Files that are compressed, unpacked or renamed while questions run: each packet comes once, and none is missed."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from docket.config.model import CaptureFilesConfig
from docket.domain.job import Verdict
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files import catalog as catalog_module
from docket.workers.sources.capture_files import files_pass
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.capture_files.opened_file import open_capture
from tests.faults.packets import capture
from tests.workers.requests import START_US, US, Heard, ask, read
from tests.workers.sources.capture_formats import INTERFACE, block, interface, option, packet, section
from tests.workers.sources.test_capture_formats import DATA, MINUTE_US, OLD_S, PACKETS, START_S, TRUTH, ask_all, place

WHOLE = file_header() + capture(PACKETS)
PACKED = gzip.compress(WHOLE)


@pytest.mark.parametrize(
    ("plain", "ending", "packed"),
    [
        (WHOLE, ".gz", PACKED),
        (WHOLE, ".zst", zstd.compress(WHOLE)),
        (WHOLE, ".gz", PACKED[: len(PACKED) // 2]),
        (WHOLE[:2003], ".gz", PACKED),
    ],
    ids=["both kept", "both kept, zstd", "being compressed", "being unpacked"],
)
def test_a_capture_in_two_forms_is_one(tmp_path: Path, plain: bytes, ending: str, packed: bytes) -> None:
    """What both hold comes once; what one of them lacks comes from the other. Also when their times are known."""
    place(tmp_path, "a.pcap", plain)
    place(tmp_path, f"a.pcap{ending}", packed)
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    for _ in range(2):
        heard = Heard()
        finding = read(opened, ask(START_US, START_US + MINUTE_US), heard)
        assert (finding.verdict, heard.body) == (Verdict.COMPLETE, TRUTH)


def test_two_forms_that_both_lack_their_end(tmp_path: Path) -> None:
    """The packets of the longer one come, and what is missing is said."""
    place(tmp_path, "a.pcap", WHOLE[:2003])
    place(tmp_path, "a.pcap.gz", PACKED[: len(PACKED) * 3 // 4])
    finding, body = ask_all(tmp_path)
    assert finding.verdict is Verdict.CUT
    assert body == TRUTH[: len(body)]


def test_what_neither_form_gives_is_said(tmp_path: Path) -> None:
    """Though one of them is whole: the plain one is a beginning of it, or has zeros in the place of packets."""
    place(tmp_path, "a.pcap", file_header() + capture(PACKETS[:20]))
    place(tmp_path, "a.pcap.gz", PACKED[: len(PACKED) * 3 // 4])
    assert ask_all(tmp_path)[0].verdict is Verdict.CUT
    zeros = bytes(len(capture(PACKETS[20:40])))
    place(tmp_path, "a.pcap", file_header() + capture(PACKETS[:20]) + zeros + capture(PACKETS[40:]))
    place(tmp_path, "a.pcap.gz", PACKED)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.CUT, capture(PACKETS[:20:2] + PACKETS[40::2]))


@pytest.mark.parametrize("names", [("a.pcap.gz", "a.pcap.zst"), ("a.pcap", "a.pcap.gz", "a.pcap.zst")])
def test_more_forms_are_one_capture(tmp_path: Path, names: tuple[str, ...]) -> None:
    """As where an archive is packed again in another way; one of the compressors is at work."""
    forms = {"a.pcap": WHOLE, "a.pcap.gz": PACKED, "a.pcap.zst": zstd.compress(WHOLE[:2003])}
    for name in names:
        place(tmp_path, name, forms[name])
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


LONG_BEGIN = section() + block(INTERFACE, struct.pack("<HHI", 1, 0, 0) + option(11, b"\0" + b"not host " * 70))


@pytest.mark.parametrize(
    ("name", "begin", "records"),
    [
        ("a.pcap", file_header(), [capture([one]) for one in PACKETS]),
        ("a.pcapng", LONG_BEGIN, [packet(START_US + second * US, data) for second, data in enumerate(DATA)]),
    ],
)
def test_another_capture_of_that_name_is_another_one(
    tmp_path: Path, name: str, begin: bytes, records: list[bytes]
) -> None:
    """The names of two files prove nothing, nor does a long header: here the compressed one holds other packets."""
    place(tmp_path, name, begin + b"".join(records[:30]))
    place(tmp_path, f"{name}.gz", gzip.compress(begin + b"".join(records[30:])))
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


@pytest.mark.parametrize("begun", [b"", PACKED[:10]], ids=["empty", "only its header"])
@pytest.mark.parametrize(
    ("packed", "another"), [(PACKED, False), (gzip.compress(file_header() + capture(PACKETS[30:])), True)]
)
def test_a_compressor_that_has_just_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes, packed: bytes, another: bool
) -> None:
    """What its file holds is known only when it is read; then it may be another capture all the same."""
    place(tmp_path, "a.pcap", file_header() + capture(PACKETS[:30] if another else PACKETS))
    form = place(tmp_path, "a.pcap.gz", begun)

    def grown(path: str) -> object:
        form.write_bytes(packed)
        return open_capture(path)

    monkeypatch.setattr(files_pass, "open_capture", grown)
    _, body = ask_all(tmp_path)
    assert body == TRUTH


def compress(path: Path) -> None:
    place(path.parent, path.name + ".gz", gzip.compress(path.read_bytes()))
    path.unlink()


def rotate(path: Path) -> None:
    """As logrotate does; the recorder has begun a new file under the old name."""
    path.with_name("b.pcap").rename(path.with_name("c.pcap"))
    path.rename(path.with_name("b.pcap"))
    place(path.parent, path.name, file_header())
    os.utime(path, (START_S + 60, START_S + 60))


@pytest.mark.parametrize(
    "change",
    [
        compress,
        rotate,
        lambda path: path.rename(path.with_name("elsewhere")),
        lambda path: path.rename(path.parent / "old" / path.name),
    ],
    ids=["compressed", "rotated", "renamed", "moved"],
)
def test_a_file_is_followed_to_its_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """Between the listing and the reading it gets another one; nothing is missing, nothing comes twice."""
    first = place(tmp_path, "a.pcap", file_header() + capture(PACKETS[:20]))
    place(tmp_path, "b.pcap", file_header() + capture(PACKETS[20:40]))
    (tmp_path / "old").mkdir()
    place(tmp_path / "old", "d.pcap", file_header() + capture(PACKETS[40:]))
    waiting = [change]

    def changing(path: str) -> object:
        while waiting:
            waiting.pop()(first)
        return open_capture(path)

    monkeypatch.setattr(files_pass, "open_capture", changing)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


def test_a_file_that_is_renamed_while_it_is_listed_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old name was read, and is gone when its turn comes: the names are read once more."""
    place(tmp_path, "a.pcap", WHOLE)
    second = place(tmp_path, "b.pcap", WHOLE)
    for name in ("a.pcap", "b.pcap"):
        os.utime(tmp_path / name, (OLD_S, OLD_S))

    def renaming(path: str) -> object:
        if second.exists():
            second.rename(tmp_path / "c.pcap")
        return open_capture(path)

    monkeypatch.setattr(catalog_module, "open_capture", renaming)
    listing = Catalog(str(tmp_path)).look()
    assert sorted(file.name for file in listing.files) == ["a.pcap", "c.pcap"]


def test_times_that_an_answer_cannot_hold_are_said(tmp_path: Path) -> None:
    """A clock before 1970 or after 2106 is never shown as another time."""
    content = section() + interface(offset_s=-1000) + packet(0, DATA[0]) + packet(2_000_000_000, DATA[1])
    place(tmp_path, "a.pcapng", content)
    heard = Heard()
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    finding = read(opened, ask(-2_000_000_000, 2_000_000_000, ""), heard)
    assert heard.times_us == [1_000_000_000]
    assert "1 packet from before 1970 or after 2106" in finding.sentence
