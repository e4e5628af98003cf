"""What recorders and accidents leave in a directory: every format, compression and oddity, to the packet."""

import bz2
import gzip
import lzma
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd

from docket.bus.messages import FragmentKind
from docket.config.model import CaptureFilesConfig
from docket.domain.job import Verdict
from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER, file_header
from docket.workers.interface.verdict_texts import Finding
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.capture_files.opened_file import open_capture
from tests.faults.packets import Packet, capture, udp
from tests.services.needs import program
from tests.workers.requests import START_US, US, Heard, ask, read
from tests.workers.sources.capture_formats import (
    NAMES,
    block,
    classic,
    interface,
    packet,
    section,
    simple,
    statistics,
)

MINUTE_US = 60 * US
START_S = START_US // US
OLD_S = START_S + 86_400
PACKETS: list[Packet] = [udp(START_US + second * US, 53 if second % 2 == 0 else 80) for second in range(60)]
TRUTH = capture(PACKETS[::2])
DATA = [record[16:] for record in (capture([one]) for one in PACKETS)]


def ask_all(directory: Path, query: str = "port 53", before_us: int = START_US + MINUTE_US) -> tuple[Finding, bytes]:
    """Everything of the minute, from a directory whose files were written long ago."""
    heard = Heard()
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=directory))
    return read(opened, ask(START_US, before_us, query), heard), heard.body


def place(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.write_bytes(content)
    os.utime(path, (OLD_S, OLD_S))
    return path


def lz4_frames(data: bytes) -> bytes:
    """Many frames, as some programs write them, with one to be skipped between."""
    frames = [lz4.frame.compress(data[at : at + 1000]) for at in range(0, len(data), 1000)]
    return (b"\x50\x2a\x4d\x18\x04\0\0\0abcd").join(frames)


def lz4_behind_a_long_frame(data: bytes) -> bytes:
    """The frame to be skipped is longer than what is looked at to know a file."""
    return b"\x50\x2a\x4d\x18" + (2000).to_bytes(4, "little") + bytes(2000) + bytes(lz4.frame.compress(data))


def zstd_frames(data: bytes) -> bytes:
    return b"".join(zstd.compress(data[at : at + 1000]) for at in range(0, len(data), 1000))


@pytest.mark.parametrize(
    "compress",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lz4.frame.compress,
        lz4_frames,
        lz4_behind_a_long_frame,
        zstd.compress,
        zstd_frames,
    ],
)
def test_compressed_captures_are_read(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Whatever the compression, and in however many frames."""
    place(tmp_path, "x", compress(file_header() + capture(PACKETS)))
    assert ask_all(tmp_path) == (ask_all(tmp_path)[0], TRUTH)
    assert ask_all(tmp_path)[0].verdict is Verdict.COMPLETE


@pytest.mark.parametrize("compress", [gzip.compress, lz4.frame.compress, zstd_frames])
def test_compressed_file_that_ends_early_is_told(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """A closed one is damaged, and what it holds is read; one that is being written has more to come."""
    content = compress(file_header() + capture(PACKETS * 40))
    path = place(tmp_path, "a.pcap.z", content[: len(content) - 20])
    place(tmp_path, "b.pcap", file_header() + capture([udp(START_US + 90 * US, 53)]))
    finding, _ = ask_all(tmp_path)
    assert (finding.verdict, "a.pcap.z: it ends in the middle" in finding.sentence) == (Verdict.CUT, True)
    os.utime(path)
    finding, _ = ask_all(tmp_path)
    assert (finding.verdict, "a.pcap.z is still being written" in finding.sentence) == (Verdict.NOT_YET, True)


def test_compressed_text_is_no_capture(tmp_path: Path) -> None:
    """Suricata's logs lie beside its captures."""
    place(tmp_path, "eve.json.gz", gzip.compress(b'{"event_type": "alert"}\n' * 100))
    place(tmp_path, "x.pcap", file_header() + capture(PACKETS))
    assert ask_all(tmp_path)[0].verdict is Verdict.COMPLETE


def test_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """A few bytes that decompress to a gigabyte of nothing are damage; the other file is whole."""
    compressor = zstd.ZstdCompressor()
    bomb = compressor.compress(file_header() + capture(PACKETS[:1]))
    bomb += b"".join(compressor.compress(bytes(1 << 24)) for _ in range(16)) + compressor.flush()
    place(tmp_path, "bomb.zst", bomb)
    place(tmp_path, "x.pcap", file_header() + capture(PACKETS))
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, "bomb.zst: there are zeros" in finding.sentence) == (Verdict.CUT, True)
    assert body.count(TRUTH[-40:]) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("resolution", "per_s"), [(None, 10**6), (6, 10**6), (3, 10**3), (0, 1)])
