"""The page in Chromium with 10,000 jobs in the ledger: how soon it is useful, and how quickly it answers."""

import time

from playwright.sync_api import Browser, Page, sync_playwright

from bench.figure import Figure, Report
from bench.growth import fill_ledger
from bench.harness import Stage
from tests.browser.conftest import FLAGS
from tests.browser.crowd import Crowd
from tests.services import needs
from tests.services.sensor import Sensor

JOBS = 10_000
EVENTS_PER_S = 30
EVENTS_S = 5

_WATCH = """
globalThis.marks = {};
globalThis.longest = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
}).observe({ type: "longtask", buffered: true });
const look = () => {
  const now = performance.now();
  if (document.querySelector("#ask-form textarea")) marks.form ??= now;
  if (document.querySelector(".jobs-table tbody tr")) marks.rows ??= now;
};
new MutationObserver(look).observe(document, { childList: true, subtree: true });
"""
"""Runs before anything of the page does: when the form and the first rows came, and the longest pause."""

_UNTIL_ROWS = """([text, wanted]) => new Promise((done) => {
  const input = document.getElementById("job-search");
  const began = performance.now();
  const look = () => {
    if (document.querySelectorAll(".jobs-table tbody tr").length !== wanted) return requestAnimationFrame(look);
    done(performance.now() - began);
  };
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  look();
})"""

_UNTIL_TEXT = """(text) => new Promise((done) => {
  const look = () => {
    const row = document.querySelector(".jobs-table tbody tr");
    if (!row?.textContent.includes(text)) return requestAnimationFrame(look);
    done(Date.now());
  };
  look();
})"""


def measure(stage: Stage, runs: int) -> Report:
    """A fresh browser context for each run: nothing is cached."""
    executable = needs.program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            with stage.docket_of_fast(1) as (sensor, _):
                sensor.wait(sensor.ask("port 1", "1h", "0s")["id"])
                empty = [_open(browser, sensor) for _ in range(runs)]
            with stage.docket_of_fast(1, lambda spool: fill_ledger(spool, JOBS)) as (sensor, _):
                full = [_open(browser, sensor) for _ in range(runs)]
                used = [_use(browser, sensor, number) for number in range(runs)]
                crowded = [_crowded(browser, sensor) for _ in range(runs)]
        finally:
            browser.close()
    return Report(
        (
            Figure(
                f"page opened until its form and rows are drawn, {JOBS:,} jobs",
                "ms",
                tuple(rows for rows, _ in full),
                "one job",
                tuple(rows for rows, _ in empty),
                bar=1_000.0,
                stretch=500.0,
            ),
            Figure("longest pause of the page while it opens", "ms", tuple(longest for _, longest in full)),
            Figure(
                f"a search in {JOBS:,} jobs: from the last key to the rows, 200 ms of them waiting for more keys",
                "ms",
                tuple(search for search, _, _ in used),
            ),
            Figure("a question asked by another user until its row is drawn", "ms", tuple(row for _, row, _ in used)),
            Figure("longest pause of the page in use", "ms", tuple(longest for _, _, longest in used)),
            Figure(
                f"longest pause while {EVENTS_PER_S} events a second come, 1,000 sources, {JOBS:,} jobs",
                "ms",
                tuple(crowded),
                bar=200.0,
                stretch=50.0,
            ),
        )
    )


def _open(browser: Browser, sensor: Sensor) -> tuple[float, float]:
    """Milliseconds until form and rows are there, and the longest pause."""
    page = _visit(browser, sensor)
    marks, longest = page.evaluate("[marks, longest]")
    page.context.close()
    return max(marks["form"], marks["rows"]), longest


def _use(browser: Browser, sensor: Sensor, number: int) -> tuple[float, float, float]:
    """Milliseconds of a search, and until a new job shows; and the longest pause of all that."""
    page = _visit(browser, sensor)
    page.evaluate("longest = 0")
    search: float = page.evaluate(_UNTIL_ROWS, [f"host 10.1.7.{number} and", 1])
    page.evaluate(_UNTIL_ROWS, ["", 50])
    note = f"measured {number} {time.time_ns()}"
    began_ms = time.time() * 1000
    sensor.ask("port 1", "1h", "0s", note=note, fresh=True)
    drawn_ms: float = page.evaluate(_UNTIL_TEXT, note)
    longest: float = page.evaluate("longest")
    page.context.close()
    return search, drawn_ms - began_ms, longest


def _crowded(browser: Browser, sensor: Sensor) -> float:
    """The longest pause while sources and jobs report, on the first page."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    crowd = Crowd()
    crowd.play_for(page)
    page.goto(sensor.url)
    page.wait_for_selector(".tick-row")
    crowd.longest_task_ms(page)
    for number in range(EVENTS_PER_S * EVENTS_S):
        send = (crowd.send_source, crowd.send_source, crowd.send_progress)[number % 3]
        send(number)
        page.wait_for_timeout(1_000 / EVENTS_PER_S)
    longest = crowd.longest_task_ms(page)
    page.context.close()
    return longest


def _visit(browser: Browser, sensor: Sensor) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(_WATCH)
    page.goto(sensor.url)
    page.wait_for_selector(".link-state.is-live")
    page.wait_for_selector(".jobs-table tbody tr")
    return page
