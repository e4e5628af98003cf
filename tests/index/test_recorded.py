"""Directories of real recorders are answered as tcpdump answers file by file, with and without an index, whoever dies.

`make questions` asks 2,000 questions, and 200 between kills.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from docket.index import indexer as indexer_module
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from tests.index.captures import index_directory
from tests.index.recorded import (
    RING,
    answer,
    by_recorders,
    by_tcpdump,
    joined_by_tcpdump,
    packets_of,
    plain_files,
    question,
    traffic,
)
from tests.services.needs import program
from tests.services.waiting import wait_until

QUESTIONS = int(os.environ.get("QUESTIONS", "20"))
MOST_FILES = 16
KILLS = int(os.environ.get("KILLS", "5"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "captures"
    made.mkdir(mode=0o777)
    return made


def _index(directory: Path, layout: IndexLayout) -> IndexSelector:
    for path in directory.rglob("*"):
        if path.is_file():
            os.utime(path, (1_700_001_000, 1_700_001_000))
    return index_directory(directory, layout)


def _spoiled(layout: IndexLayout, root: Path, seed: int, *, halved: bool) -> IndexSelector:
    """A copy of the index without half of its files, or with wrong bytes in half of them."""
    shutil.copytree(layout.root, root)
    chance = random.Random(seed)
    files = sorted(path for path in root.rglob("*") if path.suffix in (".index", ".group"))
    for path in chance.sample(files, len(files) // 2):
        if halved:
            path.unlink()
            continue
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    return IndexSelector(root)


def test_random_questions_are_answered_as_by_tcpdump(
    directory: Path, tmp_path: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the index, without one, with half of it and with a damaged one: the same packets, to the nanosecond."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    seed = int(os.environ.get("SEED", "1"))
    by_recorders(directory, tmp_path, seed)
    selector, files = _index(directory, layout), plain_files(directory, tmp_path)
    assert len(list(layout.groups.iterdir())) >= 1
    states = {
        "an index": selector,
        "none": None,
        "half an index": _spoiled(layout, tmp_path / "half", seed, halved=True),
        "a damaged index": _spoiled(layout, tmp_path / "damaged", seed, halved=False),
    }
    joined = joined_by_tcpdump(files, tmp_path / "joined.pcap")
    chance, found = random.Random(seed), 0
    for _ in range(QUESTIONS):
        text, window = question(chance)
        expected = by_tcpdump([joined], text, window)
        found += len(expected)
        for name, state in states.items():
            assert answer(directory, state, text, window) == expected, (name, text, window)
    assert found > QUESTIONS


_INDEXER = """
import sys, threading
from pathlib import Path
from docket.index import indexer
from docket.index.index_files import IndexLayout
indexer.QUIET_NS = indexer.STEP_BYTES = indexer.SETTLED_NS = 0
indexer.GROUP_FILES = (2, 4, 8)
one = indexer.SourceIndexer(sys.argv[1], IndexLayout(Path(sys.argv[2])), 0)
print("begun", flush=True)
while True:
    one.step(threading.Event())
"""

_WORKER = """
import sys, threading
from pathlib import Path
from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.selector import IndexSelector
from docket.workers.sources.capture_files.directory import CaptureFilesSource
config, selector = CaptureFilesConfig("rock01:em1", Path(sys.argv[1])), IndexSelector(Path(sys.argv[2]))
source = CaptureFilesSource(config, selector=selector)
print("begun", file=sys.stderr, flush=True)
window = Window(int(sys.argv[4]), int(sys.argv[5]))
with source.read(parse(sys.argv[3]), window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
    for chunk in reading.chunks:
        sys.stdout.buffer.write(chunk)
"""


def test_killed_programs_leave_no_wrong_answer(directory: Path, tmp_path: Path, layout: IndexLayout) -> None:
    """Recorder, indexer and worker are killed at random; who asks then gets what tcpdump finds in the files."""
    chance = random.Random(int(os.environ.get("SEED", "2")))
    layout.make()
    for number in range(KILLS):
        for path in sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:-MOST_FILES]:
            path.unlink()  # as a ring would
        with (
            _recorder(directory, tmp_path, number) as recorder,
            subprocess.Popen(_python(_INDEXER, directory, layout.root), stdout=subprocess.PIPE) as indexer,
        ):
            assert indexer.stdout is not None
            indexer.stdout.readline()
            text, window = question(chance)
            asked = [text, str(window.after_us), str(window.before_us)]
            with subprocess.Popen(
                _python(_WORKER, directory, layout.root, *asked), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as worker:
                assert worker.stderr is not None
                worker.stderr.readline()
                for victim in chance.sample((recorder, indexer, worker), 3):
                    _after(chance.random() * 0.05)
                    victim.send_signal(signal.SIGKILL)
        files = sorted(path for path in directory.iterdir() if path.is_file())
        done = subprocess.run(_python(_WORKER, directory, layout.root, *asked), check=True, capture_output=True)
        assert packets_of(done.stdout) == by_tcpdump(files, text, window), (number, text, window)


def _recorder(directory: Path, place: Path, number: int) -> subprocess.Popen[bytes]:
    """dumpcap, which is fed until it is killed."""
    command: list[str | Path] = [
        program("dumpcap", "wireshark-common"),
        "-q",
        "-i",
        "-",
        *RING,
        "-w",
        directory / "ring.pcapng",
    ]
    with traffic(place / "made.pcap", number, 700).open("rb") as made:
        return subprocess.Popen(command, stdin=made, stderr=subprocess.DEVNULL)


def _python(program_text: str, *arguments: str | Path) -> Sequence[str]:
    return [sys.executable, "-c", program_text, *map(str, arguments)]


def _after(length_s: float) -> None:
    """Let some time pass: the moment of the kill is what is random here."""
    until_s = time.monotonic() + length_s
    wait_until(lambda: time.monotonic() > until_s, "the moment to kill")