def test_pcapng_clocks(tmp_path: Path, order: str, resolution: int | None, per_s: int) -> None:
    """Interfaces tell how fine their clock is and where it begins; sections begin anew; names may be long."""
    head = section(order) + interface(order, resolution=resolution, offset_s=-1000)
    body = b"".join(packet((START_S + n + 1000) * per_s, data, order) for n, data in enumerate(DATA[:30]))
    other = ">" if order == "<" else "<"
    second = section(other) + block(NAMES, bytes(3_000_000), other) + interface(other, resolution=6)
    second += b"".join(packet((START_S + n) * US, data, other) for n, data in enumerate(DATA) if n >= 30)
    place(tmp_path, "x.pcapng", head + body + second)
    finding, found = ask_all(tmp_path)
    assert (finding.verdict, found) == (Verdict.COMPLETE, TRUTH)


def test_interfaces_of_one_pcapng_may_differ(tmp_path: Path) -> None:
    """Packets of an interface with another link type are kept as such, behind a header of their own."""
    content = section() + interface() + interface(linktype=113)
    content += b"".join(packet(START_US + n * US, data) for n, data in enumerate(DATA))
    content += packet(START_US, b"\0" * 14 + b"\x08\0" + DATA[0][14:], number=1)
    place(tmp_path, "x.pcapng", content)
    heard = Heard()
    source = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    finding = read(source, ask(START_US, START_US + MINUTE_US, "port 53"), heard)
    assert finding.verdict == Verdict.COMPLETE
    assert sum(one.packets for one in heard.fragments if one.linktype == 113) == 1
    assert b"".join(bytes(one.body) for one in heard.fragments if one.linktype == 1) == TRUTH


def test_packets_without_a_time_are_told(tmp_path: Path) -> None:
    """Simple packets of pcapng lie in no window."""
    content = section() + interface() + simple(DATA[0]) + packet(START_US, DATA[0]) + statistics(7)
    place(tmp_path, "x.pcapng", content)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, "x.pcapng: 1 packet without a time" in finding.sentence) == (Verdict.CUT, True)
    assert body == capture(PACKETS[:1])


def test_statistics_of_pcapng_tell_what_was_lost(tmp_path: Path) -> None:
    """The last word of each interface of each section counts."""
    content = section() + interface() + statistics(3) + statistics(7) + section() + interface() + statistics(2)
    with open_capture(str(place(tmp_path, "x.pcapng", content))) as opened:
        reader = opened.reader()
        assert reader is not None
        assert list(reader.blocks()) == []
        assert reader.end.dropped == 9


def test_what_a_recorder_says_it_lost_is_a_gap(tmp_path: Path) -> None:
    """In the window of the file that says so; every packet that is there comes, and a later minute is whole."""
    packets = b"".join(packet(START_US + n * US, data) for n, data in enumerate(DATA))
    place(tmp_path, "x.pcapng", section() + interface() + packets + statistics(7))
    later = b"".join(packet(START_US + 2 * MINUTE_US + n * US, data) for n, data in enumerate(DATA))
    place(tmp_path, "y.pcapng", section() + interface() + later + statistics(0))
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.GAP, TRUTH)
    assert "the recorder dropped 7 packets between 2023-" in finding.sentence
    assert "as x.pcapng says" in finding.sentence
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    finding = read(opened, ask(START_US + 2 * MINUTE_US, START_US + 3 * MINUTE_US, "port 53"), Heard())
    assert finding.verdict == Verdict.COMPLETE


