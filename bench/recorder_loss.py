"""What Docket's recorder loses at a steady rate beside indexer and readings, and how full its disk becomes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, Report
from bench.harness import Stage
from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.index_files import of_source
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.packet.records import scan
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.cli.running_server import DOCKET
from tests.services.answers import whole_answer
from tests.services.bulk import write_bulk
from tests.services.child import ChildProcess
from tests.services.needs import program
from tests.services.network import Namespace
from tests.services.waiting import wait_until

RATE_MBPS = 200
PACKETS = 400_000
"""Of one replay: about eight seconds at that rate."""
SETTLED_S = 5.0
"""Without a packet more, all that came is on disk."""
DISK_MB = 64
"""Of the disk that is too small."""
EVER = Window(0, 1 << 60)
NAME = "bench:em1"


def measure(stage: Stage, runs: int) -> Report:
    """Each run: one replay while an indexer follows and one question after the other is read. Then a small disk."""
    capture = stage.scratch() / "steady.pcap"
    write_bulk(capture, PACKETS)
    lost, questions, rates = [], [], []
    for run in range(runs):
        with _Wire(stage.scratch() / f"recorder{run}", f"ring: {4 * PACKETS // 1000}MB", "1MB") as wire:
            begun_s = time.monotonic()
            questions.append(wire.replay(capture))
            rates.append(capture.stat().st_size * 8 / (time.monotonic() - begun_s) / 1e6)
            lost.append(PACKETS - wire.kept())
    least_free_mb = _on_a_small_disk(stage, capture)
    what = f"packets of {PACKETS:,} lost by the recorder at {RATE_MBPS} Mbit/s, beside an indexer and readings"
    return Report(
        (
            Figure(what, "lost", tuple(lost)),
            Figure("rate of the replay", "Mbit/s", tuple(rates)),
            Figure("readings of the whole directory meanwhile", "readings", tuple(questions)),
            Figure(f"least free space of a disk of {DISK_MB} MB, of which 8 are to stay free", "MB", (least_free_mb,)),
        )
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a packet of the capture out of the directory, again and again."""

    source: CaptureFilesSource

    def count(self, text: str) -> int:
        stop = threading.Event()
        with self.source.read(parse(text), EVER, most_bytes=None, most_packets=None, stop=stop) as reading:
            answer = whole_answer(reading)
        return len(scan(answer, start=FILE_HEADER_BYTES).records)


class _Wire:
    """A recorder and an indexer on a cable of their own."""

    def __init__(self, directory: Path, ring: str, min_free: str) -> None:
        directory.mkdir(exist_ok=True)
        self.captures = directory / "captures"
        self.captures.mkdir(exist_ok=True)
        self._directory = directory
        config = directory / "docket.yaml"
        config.write_text(
            f"spool: {{min_free: {min_free}}}\nindex: {{path: {directory / 'index'}}}\n"
            f"sources: [{{name: '{NAME}', kind: capture-files, path: {self.captures}, {ring}}}]\n"
        )
        self._command = [*DOCKET, "--config", str(config)]
        selector = IndexSelector(of_source(directory / "index", NAME).root)
        self._reader = _Reader(CaptureFilesSource(CaptureFilesConfig(NAME, self.captures), selector=selector))
        self._stack = ExitStack()

    def __enter__(self) -> _Wire:
        self._namespace = Namespace(self._directory)
        self._stack.callback(self._namespace.close)
        self._namespace.add_cable("em1", "wire1")
        self._recorder = self._started([*self._namespace.command([*self._command, "record", "em1"])], "record")
        self._started([*self._command, "indexer"], "indexer")
        wait_until(lambda: any(self.captures.glob("em1_*")), "the first file", timeout_s=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _started(self, command: list[str], name: str) -> ChildProcess:
        child = ChildProcess(command, self._directory / f"{name}.log")
        self._stack.callback(child.kill)
        return child

    def replay(self, capture: Path) -> int:
        """Send the capture once; gives how many questions were answered meanwhile."""
        tcpreplay = program("tcpreplay", "tcpreplay")
        command = [tcpreplay, "-q", "-i", "wire1", f"--mbps={RATE_MBPS}", "--preload-pcap", str(capture)]
        answered = 0
        with subprocess.Popen(self._namespace.command(command), stdout=subprocess.DEVNULL) as sender:
            while sender.poll() is None:
                self._reader.count("host 203.0.113.99")
                answered += 1
        if sender.returncode:
            raise RuntimeError(f"tcpreplay ended with {sender.returncode}")
        return answered

    def kept(self) -> int:
        """Packets on disk, once no more come: dumpcap hands on what has waited in the kernel for a moment."""
        kept, changed_s = 0, time.monotonic()

        def settled() -> bool:
            nonlocal kept, changed_s
            count = self._reader.count("")
            if count != kept:
                kept, changed_s = count, time.monotonic()
            return kept >= PACKETS or time.monotonic() - changed_s > SETTLED_S

        wait_until(settled, "the recorder to write all", timeout_s=6 * SETTLED_S, step_s=0.5)
        self._recorder.stop()
        return self._reader.count("")


def _on_a_small_disk(stage: Stage, capture: Path) -> float:
    """The least free space, in MB, while more is recorded than the disk holds and the ring says it may."""
    directory = stage.scratch() / "small"
    (directory / "captures").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", directory / "captures"], check=True)
    free: list[int] = []
    done = threading.Event()
    try:
        with _Wire(directory, "ring: 1GB", "8MB") as wire:
            watch = threading.Thread(target=_follow, args=(wire.captures, free, done))
            watch.start()
            try:
                wire.replay(capture)
            finally:
                done.set()
                watch.join()
    finally:
        subprocess.run(["umount", "--lazy", directory / "captures"], check=True)
    return min(free) / 1e6


def _follow(directory: Path, free: list[int], done: threading.Event) -> None:
    while not done.wait(0.01):
        status = os.statvfs(directory)
        free.append(status.f_bavail * status.f_frsize)
