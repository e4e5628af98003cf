"""64 GB of captures asked live: `docket run` as a user starts it, from the command line and in Chromium.

Measured by name alone (`python -m bench live`), since it needs 70 GB below TMPDIR; a file system that compresses needs
a twentieth of that. BENCH_CAPTURES names a directory in which the captures stay, and are found in the next run. Leaves
pictures of the page in build/.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from bench.asking import asked
from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from bench.needle import FEW, FILE_BYTES, FIRST_PORT, NEEDLE_HOST, Maker, build
from bench.process import peak_mib
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout, of_source
from docket.packet.pcap import FILE_HEADER_BYTES
from tests.browser.conftest import FLAGS
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.cli.running_server import DOCKET, RunningServer
from tests.services import needs
from tests.services.waiting import wait_until

FILES, QUICK_FILES = 1_000, 64
FILE_S = 60
HOLE_FILES = 45
"""In the middle nothing was recorded for so many files."""
EVERY = 50
"""One packet that is looked for in so many files, and one in each of the first."""
SOURCE = "bench:em1"
PICTURES = Path("build")
INDEXED_WITHIN_S = 1_200.0


def measure(stage: Stage, runs: int) -> Report:
    """Make the directory, let its index be built, and ask."""
    files = FILES if runs > 1 else QUICK_FILES
    directory, begins_s = _captures(stage, files)
    needles = sum(_has_needle(number) for number in _numbers(files))
    window = (begins_s, begins_s + files * FILE_S)
    with _Live(stage.scratch(), directory) as live:
        indexed_s = live.wait_for_index(files - _hole(files).stop + _hole(files).start)
        answers = [live.asked_by_command(window, needles) for _ in range(runs)]
        pages = [live.asked_on_page(window) for _ in range(runs)]
        memory_mib = live.memory_mib
    growths, reader_mib = _grown(stage, directory, live.index, window, runs)
    what = f"a directory of {files * FILE_BYTES / 1e9:.0f} GB in use"
    return Report(
        (
            Figure(f"{what}: until all of it is indexed, from the start of `docket run`", "s", (indexed_s,)),
            Figure(f"{what}: `docket get` of {needles} packets, from its start to its end", "s", tuple(answers)),
            Figure(f"{what}: on the page, from the click to the list of packets", "s", tuple(pages)),
            Figure(f"{what}: most memory of `docket run` with its indexer", "MiB", (memory_mib,)),
            *growths,
            Figure(f"{what}: most memory of a process that lists and asks it", "MiB", (reader_mib,), bar=100),
        )
    )


def _grown(
    stage: Stage, directory: Path, index: IndexLayout, window: tuple[int, int], runs: int
) -> tuple[list[Figure], float]:
    """A needle of the first files, asked of these alone and of all; and what a process that asks all of them holds."""
    few = directory.with_name("few")
    few.mkdir(exist_ok=True)
    for path in sorted(directory.iterdir())[:FEW]:
        if not (few / path.name).exists():
            (few / path.name).hardlink_to(path)
    sizes = [len(list(place.iterdir())) * FILE_BYTES / 1e9 for place in (directory, few)]
    layouts = {directory: index, few: IndexLayout(stage.scratch() / "index")}
    build(few, layouts[few])
    asked_for = Window(*(at_s * 1_000_000 for at_s in window))
    figures, most_mib = [], 0.0
    for packets in (FEW, 1):
        query = f"host {NEEDLE_HOST} and portrange {FIRST_PORT}-{FIRST_PORT + packets - 1}"
        large, small = (asked(query, place, layouts[place], asked_for, runs * 5) for place in (directory, few))
        title = f"{packets} packets of {packets} files, as the directory grows from {sizes[1]:.0f} to {sizes[0]:.0f} GB"
        values_ms, before_ms = (tuple(s * 1000 for s in one.seconds) for one in (large, small))
        reference = f"{sizes[1]:.0f} GB"
        bar, stretch = (2, 1.1) if packets > 1 else (None, None)
        figures.append(Figure(title, "ms", values_ms, reference, before_ms, Judged.RATIO, bar=bar, stretch=stretch))
        most_mib = max(most_mib, large.memory_mib)
    return figures, most_mib


def _captures(stage: Stage, files: int) -> tuple[Path, int]:
    """A directory with the captures, made unless an earlier run left it; and when its first file begins."""
    kept = os.environ.get("BENCH_CAPTURES")
    directory = (Path(kept) if kept else stage.scratch()) / "captures"
    directory.mkdir(parents=True, exist_ok=True)
    earlier = sorted(directory.iterdir())
    if len(earlier) == len(_numbers(files)):
        return directory, int.from_bytes(earlier[0].read_bytes()[FILE_HEADER_BYTES : FILE_HEADER_BYTES + 4], "little")
    _must_fit(directory, files)
    begins_s = int(time.time()) - (files + 2) * FILE_S
    _write(directory, files, begins_s)
    return directory, begins_s


def _must_fit(directory: Path, files: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < files * FILE_BYTES // 20:
        raise SystemExit(f"{files * FILE_BYTES:,} bytes of captures do not fit on {directory}: {free:,} are free")


def _hole(files: int) -> range:
    """The files that are missing."""
    most = min(HOLE_FILES, files // 8)
    return range(files // 2, files // 2 + most)


def _numbers(files: int) -> list[int]:
    return [number for number in range(files) if number not in _hole(files)]


def _has_needle(number: int) -> bool:
    return number < FEW or number % EVERY == 0


def _write(directory: Path, files: int, begins_s: int) -> None:
    """The files, each with the same packets a minute later."""
    maker = Maker(_page)
    for number in _numbers(files):
        maker.write(directory, number, needle=_has_needle(number), first_s=begins_s)


def _page(_chance: random.Random, size: int) -> bytes:
    """Content that compresses as traffic without encryption does."""
    return (b"GET /index.html HTTP/1.1\r\nHost: www.example.test\r\nAccept: text/html\r\n\r\n" * 20)[:size]


class _Live:
    """`docket run` with the directory as its one source."""

    def __init__(self, home: Path, captures: Path) -> None:
        self._home = home
        self._config = home / "docket.yaml"
        source = f"{{name: '{SOURCE}', kind: capture-files, path: {captures}}}"
        self._config.write_text(f"index: {{path: {home / 'index'}}}\nsources: [{source}]\n")

    def __enter__(self) -> _Live:
        self._opened = ExitStack()
        self._begun_s = time.monotonic()
        places = ("--config", str(self._config), "--spool", str(self._home / "spool"))
        self._running = self._opened.enter_context(
            RunningServer(self._home, options=("--listen", "127.0.0.1:0", *places), demo=False)
        )
        self.url = self._running.url
        self._server = Server(self.url)
        self._opened.callback(self._server.http.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def index(self) -> IndexLayout:
        return of_source(self._home / "index", SOURCE)

    @property
    def memory_mib(self) -> float:
        return peak_mib(self._running.child.pid)

    def wait_for_index(self, files: int) -> float:
        """Seconds from the start until so many files are indexed."""
        wait_until(lambda: self._indexed() >= files, "the index to be complete", timeout_s=INDEXED_WITHIN_S)
        return time.monotonic() - self._begun_s

    def _indexed(self) -> int:
        sources = self._server.http.get(self.url + "api/v1/sources", timeout=20).json()["sources"]
        return sum(source["stats"].get("indexed_files", 0) for source in sources)

    def asked_by_command(self, window: tuple[int, int], needles: int) -> float:
        """Seconds that `docket get` takes, with Python's start; the answer is whole but for the hole."""
        out = self._home / "out.pcap"
        after, before = map(_moment, window)
        command = [*DOCKET, "get", "--server", self.url, f"host {NEEDLE_HOST}", "--after", after, "--before", before]
        began_s = time.perf_counter()
        done = subprocess.run([*command, "--fresh", "-w", out], capture_output=True, text=True)
        took_s = time.perf_counter() - began_s
        if f"Saved {needles} packets" not in done.stdout or "gap:" not in done.stderr:
            raise RuntimeError(f"docket get ended {done.returncode}: {done.stdout}{done.stderr}")
        return took_s

    def asked_on_page(self, window: tuple[int, int]) -> float:
        """Seconds from the click on Ask to the rows of the packets, opening the job's page in between."""
        with sync_playwright() as playwright:
            chromium = needs.program("chromium", "chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            person = Person(browser.new_page(viewport={"width": 1440, "height": 900}), self.url)
            took_s = self._ask(person, window)
            browser.close()
        return took_s

    def _ask(self, person: Person, window: tuple[int, int]) -> float:
        page = person.page
        person.open()
        person.field("From").fill(_moment(window[0]))
        person.field("To").fill(_moment(window[1]))
        person.query.fill(f"host {NEEDLE_HOST}")
        expect(page.locator(".estimate")).not_to_be_empty(timeout=30_000)
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / "large-directory-ask.png")
        began_s = time.perf_counter()
        person.ask_button.click()
        person.toast("Asked.").get_by_role("button", name="Open the job").click()
        expect(page.get_by_role("grid", name="Packets").get_by_role("row").nth(1)).to_be_visible(timeout=60_000)
        took_s = time.perf_counter() - began_s
        page.screenshot(path=PICTURES / "large-directory-job.png", full_page=True)
        return took_s


def _moment(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
