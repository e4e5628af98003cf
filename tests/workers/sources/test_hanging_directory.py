"""A directory on a file system that hangs costs a word, not the worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.errors import SourceError
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.capture_files.watched_call import Hung, WatchedCalls
from tests.faults.packets import capture, udp
from tests.services.waiting import wait_until


class Share:
    """Every question about files below a path waits while it is away, as with a network share."""

    def __init__(self, path: Path) -> None:
        self.there = threading.Event()
        self.there.set()
        self.waiting = 0
        self._path = str(path)
        self._stat = os.stat

    def stat(self, path: object, **more: object) -> os.stat_result:
        if isinstance(path, str) and path.startswith(self._path) and not self.there.is_set():
            self.waiting += 1
            self.there.wait(60)
            self.waiting -= 1
        return self._stat(path, **more)  # type: ignore[arg-type]


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    made = Share(tmp_path)
    monkeypatch.setattr("docket.workers.sources.capture_files.catalog.os.stat", made.stat)
    (tmp_path / "0.pcap").write_bytes(file_header() + capture([udp(10**15, 80)]))
    yield made
    made.there.set()


def test_a_hanging_directory_is_named_and_comes_back(tmp_path: Path, share: Share) -> None:
    """Readings and news of the source end soon, with the reason; no thread is added while one hangs."""
    catalog = Catalog(str(tmp_path))
    calls = WatchedCalls(lambda: catalog.examined, hung_s=0.2)
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", tmp_path))
    source._calls = calls
    source._catalog = catalog
    assert source.coverage().stats["files"] == 1
    share.there.clear()
    for _ in range(5):
        with pytest.raises(SourceError) as raised:
            source.coverage()
        assert raised.value.verdict == "unreachable"
        assert f"The directory {tmp_path} cannot be listed: its file system has not answered" in raised.value.sentence
    assert share.waiting == 1
    share.there.set()
    wait_until(lambda: share.waiting == 0, "the share to be back")
    wait_until(lambda: _answers(source), "the source to answer again")


def _answers(source: CaptureFilesSource) -> bool:
    try:
        return source.coverage().stats["files"] == 1
    except SourceError:
        return False


def test_slow_is_not_hanging() -> None:
    """As long as something gets on, a listing may take its time."""
    steps, released = iter(range(10**6)), threading.Event()
    calls = WatchedCalls(lambda: next(steps), hung_s=0.01)

    def work() -> str:
        released.wait(0.3)
        return "listed"

    assert calls.run(work) == "listed"
    standing = WatchedCalls(lambda: 0, hung_s=0.01)
    with pytest.raises(Hung):
        standing.run(released.wait)
    released.set()


def test_what_the_call_raises_is_raised() -> None:
    """In the thread that asks."""
    with pytest.raises(FileNotFoundError):
        WatchedCalls(lambda: 0).run(lambda: os.stat("/nonexistent"))
