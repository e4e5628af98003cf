"""The demo goes on recording: later questions find traffic, and no gap before it."""

import time
from pathlib import Path

from docket.config.model import CaptureFilesConfig
from docket.demo.place import INTERFACES, place_demo
from docket.demo.recorder import EVERY_S, KEPT_FILES, DemoRecorder
from docket.domain.clock import Clock
from docket.workers.sources.capture_files.directory import CaptureFilesSource

US_PER_S = 1_000_000


class Later(Clock):
    """Some time after the demo was started."""

    def __init__(self, now_us: int) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us


def gaps(directory: Path, now_us: int) -> int:
    source = CaptureFilesSource(CaptureFilesConfig("demo:em1", directory / "em1", flush_lag_s=1), Later(now_us))
    return len(source.coverage().gaps)


def test_demo_that_goes_on_has_no_gap(tmp_path: Path) -> None:
    """An hour later its last files are as fresh as at the beginning; one that stopped has a gap."""
    started_us = time.time_ns() // 1000 - 3_600 * US_PER_S
    files = place_demo(tmp_path, started_us)
    assert (gaps(tmp_path, started_us), gaps(tmp_path, started_us + 900 * US_PER_S)) == (0, 1)
    recorder = DemoRecorder(tmp_path, started_us, len(files) // len(INTERFACES))
    for passed_s in range(EVERY_S, 3_600, EVERY_S):
        recorder.record(started_us + passed_s * US_PER_S)
    assert gaps(tmp_path, started_us + 3_600 * US_PER_S) == 0


def test_files_of_the_demo_are_a_ring(tmp_path: Path) -> None:
    """A demo that runs for days does not fill the disk."""
    started_us = time.time_ns() // 1000 - 90_000 * US_PER_S
    place_demo(tmp_path, started_us)
    recorder = DemoRecorder(tmp_path, started_us, 6)
    for number in range(1, KEPT_FILES + 3):
        recorder.record(started_us + number * EVERY_S * US_PER_S)
    assert [len(list((tmp_path / name).iterdir())) for name in INTERFACES] == [KEPT_FILES] * len(INTERFACES)
