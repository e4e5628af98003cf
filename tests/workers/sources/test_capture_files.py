"""The kind `capture-files`: directories as recorders leave them, read to the packet, with an honest verdict."""

import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.job import FULL, Verdict
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.errors import SourceError
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files import catalog
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.faults.packets import Packet, capture, udp
from tests.services.needs import program
from tests.workers.requests import START_US, US, Heard, ask, read

MINUTE_US = 60 * US
OLD_S = START_US // US + 86_400
"""When the files of a test were last written to, if nothing else is said: a day after their packets."""


def minute(number: int) -> list[Packet]:
    """A packet a second, every other one for port 53."""
    start_us = START_US + number * MINUTE_US
    return [udp(start_us + second * US, 53 if second % 2 == 0 else 80) for second in range(60)]


def place(path: Path, packets: Iterable[Packet], *, header: bytes = file_header(), cut: int = 0) -> Path:
    """Write a capture file, without its last `cut` bytes, that was last written to long ago."""
    data = header + capture(packets)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[: len(data) - cut])
    os.utime(path, (OLD_S, OLD_S))
    return path


def source(directory: Path, flush_lag_s: int = 10) -> CaptureFilesSource:
    return CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=directory, flush_lag_s=flush_lag_s))


def truth(*minutes: int) -> bytes:
    """The packets for port 53 of some minutes."""
    return capture(packet for number in minutes for packet in minute(number)[::2])


def test_rotated_files_are_read_in_time_order_whatever_their_names(tmp_path: Path) -> None:
    """Exactly the window comes out, over several files, and only the files that may hold some of it are read."""
    names = ["zz.pcap", "-w", "a file\nwith 'quotes'; $(touch oops) .pcap", "log.pcap.1700000160"]
    for number, name in enumerate(names):
        place(tmp_path / name, minute(number))
    (tmp_path / "notes.txt").write_text("no capture")
    heard = Heard()
    window = (START_US + 30 * US, START_US + 3 * MINUTE_US)
    finding = read(source(tmp_path), ask(*window), heard)
    assert finding.verdict is Verdict.COMPLETE
    assert heard.body == capture(packet for packet in minute(0)[30::2]) + truth(1, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "notes.txt"])


def test_a_file_is_left_out_only_when_all_its_packets_are_known(tmp_path: Path) -> None:
    """Neither its time nor its first packet nor its name keep a file from being read; facts of its packets do."""
    for number in range(3):
        place(tmp_path / f"{number}.pcap", minute(number))
    place(tmp_path / "back.pcap", [udp(START_US + 600 * US, 53), udp(START_US + 70 * US, 53)])
    opened = source(tmp_path)
    request = ask(START_US + MINUTE_US, START_US + 2 * MINUTE_US)
    for _ in range(2):
        heard = Heard()
        assert read(opened, request, heard).verdict is Verdict.COMPLETE
        assert sorted(heard.times_us) == sorted(
            [*range(START_US + MINUTE_US, START_US + 2 * MINUTE_US, 2 * US), START_US + 70 * US]
        )
    known = [opened._facts.get(file.identity) for file in Catalog(str(tmp_path)).look().files]
    touching = [facts is not None and facts.touches(request.after_us, request.before_us) for facts in known]
    assert touching == [False, True, False, True]


def test_directories_at_any_depth_are_read(tmp_path: Path) -> None:
    """Arkime, n2disk and dated trees are several directories deep; links in circles are followed once."""
    place(tmp_path / "day1" / "a.pcap", minute(0))
    place(tmp_path / "2026" / "11" / "24" / "02" / "b.pcap", minute(1))
    (tmp_path / "2026" / "11" / "again").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    os.link(tmp_path / "day1" / "a.pcap", tmp_path / "second name")
    heard = Heard()
    assert read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard).verdict is Verdict.COMPLETE
    assert heard.body == truth(0, 1)


