"""What is counted before a question is asked: exactly what a job brings, or no less; and a timeline."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.survey import Survey
from docket.domain.timewindow import Window
from docket.index import indexer as indexer_module
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.packet.records import scan
from docket.workers.sources.capture_files import directory_survey as survey_module
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.index.captures import EVER, FIRST_S, index_directory
from tests.services import frames
from tests.services.answers import whole_answer

US = 1_000_000
FILES, PACKETS = 20, 60
STOP = threading.Event()

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def source(tmp_path: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch) -> CaptureFilesSource:
    """A minute of traffic in each file, all of them indexed, most of them in groups."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    monkeypatch.setattr(survey_module, "READ_S", 60.0)
    directory = tmp_path / "captures"
    directory.mkdir()
    chance = random.Random(3)
    for number in range(FILES):
        path = directory / f"em1.{number:03}"
        path.write_bytes(file_header() + b"".join(_record(chance, number, index) for index in range(PACKETS)))
        os.utime(path, (FIRST_S + 60 * (number + 1),) * 2)
    return CaptureFilesSource(CaptureFilesConfig("rock01:em1", directory), selector=index_directory(directory, layout))


def _record(chance: random.Random, file: int, index: int) -> bytes:
    one, other = (f"10.1.{chance.randrange(file, file + 6)}.7" for _ in range(2))
    data = frames.udp(one, other, (chance.randrange(1024, 1030), chance.choice((53, 80))), b"x" * 40)
    frame = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", frames.ip(one, other, frames.UDP, data))
    second = FIRST_S + 60 * file + index
    return b"".join(value.to_bytes(4, "little") for value in (second, 0, len(frame), len(frame))) + frame


def surveyed(source: CaptureFilesSource, text: str, window: Window) -> Survey:
    found = source.survey(parse(text), window, STOP)
    assert found is not None
    return found


def read(source: CaptureFilesSource, text: str, window: Window) -> tuple[int, int]:
    """Packets and bytes of a reading."""
    with source.read(parse(text), window, most_bytes=None, most_packets=None, stop=STOP) as reading:
        answer = whole_answer(reading)
    return len(scan(answer, start=FILE_HEADER_BYTES).records), len(answer) - FILE_HEADER_BYTES


QUESTIONS = ("host 10.1.3.7", "host 10.1.3.7 and port 80", "port 1025", "net 10.1.4.0/24 or port 53", "", "vlan 3")


@pytest.mark.parametrize("text", QUESTIONS)
@pytest.mark.parametrize(("after_s", "length_s"), [(0, 10**6), (90, 200), (3, 1), (-500, 100)])
def test_a_count_is_exact(source: CaptureFilesSource, text: str, after_s: int, length_s: int) -> None:
    """Packets and bytes are those of the answer, whatever part of the files the window covers."""
    window = Window((FIRST_S + after_s) * US + 7, (FIRST_S + after_s + length_s) * US)
    found = surveyed(source, text, window)
    assert found.exact
    assert (found.packets, found.bytes) == read(source, text, window)
    assert found.of_files == FILES


@pytest.mark.parametrize("text", QUESTIONS)
def test_without_reading_it_is_a_bound(source: CaptureFilesSource, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No less than what the answer has; everything of whole stretches is exact all the same."""
    monkeypatch.setattr(survey_module, "READ_BYTES", -1)
    window = Window((FIRST_S + 90) * US, (FIRST_S + 700) * US)
    found, (packets, size_bytes) = surveyed(source, text, window), read(source, text, window)
    assert found.exact is False
    assert (found.packets >= packets, found.bytes >= size_bytes) == (True, True)
    assert found.unindexed_files == 0


def test_the_sentence_counts_packets_and_files(source: CaptureFilesSource) -> None:
    """So that it is known beforehand what a question is worth."""
    packets, size_bytes = read(source, "host 10.1.0.7", EVER)
    found = surveyed(source, "host 10.1.0.7", EVER)
    assert found.files == 1
    assert found.sentence == f"exactly {packets} packets ({size_bytes / 1000:.1f} kB) in 1 of {FILES} files"
    assert surveyed(source, "vlan 3", EVER).sentence == f"no packet in any of {FILES} files"


def test_a_directory_without_packets_counts_none(tmp_path: Path) -> None:
    """That nothing was found in no file proves nothing."""
    found = surveyed(CaptureFilesSource(CaptureFilesConfig("rock01:em1", tmp_path)), "host 10.1.0.7", EVER)
    assert found.sentence == "no file with packets is there"


def test_files_without_an_index_are_read_or_named(
    source: CaptureFilesSource, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are small they are counted as well; otherwise it is said how much is not known."""
    for path in (*layout.groups.iterdir(), *sorted(layout.files.iterdir())[::2]):
        path.unlink()
    found = surveyed(source, "host 10.1.3.7", EVER)
    assert (found.exact, found.packets) == (True, read(source, "host 10.1.3.7", EVER)[0])
    monkeypatch.setattr(survey_module, "READ_BYTES", -1)
    fresh = CaptureFilesSource(source._config, selector=IndexSelector(layout.root))
    named = surveyed(fresh, "host 10.1.3.7", EVER)
    assert named.unindexed_files == FILES // 2
    assert "10 files" in named.sentence
    assert "without an index yet" in named.sentence


def test_the_timeline_has_every_packet(source: CaptureFilesSource) -> None:
    """A minute to a bucket, as long as that is not too many; only minutes of the window."""
    found = surveyed(source, "vlan 3", EVER)
    assert (found.bucket_s, sum(bucket.packets for bucket in found.timeline)) == (60, FILES * PACKETS)
    begin_s = FIRST_S // 60 * 60 + 120
    part = surveyed(source, "", Window(begin_s * US, (begin_s + 120) * US))
    assert [bucket.begins_s for bucket in part.timeline] == [begin_s, begin_s + 60]


def test_a_long_timeline_has_longer_buckets(source: CaptureFilesSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more buckets than a page can show, and all packets in them."""
    monkeypatch.setattr(survey_module, "MOST_BUCKETS", 5)
    found = surveyed(source, "", EVER)
    assert found.bucket_s == 300
    assert sum(bucket.packets for bucket in found.timeline) == FILES * PACKETS
