"""The kind `capture-files`: real tcpdump over directories as dumpcap, tcpdump and Suricata leave them."""

import os
import struct
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.job import Verdict
from docket.domain.timewindow import Window
from docket.errors import SourceError
from docket.packet.pcap import file_header
from docket.workers.interface.reader import Stopped
from docket.workers.sources.capture_files.catalog import CaptureIndex
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.faults.packets import Packet, capture, udp
from tests.services.needs import program
from tests.services.waiting import wait_until
from tests.workers.requests import START_US, US, Heard, ask, read

MINUTE_US = 60 * US
OLD_S = START_US // US + 86_400
"""When the files of a test were last written to, if nothing else is said: a day after their packets."""


@pytest.fixture(autouse=True)
def _tcpdump() -> None:
    program("tcpdump", "tcpdump")


def minute(number: int) -> list[Packet]:
    """A packet a second, every other one for port 53."""
    start_us = START_US + number * MINUTE_US
    return [udp(start_us + second * US, 53 if second % 2 == 0 else 80) for second in range(60)]


def place(path: Path, packets: Iterable[Packet], *, header: bytes = file_header(), cut: int = 0) -> Path:
    """Write a capture file, without its last `cut` bytes, that was last written to long ago."""
    data = header + capture(packets)
    path.parent.mkdir(exist_ok=True)
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


def test_files_outside_the_window_are_not_read(tmp_path: Path) -> None:
    """A file is left out when it begins later, or when both its age and the next file say that it ended earlier."""
    for number in range(5):
        path = place(tmp_path / f"{number}.pcap", minute(number))
        os.utime(path, (START_US // US + (number + 1) * 60,) * 2)
    listing = CaptureIndex(tmp_path).list()
    chosen = listing.overlapping(START_US + 190 * US, START_US + 200 * US)
    assert [file.path.name for file in chosen] == ["2.pcap", "3.pcap"]


def test_directories_one_level_down_are_read_too(tmp_path: Path) -> None:
    """Some programs begin a directory per day."""
    place(tmp_path / "day1" / "a.pcap", minute(0))
    place(tmp_path / "day2" / "b.pcap", minute(1))
    heard = Heard()
    assert read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard).verdict is Verdict.COMPLETE
    assert heard.body == truth(0, 1)


@pytest.mark.parametrize("kind", ["pcapng", "nsecpcap"])
def test_other_formats_are_read(tmp_path: Path, kind: str) -> None:
    """pcapng and nanoseconds come out as the same packets."""
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
    assert [file.first_us for file in CaptureIndex(tmp_path).list().files] == [START_US]


def test_coverage(tmp_path: Path) -> None:
    """Oldest is the first packet of all; unusable files are counted, and what the others hold."""
    place(tmp_path / "b.pcap", minute(3))
    place(tmp_path / "a.pcap", minute(1))
    place(tmp_path / "empty.pcap", [])
    (tmp_path / "c.pcap.gz").write_bytes(b"\x1f\x8b\x08\x00")
    coverage = source(tmp_path, flush_lag_s=7).coverage()
    assert (coverage.oldest_us, coverage.flush_lag_us) == (START_US + MINUTE_US, 7 * US)
    disk_bytes = sum((tmp_path / name).stat().st_size for name in ("a.pcap", "b.pcap"))
    assert coverage.stats == {"files": 2, "unusable_files": 1, "disk_bytes": disk_bytes}


def test_empty_directory_proves_nothing(tmp_path: Path) -> None:
    """Without files there is no answer, and it is said why."""
    finding = read(source(tmp_path), ask(START_US, START_US + MINUTE_US))
    assert (finding.verdict, finding.usable) == (Verdict.AGED_OUT, False)
    assert finding.sentence == "rock01:em2 has no packets on disk."


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
    assert "0.pcap: truncated dump file" in finding.sentence
    assert heard.body == truth(0, 1)


def test_half_a_record_at_the_end_of_the_growing_file_is_normal(tmp_path: Path) -> None:
    """The newest file is still being written; what the window needs is whole."""
    place(tmp_path / "0.pcap", minute(0))
    growing = place(tmp_path / "1.pcap", minute(1), cut=5)
    os.utime(growing)
    heard = Heard()
    assert read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard).verdict is Verdict.COMPLETE
    assert heard.body == truth(0, 1)


