"""A directory of captures with its index, asked as its worker asks it: here, or in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.services.answers import chunks_of


def source_of(directory: Path, layout: IndexLayout) -> CaptureFilesSource:
    """The directory as its worker has it."""
    config = CaptureFilesConfig("bench:em1", directory)
    return CaptureFilesSource(config, selector=IndexSelector(layout.root))


def read(source: CaptureFilesSource, text: str, window: Window) -> int:
    """Bytes of packets that match."""
    with source.read(parse(text), window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
        return sum(map(len, chunks_of(reading))) - FILE_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Asked:
    """By a process of its own."""

    seconds: tuple[float, ...]
    """Of each reading but the first."""
    memory_mib: float


_READER = """
import sys, time
from pathlib import Path
from bench.asking import read, source_of
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
source = source_of(Path(sys.argv[1]), IndexLayout(Path(sys.argv[2])))
window = Window(int(sys.argv[4]), int(sys.argv[5]))
source.coverage()
read(source, sys.argv[3], window)
for _ in range(int(sys.argv[6])):
    began_s = time.perf_counter()
    read(source, sys.argv[3], window)
    print(time.perf_counter() - began_s)
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(int(peak) / 1024)
"""


def asked(query: str, directory: Path, layout: IndexLayout, window: Window, times: int) -> Asked:
    """Read once to warm up, then so many times."""
    ends_us = [str(at_us) for at_us in (window.after_us, window.before_us)]
    command: list[str | Path] = [sys.executable, "-c", _READER, directory, layout.root, query, *ends_us, str(times)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *seconds, memory_mib = (float(line) for line in done.stdout.split())
    return Asked(tuple(seconds), memory_mib)