@pytest.mark.parametrize(
    "magic",
    [b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34"],
)
def test_classic_headers(tmp_path: Path, magic: bytes) -> None:
    """Both orders of bytes, also with the longer record headers of the modified kind."""
    records = [(START_S + n, 0, data, len(data)) for n, data in enumerate(DATA)]
    place(tmp_path, "x", classic(records, magic))
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


def test_odd_records_are_read_on(tmp_path: Path) -> None:
    """No byte kept, longer than the snaplen, a fraction beyond a second: packets like any other, whole."""
    long = DATA[0] + bytes(70_000)
    records = [
        (START_S, 0, b"", 60),
        (START_S, 2, long, len(long)),
        (START_S, 1_500_000, DATA[0], len(DATA[0])),
        (START_S + 2, 0, DATA[0], len(DATA[0])),
    ]
    path = place(tmp_path, "x", classic(records, snaplen=100))
    finding, body = ask_all(tmp_path, "")
    assert (finding.verdict, body) == (Verdict.COMPLETE, path.read_bytes()[FILE_HEADER_BYTES:])
    finding, body = ask_all(tmp_path)
    assert body == path.read_bytes()[FILE_HEADER_BYTES + 16 :]
    assert (finding.verdict, "1 packet was recorded too short to tell" in finding.sentence) == (Verdict.CUT, True)


@pytest.mark.parametrize("at", [30, 60], ids=["amid", "at the end"])
def test_zeros_in_place_of_packets_are_told(tmp_path: Path, at: int) -> None:
    """A loss of power leaves them; the packets before them are whole, and so are the other files."""
    before, behind = capture(PACKETS[:at]), capture(PACKETS[at:])
    place(tmp_path, "a.pcap", file_header() + before + bytes(4096) + behind)
    place(tmp_path, "b.pcap", file_header() + capture([udp(START_US + 59 * US, 53)]))
    finding, body = ask_all(tmp_path)
    offset = FILE_HEADER_BYTES + len(before)
    assert f"a.pcap: there are zeros instead of packets from byte {offset:,} on" in finding.sentence
    assert (finding.verdict, finding.usable) == (Verdict.CUT, True)
    assert body.startswith(capture(PACKETS[:at:2]))
    assert body.endswith(capture([udp(START_US + 59 * US, 53)]))


def test_damage_names_file_and_place(tmp_path: Path) -> None:
    """The rest of that file is lost; the other files are whole."""
    good = capture(PACKETS[:30])
    place(tmp_path, "a.pcap", file_header() + good + b"\xff" * 500)
    place(tmp_path, "b.pcap", file_header() + capture(PACKETS[30:]))
    finding, body = ask_all(tmp_path)
    assert f"a.pcap: at byte {FILE_HEADER_BYTES + len(good):,} there is no packet record" in finding.sentence
    assert (finding.verdict, body) == (Verdict.CUT, TRUTH)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A file may be called anything; its name is shown as far as it goes."""
    name = os.fsdecode(b"caf\xe9\n.pcap")
    place(tmp_path, name, file_header() + capture(PACKETS) + b"\xff" * 64)
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, r"caf\xe9?.pcap: " in finding.sentence) == (Verdict.CUT, True)
    assert body == TRUTH


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    """Pipes, sockets and devices are not waited for."""
    os.mkfifo(tmp_path / "pipe.pcap")
    (tmp_path / "null.pcap").symlink_to("/dev/null")
    (tmp_path / "zero.pcap").symlink_to("/dev/zero")
    place(tmp_path, "x.pcap", file_header() + capture(PACKETS))
    finding, body = ask_all(tmp_path)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH)


def test_empty_file_of_a_recorder_that_buffers(tmp_path: Path) -> None:
    """tcpdump without -U has written nothing yet: that nothing matched is not known."""
    path = place(tmp_path, "x.pcap", b"")
    os.utime(path, (START_S, START_S))
    finding, _ = ask_all(tmp_path)
    assert (finding.verdict, "x.pcap is empty" in finding.sentence) == (Verdict.NOT_YET, True)


def test_editcap_and_mergecap(tmp_path: Path) -> None:
    """What Wireshark's programs make of a capture holds the same packets."""
    plain = tmp_path / "plain.pcap"
    plain.write_bytes(file_header() + capture(PACKETS))
    mergecap = program("mergecap", "wireshark-common")
    captures = tmp_path / "captures"
    captures.mkdir()
    subprocess.run([mergecap, "-a", "-w", captures / "x", plain, plain], check=True, timeout=30)
    finding, body = ask_all(captures)
    assert (finding.verdict, body) == (Verdict.COMPLETE, TRUTH + TRUTH)


def nano(second: int, nanosecond: int, data: bytes) -> bytes:
    return RECORD_HEADER.pack(START_S + second, nanosecond, len(data), len(data)) + data


@pytest.mark.parametrize("magic", [b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x12\xcb\xe2\xa1", b"\xa1\xe2\xcb\x12"])
def test_nanoseconds_are_kept(tmp_path: Path, magic: bytes) -> None:
    """An answer of several files has the finest resolution of them; microseconds are exact in it."""
    records = [(START_S + n, 123_456_789, data, len(data)) for n, data in enumerate(DATA)]
    place(tmp_path, "fine", classic(records, magic))
    place(tmp_path, "micro", file_header() + capture(PACKETS[:1]))
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    heard = Heard()
    finding = read(opened, ask(START_US, START_US + MINUTE_US), heard)
    assert finding.verdict is Verdict.COMPLETE
    assert heard.body == nano(0, 0, DATA[0]) + b"".join(nano(n, 123_456_789, DATA[n]) for n in range(0, 60, 2))
    assert {fragment.nanoseconds for fragment in heard.of(FragmentKind.DATA)} == {True}


def test_finer_clock_in_the_middle_of_a_file(tmp_path: Path) -> None:
    """An interface that nothing announced makes the answer begin again, in nanoseconds."""
    content = section() + interface() + packet(START_US, DATA[0])
    content += interface(resolution=9) + packet(START_US * 1000 + 7, DATA[2], number=1)
    place(tmp_path, "x.pcapng", content)
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path))
    heard = Heard()
    finding = read(opened, ask(START_US, START_US + MINUTE_US), heard)
    assert (finding.verdict, heard.body) == (Verdict.COMPLETE, nano(0, 0, DATA[0]) + nano(0, 7, DATA[2]))
