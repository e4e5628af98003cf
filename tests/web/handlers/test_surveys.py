"""A check of a question to a directory with an index says exactly what it would bring; the timeline shows when."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig, Config
from docket.index.index_files import IndexLayout
from docket.packet.pcap import file_header
from docket.workers.interface.service import InterfaceWorker
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.faults.packets import capture, udp
from tests.index.captures import index_directory
from tests.services.waiting import wait_until
from tests.web.docket_site import Site, Thread

FIRST_S = 1_700_000_040
FILES = 6
NAME = "rock01:em1"
WINDOW = {"after": "2023-11-14T00:00:00Z", "before": "2023-11-15T00:00:00Z"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Web app, collector, and a worker over six files of ten packets, one of them to port 53 in the second one."""
    place = tmp_path_factory.mktemp("survey")
    captures = place / "captures"
    captures.mkdir()
    for number in range(FILES):
        _write(captures / f"{number}.pcap", number)
    running = Site(place / "site")
    config = CaptureFilesConfig(NAME, captures)
    source = CaptureFilesSource(config, selector=index_directory(captures, IndexLayout(place / "index")))
    stop = threading.Event()
    worker = InterfaceWorker(Config(sources=(config,)), running.broker, [source])
    running.start_collector()
    running.start_web()
    thread = Thread("worker", lambda: worker.run(stop))
    try:
        wait_until(lambda: _state(running) == "online", "the worker")
        yield running
    finally:
        stop.set()
        thread.join()
        running.close()


def _write(path: Path, number: int) -> None:
    start_us = (FIRST_S + 60 * number) * 1_000_000
    packets = [udp(start_us + n * 1_000_000, 53 if (number, n) == (1, 3) else 80) for n in range(10)]
    path.write_bytes(file_header() + capture(packets))
    os.utime(path, (FIRST_S + 60 * (number + 1),) * 2)


def _state(site: Site) -> str:
    listed = site.call("GET", "api/v1/sources").json()["sources"]
    return next(str(one["state"]) for one in listed if one["name"] == NAME)


def test_a_check_counts_what_a_job_would_bring(site: Site) -> None:
    """Exactly 1 packet in 1 of 6 files, with the figures, before anything is asked."""
    question = {"query": "port 53", "sources": [NAME], **WINDOW}
    found = site.call("POST", "api/v1/query/check", json=question).json()
    (survey,) = found["surveys"]
    assert (survey["packets"], survey["files"], survey["of_files"], survey["exact"]) == (1, 1, FILES, True)
    estimate = found["estimate"]
    assert (estimate["packets"], estimate["confidence"]) == (1, "exact")
    assert estimate["sentence"].startswith("Exactly 1 packet (")
    assert estimate["sentence"].endswith(f"in 1 of {FILES} files.")


def test_a_source_that_does_not_answer_leaves_a_guess(site: Site) -> None:
    """What one source says exactly is still there, and the estimate is no count."""
    found = site.call("POST", "api/v1/query/check", json={"query": "port 53", **WINDOW}).json()
    assert [one["source"] for one in found["surveys"]] == [NAME]
    assert found["estimate"]["confidence"] != "exact"


def test_the_timeline_of_a_window(site: Site) -> None:
    """A bucket a minute, with the packets and bytes of each."""
    answer = site.call("GET", "api/v1/timeline", params={"source": NAME, **WINDOW})
    assert answer.status_code == 200
    (one,) = answer.json()["sources"]
    assert (one["source"], one["bucket_s"], one["packets"], one["exact"]) == (NAME, 60, 10 * FILES, True)
    assert [bucket["packets"] for bucket in one["buckets"]] == [10] * FILES
    assert one["buckets"][0]["begins"] == "2023-11-14T22:14:00.000000Z"
    (gap,) = one["gaps"]
    assert gap["from"] > one["buckets"][-1]["begins"]
    assert gap["until"] == "2023-11-15T00:00:00.000000Z"
    assert "no file was written since" in gap["reason"]


def test_gaps_of_a_timeline_lie_in_its_window(site: Site) -> None:
    """Of a window before them there are none."""
    early = {"after": "2023-11-14T22:14:00Z", "before": "2023-11-14T22:15:00Z"}
    (one,) = site.call("GET", "api/v1/timeline", params={"source": NAME, **early}).json()["sources"]
    assert (one["packets"], one["gaps"]) == (10, [])


def test_a_timeline_of_no_window_is_refused(site: Site) -> None:
    """As the same times are in a question."""
    answer = site.call("GET", "api/v1/timeline", params={"after": "yesterday or so"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad-time")
