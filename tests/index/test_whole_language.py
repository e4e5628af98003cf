"""Random questions of the whole language to directories of every link type, with an index and with none.

What each packet holds is noted by its maker, and what a question means is decided by `tests.packet.questions`: neither
shares code with Docket. `QUESTIONS=2000` asks as many in all.
"""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.index.captures import FIRST_S, index_directory
from tests.packet.levels import Packet
from tests.packet.linked import MAKERS, packets
from tests.packet.questions import random_question
from tests.workers.requests import Heard, ask, read

QUESTIONS = int(os.environ.get("QUESTIONS", "300"))
FILES, PER_FILE = 4, 60
US = 1_000_000
EVERYTHING = Window(FIRST_S * US, (FIRST_S + FILES * 60) * US)


def _record(packet: Packet, index: int) -> bytes:
    time_s = FIRST_S + index * 60 // PER_FILE
    return struct.pack("<IIII", time_s, index, len(packet.data), len(packet.data)) + packet.data


def _directory(directory: Path, linktype: int, made: list[Packet]) -> Path:
    """A minute of packets to a file, closed long ago."""
    directory.mkdir()
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, linktype)
    for number in range(FILES):
        path = directory / f"em1.{number}.pcap"
        first = number * PER_FILE
        chosen = range(first, first + PER_FILE)
        path.write_bytes(head + b"".join(_record(made[index], index) for index in chosen))
        end_ns = (FIRST_S + 60 * (number + 1)) * 10**9
        os.utime(path, ns=(end_ns, end_ns))
    return directory


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_a_directory_answers_what_is_meant(linktype: int, tmp_path: Path, layout: IndexLayout) -> None:
    """The packets that fit the question, whole and in order, and no others; the same whether they are indexed."""
    made = packets(linktype, FILES * PER_FILE, seed=4000 + linktype, depth=4)
    captures = _directory(tmp_path / "captures", linktype, made)
    chance = random.Random(5000 + linktype)
    sources = [
        CaptureFilesSource(CaptureFilesConfig("rock01:em1", captures, flush_lag_s=0), selector=selector)
        for selector in (index_directory(captures, layout), None)
    ]
    for _ in range(QUESTIONS // len(MAKERS) + 1):
        question = random_question(chance)
        expected = b"".join(_record(packet, index) for index, packet in enumerate(made) if question.means(packet))
        for source in sources:
            heard = Heard()
            read(source, ask(EVERYTHING.after_us, EVERYTHING.before_us, question.text), heard)
            assert heard.body == expected, question.text