def test_garbage_in_a_file_is_told(tmp_path: Path) -> None:
    """A record that is none ends that file, and the file is named."""
    path = place(tmp_path / "0.pcap", minute(0))
    path.write_bytes(path.read_bytes() + b"\xff" * 64)
    os.utime(path, (OLD_S, OLD_S))
    heard = Heard()
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US), heard)
    assert (finding.verdict, "0.pcap: " in finding.sentence) == (Verdict.CUT, True)
    assert heard.body == truth(0)


def test_compressed_file_within_reach_is_told(tmp_path: Path) -> None:
    """What cannot be read is not passed over in silence, unless it was finished before the window."""
    place(tmp_path / "1.pcap", minute(1))
    packed = tmp_path / "0.pcap.gz"
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    request = ask(START_US + MINUTE_US, START_US + 2 * MINUTE_US)
    os.utime(packed, (OLD_S, OLD_S))
    within = read(source(tmp_path), request)
    os.utime(packed, (START_US // US, START_US // US))
    before = read(source(tmp_path), request)
    assert (within.verdict, "0.pcap.gz is compressed" in within.sentence) == (Verdict.CUT, True)
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
        with pytest.raises(SourceError, match=r"1\.pcap was removed before it was read"):
            list(reading.chunks)


def test_other_link_type_in_a_later_file_is_told(tmp_path: Path) -> None:
    """Two link types do not fit into one PCAP."""
    place(tmp_path / "0.pcap", minute(0))
    place(tmp_path / "1.pcap", minute(1), header=file_header(linktype=113))
    finding = read(source(tmp_path), ask(START_US, START_US + 2 * MINUTE_US, ""))
    assert (finding.verdict, "link type 113" in finding.sentence) == (Verdict.CUT, True)


def test_filter_is_not_used_on_other_link_types(tmp_path: Path) -> None:
    """A filter for Ethernet frames would find the wrong packets, or none, in anything else."""
    place(tmp_path / "0.pcap", minute(0), header=file_header(linktype=113))
    filtered = read(source(tmp_path), ask(START_US, START_US + MINUTE_US))
    everything = read(source(tmp_path), ask(START_US, START_US + MINUTE_US, ""))
    assert filtered.verdict is Verdict.REFUSED
    assert everything.verdict is Verdict.COMPLETE


def test_nothing_within_reach_is_empty(tmp_path: Path) -> None:
    """A window after the last packet of a directory is known to be empty."""
    place(tmp_path / "0.pcap", minute(0))
    finding = read(source(tmp_path), ask(START_US + 60 * MINUTE_US, START_US + 61 * MINUTE_US))
    assert finding.verdict is Verdict.EMPTY


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
    assert seen == [None, START_US + 55 * US, START_US + 115 * US]


def test_stop_ends_tcpdump(tmp_path: Path) -> None:
    """A reading that is stopped while tcpdump waits leaves no child behind."""
    fifo = tmp_path / "0.pcap"
    place(fifo, minute(0))
    stop = threading.Event()
    opened = source(tmp_path)
    opened.coverage()
    listing = opened._index.list()
    opened._index.list = lambda: listing  # type: ignore[method-assign]
    fifo.unlink()
    os.mkfifo(fifo)
    with open(os.open(fifo, os.O_RDWR), "wb", buffering=0) as writer:
        writer.write(file_header() + capture(minute(0)))
        stopped: list[str] = []

        def run() -> None:
            try:
                read(opened, ask(START_US, START_US + MINUTE_US), stop=stop)
            except Stopped:
                stopped.append("stopped")

        reader = threading.Thread(target=run)
        reader.start()
        wait_until(lambda: _running("tcpdump"), "tcpdump to run")
        stop.set()
        reader.join(5)
    assert (stopped, _running("tcpdump")) == (["stopped"], False)


def _running(name: str) -> bool:
    """Whether some thread of this process has a child of that name."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            comm = Path(f"/proc/{pid}/comm")
            if comm.exists() and comm.read_text().strip() == name:
                return True
    return False
