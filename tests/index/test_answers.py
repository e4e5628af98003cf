"""A source answers the same with an index, with none, with half of one, with a damaged one; and as tcpdump does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.packet.records import scan
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.index.captures import FIRST_S, index_directory
from tests.services import frames
from tests.services.answers import whole_answer
from tests.services.needs import program
from tests.services.waiting import wait_until
from tests.workers.sources.capture_formats import interface, packet, section, statistics

US = 1_000_000
HOSTS = [f"10.1.{n}.7" for n in range(40)]
FILES, PACKETS = 12, 150
QUESTIONS = 25


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Files of tcpdump, which rotates by packets, the last of them cut off in the middle of a packet."""
    directory = tmp_path / "captures"
    directory.mkdir()
    chance = random.Random(4)
    for number in range(FILES):
        made = tmp_path / "made.pcap"
        made.write_bytes(file_header() + b"".join(_record(chance, number, index) for index in range(PACKETS)))
        path = directory / f"em1.{number:03}"
        subprocess.run([program("tcpdump", "tcpdump"), "-r", made, "-w", path], check=True, capture_output=True)
        old_ns = (FIRST_S + 60 * (number + 1)) * 10**9
        if number == FILES - 1:
            os.truncate(path, path.stat().st_size - 9)
        os.utime(path, ns=(old_ns, old_ns))
    return directory


def _record(chance: random.Random, file: int, index: int) -> bytes:
    one, other = chance.sample(HOSTS[file * 2 : file * 2 + 12], 2)
    ports = (chance.randrange(1024, 1100), chance.choice((53, 80, 443)))
    tcp = chance.random() < 0.5
    payload = frames.tcp(one, other, ports, b"x" * 40) if tcp else frames.udp(one, other, ports, b"y" * 40)
    packet = frames.ip(one, other, frames.TCP if tcp else frames.UDP, payload)
    frame = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
    second = FIRST_S + 60 * file + index * 60 // PACKETS
    return b"".join(value.to_bytes(4, "little") for value in (second, index, len(frame), len(frame))) + frame


def _question(chance: random.Random) -> tuple[str, Window]:
    host, port = chance.choice(HOSTS), chance.choice((53, 80, 443, chance.randrange(1024, 1100)))
    text = chance.choice(
        (
            f"host {host}",
            f"port {port}",
            f"host {host} and port {port}",
            f"net {host.removesuffix('.7')}.0/24 or port {port}",
            "",
        )
    )
    after_s = FIRST_S + chance.randrange(-100, 60 * FILES)
    return text, Window(after_s * US, (after_s + chance.choice((10, 100, 1000))) * US)


def _answer(captures: Path, selector: IndexSelector | None, text: str, window: Window) -> tuple[bytes, object]:
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", captures), selector=selector)
    with source.read(parse(text), window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
        return whole_answer(reading), reading.shortfalls()


def _tcpdump(captures: Path, text: str, window: Window) -> list[bytes]:
    """Its packets of the window, in the order of the files."""
    found = []
    for path in sorted(captures.iterdir()):
        command = [program("tcpdump", "tcpdump"), "-n", "-r", str(path), "-w", "-", text]
        written = subprocess.run(command, capture_output=True, check=False).stdout
        one = scan(written, start=FILE_HEADER_BYTES).records
        for at, size, time_ns in zip(one.data_at.tolist(), one.captured.tolist(), one.time_ns.tolist(), strict=True):
            if window.after_us * 1000 <= time_ns < window.before_us * 1000:
                found.append(written[at - 16 : at + size])
    return found


def _records(answer: bytes) -> Iterable[bytes]:
    one = scan(answer, start=FILE_HEADER_BYTES).records
    return [answer[at - 16 : at + size] for at, size in zip(one.data_at.tolist(), one.captured.tolist(), strict=True)]


def _is_past(until_s: float) -> bool:
    return time.monotonic() > until_s


@pytest.mark.parametrize("indexed_before", [False, True])
def test_index_hides_no_dropped_packets(indexed_before: bool, tmp_path: Path, layout: IndexLayout) -> None:
    """What the recorder says it dropped is said, whether it was there when the file was indexed or came behind it."""
    (directory := tmp_path / "captures").mkdir()
    path = directory / "em1_00001_20261124.pcapng"
    written = section() + interface() + packet(FIRST_S * US, b"\0" * 60)
    for content in (written, written + statistics(5)) if indexed_before else (written + statistics(5),):
        path.write_bytes(content)
        os.utime(path, (FIRST_S, FIRST_S))
        if content is written or not indexed_before:
            index_directory(directory, layout)
    for text in ("", "host 10.9.9.9"):
        answer = _answer(directory, IndexSelector(layout.root), text, Window(0, 1 << 60))
        assert answer == _answer(directory, None, text, Window(0, 1 << 60))
        assert [one.verdict for one in answer[1]] == ["gap"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", ["whole", "half", "damaged"])
def test_answers_are_those_of_tcpdump_and_of_no_index(state: str, captures: Path, layout: IndexLayout) -> None:
    """The same packets, and the same said about the damaged file, for random queries and windows."""
    index_directory(captures, layout)
    chance = random.Random(state)
    for number, path in enumerate(sorted(layout.files.iterdir())):
        if state == "half" and number % 2:
            path.unlink()
        elif state == "damaged" and number % 2:
            data = bytearray(path.read_bytes())
            data[chance.randrange(len(data))] ^= 0x10
            path.write_bytes(data)
    selector = IndexSelector(layout.root)
    for _ in range(QUESTIONS):
        text, window = _question(chance)
        answer = _answer(captures, selector, text, window)
        assert answer == _answer(captures, None, text, window)
        assert _records(answer[0]) == _tcpdump(captures, text, window)


_INDEXER = """
import sys, threading
from pathlib import Path
from docket.index.indexer import SourceIndexer
from docket.index.index_files import IndexLayout
indexer = SourceIndexer(sys.argv[1], IndexLayout(Path(sys.argv[2])), 0)
print("begun", flush=True)
while indexer.step(threading.Event()):
    pass
"""


def test_a_killed_indexer_leaves_nothing_wrong(captures: Path, layout: IndexLayout) -> None:
    """Killed at random times, each time with no index at first: the answers stay those of tcpdump."""
    chance = random.Random(9)
    for _ in range(8):
        for path in layout.files.glob("*") if layout.files.exists() else ():
            if chance.random() < 0.5:
                path.unlink()
        child = subprocess.Popen(
            [sys.executable, "-c", _INDEXER, str(captures), str(layout.root)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        with child:
            child.stdout.readline()
            until_s = time.monotonic() + chance.random() * 0.1
            wait_until(partial(_is_past, until_s), "the moment to kill")
            child.send_signal(signal.SIGKILL)
        for _ in range(3):
            text, window = _question(chance)
            answer = _answer(captures, IndexSelector(layout.root), text, window)
            assert _records(answer[0]) == _tcpdump(captures, text, window)
    index_directory(captures, layout)
    assert not list(layout.files.glob(".*"))
