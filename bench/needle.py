"""A few packets in a directory of captures with an index, beside tcpdump over its files; and what the index costs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.asking import asked, read, source_of
from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.packet.records import RECORD_HEADER_BYTES, scan
from docket.workers.sources.capture_files import catalog
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.services import frames
from tests.services.needs import program

FILE_BYTES = 64_000_000
FILES = 64
QUICK_FILES = 8
FEW, GROWTH = 16, 16
"""So many files, and as many times of them: 1 GB and 16 GB."""
MANY = 60_000
SETTLED_S = 3.0
"""A directory that has changed just now is listed again; heartbeats are ten seconds apart."""
NEEDLES = 20
NEEDLE_HOST = "198.51.100.77"
FIRST_PORT = 40_000
"""Of the needle in the first file; one more in each further file."""
FIRST_S = 1_700_000_000
SPAN_S = 60
"""Of one file, in seconds."""
EVER = Window(0, 1 << 60)


def measure(stage: Stage, runs: int) -> Report:
    """Each run: tcpdump over all files, which warms them, then Docket."""
    files = QUICK_FILES if runs == 1 else FILES
    directory = stage.scratch() / "captures"
    directory.mkdir()
    maker = Maker()
    for number in range(files):
        maker.write(directory, number, needle=number < NEEDLES)
    layout = IndexLayout(stage.scratch() / "index")
    built = build(directory, layout)
    figures = [*_costs(directory, layout, built), _needle(directory, layout, runs), _hour(directory, layout, runs)]
    figures.append(_memory(directory, layout))
    figures.append(_growing(stage, directory, layout, maker, runs))
    figures += _listing(stage, runs)
    return Report(tuple(figures))


class Maker:
    """Files of mixed traffic: the same packets a minute later each, and in the middle a needle."""

    def __init__(self, payload: Callable[[random.Random, int], bytes] = random.Random.randbytes) -> None:
        """`payload` makes so many bytes of a packet's content."""
        chance = random.Random(1)
        pool = [_frame(chance, payload) for _ in range(4_000)]
        pieces, size = [], 0
        while size < FILE_BYTES:
            frame = chance.choice(pool)
            pieces.append(bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame)
            size += len(pieces[-1])
        self._records = np.frombuffer(bytearray(b"".join(pieces)), dtype=np.uint8)
        self._headers = scan(self._records).records.data_at - RECORD_HEADER_BYTES
        self._us = np.linspace(0, SPAN_S * 1_000_000 - 1, self._headers.size).astype(np.int64)

    def write(self, directory: Path, number: int, *, needle: bool, first_s: int = FIRST_S) -> None:
        """One file; `first_s` is when the first of all begins."""
        begins_s = first_s + number * SPAN_S
        times = self._us + begins_s * 1_000_000
        for offset, values in ((0, times // 1_000_000), (4, times % 1_000_000)):
            for byte in range(4):
                self._records[self._headers + offset + byte] = (values >> (8 * byte)) & 0xFF
        middle = int(self._headers[self._headers.size // 2])
        path = directory / f"{number:05}.pcap"
        with path.open("wb") as file:
            file.write(file_header())
            file.write(self._records[:middle].data)
            if needle:
                frame = _packet(NEEDLE_HOST, "10.1.0.1", (FIRST_PORT + number, 443), b"needle")
                at_s = begins_s + SPAN_S // 2
                file.write(at_s.to_bytes(4, "little") + bytes(4) + len(frame).to_bytes(4, "little") * 2 + frame)
            file.write(self._records[middle:].data)
        old_ns = time.time_ns() - 3600 * 10**9
        os.utime(path, ns=(old_ns, old_ns))


def _frame(chance: random.Random, payload: Callable[[random.Random, int], bytes]) -> bytes:
    one, other = (f"10.1.{n >> 8}.{n & 255}" for n in chance.choices(range(4096), k=2))
    ports = (chance.randrange(1024, 65_536), chance.choice((53, 80, 443, 443, 8080)))
    return _packet(one, other, ports, payload(chance, chance.choice((0, 0, 60, 200, 600, 1400, 1400))))


def _packet(one: str, other: str, ports: tuple[int, int], payload: bytes) -> bytes:
    packet = frames.ip(one, other, frames.TCP, frames.tcp(one, other, ports, payload))
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)


@dataclass(frozen=True, slots=True)
class _Built:
    """What it took to index a directory."""

    processor_s: float
    memory_mib: float


_INDEXER = """
import sys, threading, time
from docket.index.indexer import SourceIndexer
from docket.index.index_files import IndexLayout
from pathlib import Path
indexer = SourceIndexer(sys.argv[1], IndexLayout(Path(sys.argv[2])), 0)
began_s = time.process_time()
while indexer.step(threading.Event()):
    pass
spent_s = time.process_time() - began_s
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(spent_s, int(peak) / 1024)
"""


def build(directory: Path, layout: IndexLayout) -> _Built:
    """Index everything, in a process of its own."""
    command = [sys.executable, "-c", _INDEXER, str(directory), str(layout.root)]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return _Built(float(written[0]), float(written[1]))


def _costs(directory: Path, layout: IndexLayout, built: _Built) -> list[Figure]:
    size = sum(path.stat().st_size for path in directory.iterdir())
    packets = sum(group.packets for group in _facts(layout))
    index = sum(path.stat().st_size for path in layout.root.rglob("*") if path.is_file())
    what = f"index of {size / 1e9:.1f} GB, {packets:,} packets"
    return [
        Figure(f"{what}: processor time per MB", "ms", (built.processor_s / size * 1e9,), bar=4, stretch=1.11),
        Figure(f"{what}: processor time per packet", "µs", (built.processor_s / packets * 1e6,), bar=2.5, stretch=1.09),
        Figure(f"{what}: its size", "% of it", (index / size * 100,), bar=1, stretch=0.3),
        Figure(f"{what}: most memory", "MiB", (built.memory_mib,), bar=150),
    ]


def _facts(layout: IndexLayout) -> list[_Counted]:
    from docket.index.format.stored_file import open_index

    found = []
    for path in layout.files.iterdir():
        with open_index(path) as stored:
            found.append(_Counted(stored.facts.packets))
    return found


@dataclass(frozen=True, slots=True)
class _Counted:
    packets: int


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    began_s = time.perf_counter()
    found = work()
    return time.perf_counter() - began_s, found


def _tcpdump(files: list[Path], text: str) -> int:
    tcpdump = program("tcpdump", "tcpdump")
    found = 0
    for path in files:
        done = subprocess.run([tcpdump, "-n", "-r", path, "-w", "-", text], capture_output=True, check=True)
        found += len(done.stdout) - FILE_HEADER_BYTES
    return found


def _compared(title: str, mine: Callable[[], int], theirs: Callable[[], int], runs: int) -> tuple[list[float], ...]:
    values, references = [], []
    for _ in range(runs):
        reference_s, expected = _timed(theirs)
        value_s, found = _timed(mine)
        if found != expected:
            raise RuntimeError(f"{title}: {found} bytes, and tcpdump found {expected}")
        values.append(value_s)
        references.append(reference_s)
    return values, references


def _needle(directory: Path, layout: IndexLayout, runs: int) -> Figure:
    files, source = sorted(directory.iterdir()), source_of(directory, layout)
    text = f"host {NEEDLE_HOST}"
    title = f"needle: {min(NEEDLES, len(files))} packets in {len(files)} files of 64 MB"
    source.coverage()
    read(source, text, EVER)  # both warm: tcpdump's files are in memory as well, from their making and indexing
    values, references = _compared(title, lambda: read(source, text, EVER), lambda: _tcpdump(files, text), runs * 3)
    ours_ms, theirs_ms = (tuple(seconds * 1000 for seconds in side) for side in (values, references))
    reference = "tcpdump over the files"
    return Figure(title, "ms", ours_ms, reference, theirs_ms, Judged.RATIO, bar=1 / 50, stretch=1 / 200)


def _hour(directory: Path, layout: IndexLayout, runs: int) -> Figure:
    """Everything of a twenty-fourth of the time, from one file's first packet to another's last."""
    files, source = sorted(directory.iterdir()), source_of(directory, layout)
    begin = len(files) // 2
    wanted = files[begin : begin + max(1, len(files) // 24)]
    after_s = FIRST_S + begin * SPAN_S
    window = Window(after_s * 1_000_000, (after_s + len(wanted) * SPAN_S) * 1_000_000)
    title = f"everything of {len(wanted)} of {len(files)} files"
    values, references = _compared(title, lambda: read(source, "", window), lambda: _tcpdump(wanted, ""), runs)
    reference = "tcpdump over just these"
    return Figure(title, "s", tuple(values), reference, tuple(references), Judged.RATIO, bar=1.2, stretch=1)


def _memory(directory: Path, layout: IndexLayout) -> Figure:
    """Of a process that has everything in hand, once."""
    whole = asked("", directory, layout, EVER, 0)
    title = f"most memory of a process that lists and reads all {len(list(directory.iterdir()))} files"
    return Figure(title, "MiB", (whole.memory_mib,), bar=100)


def _growing(stage: Stage, directory: Path, layout: IndexLayout, maker: Maker, runs: int) -> Figure:
    """The same question in a sixteenth of the directory, and in all of it."""
    text, few = f"host {NEEDLE_HOST}", FEW if runs > 1 else 2
    small, small_layout = stage.scratch() / "few", IndexLayout(stage.scratch() / "index")
    small.mkdir()
    for path in sorted(directory.iterdir())[:few]:
        (small / path.name).hardlink_to(path)
    build(small, small_layout)
    for number in range(len(list(directory.iterdir())), few * GROWTH):
        maker.write(directory, number, needle=False)
    for path in sorted(directory.iterdir())[few:]:
        if int(path.stem) < NEEDLES:
            path.unlink()  # as many hits in both, so that only what is around them grows
    build(directory, layout)
    sources = (source_of(directory, layout), source_of(small, small_layout))
    for source in sources:
        source.coverage()
        read(source, text, EVER)
    pairs = [[_timed(partial(read, one, text, EVER))[0] for one in sources] for _ in range(runs * 5)]
    title = f"needle as the directory grows from {few} to {len(list(directory.iterdir()))} files of 64 MB"
    large_ms, before_ms = (tuple(seconds * 1000 for seconds in side) for side in zip(*pairs, strict=True))
    return Figure(title, "ms", large_ms, f"{few} files", before_ms, Judged.RATIO, bar=2, stretch=1.1)


def _listing(stage: Stage, runs: int) -> list[Figure]:
    """Processor time that many files cost a worker at rest: six heartbeats a minute, and a file more."""
    directory, count = stage.scratch() / "many", MANY if runs > 1 else MANY // 10
    directory.mkdir()
    frame = _packet(NEEDLE_HOST, "10.1.0.1", (1, 2), b"")
    for number in range(count):
        at_s = FIRST_S + number * SPAN_S
        head = at_s.to_bytes(4, "little") + bytes(4) + len(frame).to_bytes(4, "little") * 2
        path = directory / f"{number:06}.pcap"
        path.write_bytes(file_header() + head + frame)
        os.utime(path, (at_s + SPAN_S, at_s + SPAN_S))
    source = source_of(directory, IndexLayout(stage.scratch() / "index"))
    source.coverage()
    rest, came = [], []
    for run in range(runs):
        time.sleep(SETTLED_S)
        source.coverage()
        rest.append(sum(_processor_s(source) for _ in range(6)) * 1000)
        (directory / f"new{run}.pcap").write_bytes(file_header())
        came.append(_listed_again_s(source) * 1000)
    title = f"listing {count:,} files: processor time"
    return [
        Figure(f"{title} per minute at rest", "ms", tuple(rest), bar=50),
        Figure(f"{title} when a file has come, once in 40 s at most", "ms", tuple(came)),
    ]


def _listed_again_s(source: CaptureFilesSource) -> float:
    """As `_processor_s`, with the names read at once."""
    share, catalog._LISTING_SHARE = catalog._LISTING_SHARE, 0
    try:
        return _processor_s(source)
    finally:
        catalog._LISTING_SHARE = share


def _processor_s(source: CaptureFilesSource) -> float:
    began_s = time.process_time()
    source.coverage()
    return time.process_time() - began_s
