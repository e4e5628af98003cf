"""Directories as real recorders make them, asked while they write: what is called complete is so, to the packet."""

import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.job import FULL
from docket.domain.query.canonical import parse
from docket.domain.query.render import to_bpf
from docket.domain.timewindow import Window
from docket.index import indexer as indexer_module
from docket.index.index_files import IndexLayout
from docket.index.indexer import SourceIndexer
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES, in_nanoseconds, parse_file_header, scan
from docket.packet.record_cutter import trim
from docket.packet.records import positions
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.faults.packets import Packet, capture, udp
from tests.services.needs import program
from tests.workers.requests import US, Heard, ask, read

Make = Callable[[Path], list[str | Path]]

DEMO = Path(__file__).parents[3] / "docket/demo"
HEADER = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
EVERY_US = 1_000
BATCH = 50


class Recorder:
    """A program that records what it is fed: a packet each millisecond of the clock, as fast as it takes them."""

    def __init__(self, command: Sequence[str | Path], packets: int) -> None:
        self.start_us = (time.time_ns() // 1000 // US - 3600) * US
        self.written = 0
        self._packets = packets
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def packet(self, number: int) -> Packet:
        """Packet number n, which nothing else is like."""
        return udp(self.start_us + number * EVERY_US, 53 if number % 3 == 0 else 80)

    def truth(self, first: int, last: int) -> bytes:
        return capture(self.packet(number) for number in range(first, last) if number % 3 == 0)

    def _feed(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(HEADER)
        for begin in range(0, self._packets, BATCH):
            pipe.write(capture(self.packet(number) for number in range(begin, begin + BATCH)))
            pipe.flush()
            self.written = begin + BATCH
        pipe.close()

    def wait(self) -> None:
        """Until all is on disk."""
        self._thread.join(60)
        self._process.wait(60)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._thread.join(60)
        self._process.wait(60)


@contextmanager
def recorder(command: Sequence[str | Path], packets: int) -> Iterator[Recorder]:
    started = Recorder(command, packets)
    try:
        yield started
    finally:
        started.close()


def dumpcap(directory: Path) -> list[str | Path]:
    ring = ["-b", "filesize:64", "-b", "files:6"]
    return [program("dumpcap", "wireshark-common"), "-q", "-i", "-", *ring, "-w", directory / "ring.pcapng"]


def tcpdump(directory: Path) -> list[str | Path]:
    """Overwrites its six files in place, with their names and inodes."""
    directory.chmod(0o777)
    own = ["-Z", "root"]
    return [program("tcpdump", "tcpdump"), "-r", "-", "-n", *own, "-C", "1", "-W", "6", "-w", directory / "ring"]


@contextmanager
def indexing(directory: Path, layout: IndexLayout) -> Iterator[IndexSelector]:
    """An indexer that follows the directory as quickly as it can."""
    stop, indexer = threading.Event(), SourceIndexer(str(directory), layout, 0)

    def follow() -> None:
        while not stop.is_set():
            if not indexer.step(stop):
                stop.wait(0.02)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield IndexSelector(layout.root)
    finally:
        stop.set()
        thread.join(60)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(("make", "packets"), [(dumpcap, 40_000), (tcpdump, 120_000)])
def test_ring_that_wraps_while_questions_run(
    tmp_path: Path,
    make: Callable[[Path], list[str | Path]],
    packets: int,
    indexed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files vanish and are overwritten under the reading, and under the indexer where one follows them; no answer that
    is called whole lacks or doubles a packet."""
    monkeypatch.setattr(indexer_module, "STEP_BYTES", 0)
    monkeypatch.setattr(indexer_module, "QUIET_NS", 0)
    ring_place = tmp_path / "ring"
    ring_place.mkdir(mode=0o777)
    with ExitStack() as stack:
        selector = stack.enter_context(indexing(ring_place, IndexLayout(tmp_path / "index"))) if indexed else None
        ask_a_ring(ring_place, make(ring_place), packets, selector)


def ask_a_ring(place: Path, command: Sequence[str | Path], packets: int, selector: IndexSelector | None) -> None:
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=place, flush_lag_s=0), selector=selector)
    whole = 0
    with recorder(command, packets) as ring:
        rounds = 0
        while ring.running and rounds < 200:
            rounds += 1
            whole += check(opened, ring, max(0, ring.written - 3_000))
        ring.wait()
        oldest_us = opened.coverage().oldest_us
        assert oldest_us is not None
        first = (oldest_us - ring.start_us) // EVERY_US + 20
        assert first > 1_000, "the ring did not wrap"
        assert check(opened, ring, max(first, packets - 3_000))


def check(opened: CaptureFilesSource, ring: Recorder, first: int) -> bool:
    """Ask for packets from number `first` on; what is called whole must be. Gives whether it was."""
    last = first + 1_500
    heard = Heard()
    window = (ring.start_us + first * EVERY_US, ring.start_us + last * EVERY_US)
    finding = read(opened, ask(*window), heard)
    expected = ring.truth(first, last)
    if finding.verdict in FULL and ring.written >= last + BATCH:
        # What was on its way to the disk is younger than the lag that the source tells.
        assert expected.startswith(heard.body)
    return finding.verdict in FULL and heard.body == expected


QUERIES = [
    "",
    "port 53",
    "tcp",
    "udp and (port 53 or port 67)",
    "net 10.0.0.0/8 and port 443",
    "icmp or icmp6",
    "vlan 20",
]


def made_by_programs(directory: Path) -> list[Path]:
    """The sample captures, cut, converted and packed by the programs that people use."""
    editcap, mergecap = program("editcap", "wireshark-common"), program("mergecap", "wireshark-common")
    em1, em2 = DEMO / "em1.pcap", DEMO / "em2.pcap"
    commands: list[list[str | Path]] = [
        [editcap, "-c", "300", "-F", "pcap", em1, directory / "part.pcap"],
        [editcap, "-F", "pcapng", em2, directory / "x.pcapng"],
        [editcap, "-t", "40", "-F", "nsecpcap", em1, directory / "late.ns"],
        [mergecap, "-a", "-w", directory / "both", em2, em1],
        [editcap, "-s", "60", em1, directory / "short.pcapng"],
    ]
    for command in commands:
        subprocess.run(command, check=True, timeout=60, stderr=subprocess.DEVNULL)
    plain = sorted(directory.iterdir())
    for compressor, name in (("gzip", "late.ns"), ("zstd", "both"), ("lz4", "x.pcapng")):
        if shutil.which(compressor) is not None:
            with (directory / f"{name}.packed").open("wb") as packed:
                subprocess.run([compressor, "-q", "-c", directory / name], check=True, timeout=60, stdout=packed)
            (directory / name).rename(directory.parent / name)
    return [path if path.exists() else directory.parent / path.name for path in plain]


def by_tcpdump(paths: Sequence[Path], query: str, window: Window) -> list[tuple[int, bytes]]:
    """What tcpdump finds file by file, in the window; sorted."""
    found: list[tuple[int, bytes]] = []
    for path in paths:
        command: list[str | Path] = [
            program("tcpdump", "tcpdump"),
            "-O",
            "-n",
            "--time-stamp-precision=nano",
            "-w",
            "-",
            "-r",
            path,
        ]
        command += ["--", to_bpf(parse(query)) or ""] if query else []
        out = subprocess.run(command, check=True, timeout=60, capture_output=True).stdout
        header, body = parse_file_header(out), out[FILE_HEADER_BYTES:]
        found_at = positions(body, nanoseconds=header.nanoseconds)
        if header.nanoseconds:
            found_at = found_at._replace(times=found_at.times // 1000)
        kept = trim(body, found_at, window.after_us, window.before_us).body
        found += split(bytes(kept))
    return sorted(found)


def in_nanos(heard: Heard) -> bytes:
    """All that came; answers of microsecond files alone are made nanoseconds."""
    if any(fragment.nanoseconds for fragment in heard.fragments):
        return heard.body
    return in_nanoseconds(heard.body, scan(heard.body)[1])


def split(body: bytes) -> list[tuple[int, bytes]]:
    times, offsets, _ = scan(body, nanoseconds=True)
    return [(at, body[offsets[n] : offsets[n + 1]]) for n, at in enumerate(times)]


def test_random_questions_over_made_directories(tmp_path: Path) -> None:
    """The same packets as tcpdump file by file, in nanoseconds, whatever the format and the compression."""
    directory = tmp_path / "captures"
    directory.mkdir()
    files = made_by_programs(directory)
    opened = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=directory))
    first_us = min(file.first_us or 0 for file in opened._catalog.look().files)
    choose = random.Random(1)
    for query in QUERIES * 3:
        after_us = first_us + choose.randrange(60 * US)
        window = Window(after_us, after_us + choose.choice([1_000, US, 30 * US, 300 * US]))
        heard = Heard()
        read(opened, ask(window.after_us, window.before_us, query), heard)
        assert sorted(split(in_nanos(heard))) == by_tcpdump(files, query, window), (query, window)