@pytest.mark.parametrize("kind", ["pcapng", "nsecpcap", "modpcap"])
def test_other_formats_are_read(tmp_path: Path, kind: str) -> None:
    """The same packets come out of every kind of capture that Wireshark's own programs read and tcpdump wrote."""
    plain = place(tmp_path / "plain.pcap", minute(0))
    captures = tmp_path / "captures"
    captures.mkdir()
    editcap = program("editcap", "wireshark-common")
    subprocess.run([editcap, "-F", kind, plain, captures / "other"], check=True, timeout=30)
    heard = Heard()
    finding = read(source(captures), ask(START_US, START_US + MINUTE_US), heard)
    assert (finding.verdict, heard.body) == (Verdict.COMPLETE, truth(0))


@pytest.mark.parametrize("resolution", [None, 9, 3, 0x80 | 20])
@pytest.mark.parametrize("order", ["<", ">"])
def test_first_packet_of_pcapng_is_found(tmp_path: Path, resolution: int | None, order: str) -> None:
    """The clock of the interface counts, in both byte orders and behind other blocks."""

    def block(kind: int, body: bytes) -> bytes:
        length = 12 + len(body)
        return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)

    per_s = {None: 10**6, 9: 10**9, 3: 10**3, 0x80 | 20: 2**20}[resolution]
    option = b"" if resolution is None else struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    ticks = START_US // US * per_s
    data = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack(order + "HHI", 1, 0, 65535) + option)
    data += block(4, bytes(8))
    data += block(6, struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, 4, 4) + b"data")
    (tmp_path / "x").write_bytes(data)
    assert [file.first_us for file in Catalog(str(tmp_path)).look().files] == [START_US]


def test_coverage(tmp_path: Path) -> None:
    """Oldest is the first packet of all; files are counted, and what they hold."""
    place(tmp_path / "b.pcap", minute(3))
    place(tmp_path / "a.pcap", minute(1))
    place(tmp_path / "empty.pcap", [])
    (tmp_path / "c.pcap.gz").write_bytes(b"\x1f\x8b\x08\x00")
    coverage = source(tmp_path, flush_lag_s=7).coverage()
    assert (coverage.oldest_us, coverage.flush_lag_us) == (START_US + MINUTE_US, 7 * US)
    disk_bytes = sum((tmp_path / name).stat().st_size for name in ("a.pcap", "b.pcap"))
    disk_bytes += sum((tmp_path / name).stat().st_size for name in ("empty.pcap", "c.pcap.gz"))
    stats = {name: value for name, value in coverage.stats.items() if name != "last_written"}
    assert stats == {"files": 2, "unusable_files": 0, "other_files": 0, "disk_bytes": disk_bytes, "dropped": 0}


def test_oldest_packet_need_not_be_the_first(tmp_path: Path) -> None:
    """Queues of a recorder are some microseconds apart, and a clock that was not set says nothing."""
    place(tmp_path / "a.pcap", [udp(START_US + 41, 53), udp(START_US, 53), udp(START_US + US, 53)])
    place(tmp_path / "boot.pcap", [udp(1_000, 53)])
    opened = source(tmp_path)
    assert opened.coverage().oldest_us == START_US
    assert read(opened, ask(START_US, START_US + MINUTE_US)).verdict is Verdict.COMPLETE
    assert opened.coverage().oldest_us == START_US


@pytest.mark.parametrize("look_inside", [False, True])
def test_plain_words_look_inside_where_the_source_says_so(tmp_path: Path, look_inside: bool) -> None:
    """Traffic that is mirrored through VXLAN is found by the addresses and ports in the tunnel."""
    inner = capture([udp(START_US, 53)])[16:]
    udp_header = struct.pack(">HHHH", 40_000, 4789, 16 + len(inner), 0)
    ip = bytes.fromhex("4500") + struct.pack(">H", 36 + len(inner)) + bytes.fromhex("0000000040110000c0a80001c0a80002")
    frame = bytes(12) + b"\x08\x00" + ip + udp_header + b"\x08" + bytes(7) + inner
    record = struct.pack("<IIII", START_US // US, 0, len(frame), len(frame)) + frame
    (tmp_path / "x.pcap").write_bytes(file_header() + record)
    config = CaptureFilesConfig(name="rock01:em2", path=tmp_path, look_inside=look_inside)
    heard = Heard()
    assert read(CaptureFilesSource(config), ask(START_US, START_US + MINUTE_US), heard).verdict in FULL
    assert heard.body == (record if look_inside else b"")


def test_coverage_follows_a_growing_file(tmp_path: Path) -> None:
    """No directory changes when a recorder goes on writing; sizes and times follow all the same."""
    path = tmp_path / "x.pcap"
    path.write_bytes(file_header() + capture(minute(0)))
    opened = source(tmp_path)
    before = opened.coverage().stats
    with path.open("ab") as file:
        file.write(capture(minute(1)))
    later_s = before["last_written"] + 5
    os.utime(path, (later_s, later_s))
    after = opened.coverage().stats
    assert after["disk_bytes"] == before["disk_bytes"] + len(capture(minute(1)))
    assert after["last_written"] == later_s


def test_empty_directory_proves_nothing(tmp_path: Path) -> None:
    """Without files there is no answer, and it is said why."""
    finding = read(source(tmp_path), ask(START_US, START_US + MINUTE_US))
    assert (finding.verdict, finding.usable) == (Verdict.AGED_OUT, False)
    assert finding.sentence == "rock01:em2 has no packets on disk."


def test_a_directory_whose_files_are_all_gone_may_be_a_mount_point(tmp_path: Path) -> None:
    """Nothing is called empty, nor aged off, because a disk is away; when it is back, so are its packets."""
    directory = tmp_path / "mount"
    opened, path = source(directory), place(directory / "a.pcap", minute(0))
    request = ask(START_US, START_US + MINUTE_US)
    assert read(opened, request).verdict is Verdict.COMPLETE
    path.rename(tmp_path / "away.pcap")
    finding = read(opened, request)
    assert finding.verdict is Verdict.UNREACHABLE
    assert "held captures and is empty now: is its file system mounted?" in finding.sentence
    with pytest.raises(SourceError, match="is empty now"):
        opened.survey(parse("port 53"), Window(0, US), threading.Event())
    (tmp_path / "away.pcap").rename(path)
    assert read(opened, request).verdict is Verdict.COMPLETE


def test_directory_whose_files_were_all_replaced_is_not_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its names were read a moment ago, and took so long that they are not read again soon."""
    monkeypatch.setattr(catalog, "_CHEAP_NS", -1)
    monkeypatch.setattr(catalog, "_LISTING_SHARE", 10**9)
    opened = source(tmp_path)
    os.utime(place(tmp_path / "a.pcap", minute(0)))
    assert opened.coverage().oldest_us == START_US
    (tmp_path / "a.pcap").unlink()
    place(tmp_path / "b.pcap", minute(1))
    assert opened.coverage().stats["files"] == 1


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    """A directory that cannot be read is named."""
    finding = read(source(tmp_path / "none"), ask(START_US, START_US + MINUTE_US))
    assert (finding.verdict, "none cannot be read: No such file" in finding.sentence) == (Verdict.REFUSED, True)


def test_damage_in_an_older_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    """Half a record at the end of a file that is not the newest is damage."""
    place(tmp_path / "0.pcap", minute(0), cut=5)
    place(tmp_path / "1.pcap", minute(1))
    heard = Heard()
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard)
    assert (finding.verdict, finding.usable) == (Verdict.CUT, True)
    assert "0.pcap: it ends in the middle of a packet, after 4,579 bytes" in finding.sentence
    assert heard.body == truth(0, 1)


def test_half_a_record_at_the_end_of_the_growing_file_is_normal(tmp_path: Path) -> None:
    """A window that ends before the packet that is being written is whole."""
    place(tmp_path / "0.pcap", minute(0))
    growing = place(tmp_path / "1.pcap", minute(1), cut=5)
    os.utime(growing)
    heard = Heard()
    assert read(source(tmp_path), ask(START_US, START_US + 119 * US), heard).verdict is Verdict.COMPLETE
    assert heard.body == truth(0, 1)


def test_packets_that_the_recorder_holds_back_are_not_yet_there(tmp_path: Path) -> None:
    """Half a record proves that there is more than the file shows: tcpdump without -U on a quiet line."""
    place(tmp_path / "0.pcap", minute(0))
    growing = place(tmp_path / "1.pcap", minute(1), cut=5)
    os.utime(growing)
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US))
    assert (finding.verdict, finding.usable) == (Verdict.NOT_YET, True)
    assert "1.pcap is still being written, and it ends in the middle of a packet" in finding.sentence


def test_a_newest_file_that_was_left_long_ago_is_cut(tmp_path: Path) -> None:
    """No recorder holds anything back for days; after an hour it may, and the sentence says since when it is quiet."""
    place(tmp_path / "0.pcap", minute(0))
    newest = place(tmp_path / "1.pcap", minute(1), cut=5)
    request = ask(START_US, START_US + 2 * MINUTE_US)
    now_s = time.time()
    os.utime(newest, (now_s, now_s - 3600))
    finding = read(source(tmp_path), request)
    assert (finding.verdict, "1.pcap was last written to at 20" in finding.sentence) == (Verdict.NOT_YET, True)
    os.utime(newest, (now_s, now_s - 2 * 86400))
    heard = Heard()
    finding = read(source(tmp_path), request, heard)
    assert (finding.verdict, finding.usable, heard.body) == (Verdict.CUT, True, truth(0, 1))
    assert "1.pcap: it ends in the middle of a packet" in finding.sentence
    assert "still being written" not in finding.sentence


def test_garbage_in_a_file_is_told(tmp_path: Path) -> None:
    """A record that is none ends that file, and the file is named."""
    path = place(tmp_path / "0.pcap", minute(0))
    path.write_bytes(path.read_bytes() + b"\xff" * 64)
    os.utime(path, (OLD_S, OLD_S))
    heard = Heard()
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard)
    assert (finding.verdict, "0.pcap: " in finding.sentence) == (Verdict.CUT, True)
    assert heard.body == truth(0)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pcap.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + bytes(40), "damaged"),
        ("a.pcap", bytes(5000), "begins with zeros"),
        ("a.snoop", b"snoop\0\0\0\0\0\0\2\0\0\0\4", "is snoop"),
        ("a.pcap.arkime", b"\x9c\x01" * 32, "is encrypted by Arkime"),
        ("a.pcap", b"\x00\xffabcd" * 20, "begins with 00 ff 61 62"),
    ],
    ids=["damaged", "zeros", "snoop", "encrypted", "unknown"],
)
def test_what_looks_like_a_capture_and_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """It is not passed over in silence, unless it was finished before the window; the other files are read."""
    place(tmp_path / "1.pcap", minute(1))
    other = tmp_path / name
    other.write_bytes(content)
    request = ask(START_US + MINUTE_US, START_US + 2 * MINUTE_US)
    os.utime(other, (OLD_S, OLD_S))
    heard = Heard()
    within = read(source(tmp_path), request, heard)
    os.utime(other, (START_US // US - 60, START_US // US - 60))
    before = read(source(tmp_path), request)
    assert (within.verdict, f"{name}" in within.sentence, reason in within.sentence) == (Verdict.CUT, True, True)
    assert "Retry" not in within.next_step
    assert heard.body == truth(1)
    assert before.verdict is Verdict.COMPLETE


def test_file_that_is_rotated_away_meanwhile_is_told(tmp_path: Path) -> None:
    """A file that was listed and is gone when its turn comes makes the answer incomplete."""
    for number in range(2):
        place(tmp_path / f"{number}.pcap", minute(number))
    opened = source(tmp_path)
    window = Window(START_US, START_US + 2 * MINUTE_US)
    query = ask(START_US, START_US + 1).parsed_query
    with opened.read(query, window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
        (tmp_path / "1.pcap").unlink()
        list(reading.chunks)
        assert "1.pcap was removed before it was read" in reading.shortfalls()[0].sentence


def test_other_link_type_in_a_later_file_is_read(tmp_path: Path) -> None:
    """Packets of both link types come, each with its own."""
    place(tmp_path / "0.pcap", minute(0))
    place(tmp_path / "1.pcap", minute(1), header=file_header(linktype=113))
    heard = Heard()
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US, ""), heard)
    kinds = [(one.linktype, one.packets) for one in heard.fragments if one.packets]
    assert (finding.verdict, kinds) == (Verdict.COMPLETE, [(1, 60), (113, 60)])


def test_link_type_that_cannot_be_filtered_is_told(tmp_path: Path) -> None:
    """Whether packets of Bluetooth match cannot be known; everything can be asked for."""
    place(tmp_path / "0.pcap", minute(0), header=file_header(linktype=187))
    filtered = read(source(tmp_path), ask(START_US, START_US + MINUTE_US))
    everything = read(source(tmp_path), ask(START_US, START_US + MINUTE_US, ""))
    assert (filtered.verdict, "60 packets of link type 187" in filtered.sentence) == (Verdict.CUT, True)
    assert everything.verdict is Verdict.COMPLETE


def test_nothing_after_the_newest_file_is_a_gap(tmp_path: Path) -> None:
    """A window long after the last packet of a directory is not called empty: nothing was written then."""
    place(tmp_path / "0.pcap", minute(0))
    finding = read(source(tmp_path), ask(START_US + 60 * MINUTE_US, START_US + 61 * MINUTE_US))
    assert (finding.verdict, "no file was written since" in finding.sentence) == (Verdict.GAP, True)


def test_hole_between_files_is_a_gap(tmp_path: Path) -> None:
    """Inside a hole nothing is empty, across it nothing is complete, beside it everything is."""
    for number in (0, 1, 2, 40, 41, 42):
        place(tmp_path / f"{number}.pcap", minute(number))
    windows = [(10, 20), (1, 42), (0, 2), (41, 43)]
    verdicts = [
        read(source(tmp_path), ask(START_US + first * MINUTE_US, START_US + last * MINUTE_US)).verdict
        for first, last in windows
    ]
    assert verdicts == [Verdict.GAP, Verdict.GAP, Verdict.COMPLETE, Verdict.COMPLETE]


def test_progress_goes_by_files(tmp_path: Path) -> None:
    """When a file is done, everything before the next one's first packet has been sent, give or take some disorder."""
    for number in range(3):
        place(tmp_path / f"{number}.pcap", minute(number))
    opened = source(tmp_path)
    window = Window(START_US, START_US + 3 * MINUTE_US)
    query = ask(START_US, START_US + 1, "port 7777").parsed_query
    seen = []
    with opened.read(query, window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
        for _ in reading.chunks:
            seen.append(reading.through_us())
    assert seen[:2] == [START_US + 55 * US, START_US + 115 * US]


def test_stop_ends_a_reading(tmp_path: Path) -> None:
    """A reading that is stopped ends at its next block."""
    place(tmp_path / "0.pcap", minute(0))
    stop = threading.Event()
    opened = source(tmp_path)
    query = ask(START_US, START_US + 1).parsed_query
    window = Window(START_US, START_US + MINUTE_US)
    with opened.read(query, window, most_bytes=None, most_packets=None, stop=stop) as reading:
        stop.set()
        with pytest.raises(SourceError):
            list(reading.chunks)
