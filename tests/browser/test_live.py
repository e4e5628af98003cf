"""Live: in mid-job, for several people, through cut networks and restarts, with clocks that are wrong."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from docket.domain.timewindow import parse_time_us
from docket.packet.pcap import FILE_HEADER_BYTES
from tests.browser.conftest import Visit
from tests.browser.held_answers import END, PACKETS, SOURCES, START, Held
from tests.browser.network_cut import Cable
from tests.browser.server import Server
from tests.faults.scripts import serve, silent, status
from tests.services.waiting import wait_until

COMPLETE = f"Complete: {2 * PACKETS:,} packets from 2 of 2 sources, exactly the window"


def test_two_browsers_watch_the_same_job(visit: Visit, held: Held) -> None:
    """One asks, the other sees it at once; both see it grow and end, without a reload."""
    asker, watcher = (visit(held.server.url).open() for _ in range(2))
    with asker.without_reload(), watcher.without_reload():
        job = held.ask(note="watched by two")
        for person in (asker, watcher):
            expect(person.row("watched by two")).to_contain_text("Running")
        watcher.row("watched by two").click()
        asker.row("watched by two").click()
        for person in (asker, watcher):
            expect(person.headline).to_contain_text("packets so far")
            expect(person.lane(SOURCES[0])).to_contain_text("Reading")
            expect(person.page.get_by_role("progressbar", name="Progress of the job")).to_be_visible()
        held.release()
        for person in (asker, watcher):
            expect(person.headline).to_have_text(COMPLETE)
            expect(person.page.locator(".story li").last).to_contain_text("Completed")
    assert held.server.job(job["id"])["state"] == "completed"


def test_cancel_in_mid_job(visit: Visit, held: Held, tmp_path: Path) -> None:
    """The job ends at once; what had arrived can be downloaded."""
    job = held.ask(note="to be cancelled")
    person = visit(held.server.url).open()
    person.row("to be cancelled").get_by_role("button", name="Cancel: udp").click()
    expect(person.row("to be cancelled")).to_contain_text("Cancelled")
    person.row("to be cancelled").click()
    expect(person.headline).to_contain_text("Cancelled: ")
    expect(person.headline).to_contain_text("packets had arrived")
    saved = person.download(person.page.get_by_role("link", name="Download", exact=True), tmp_path)
    assert saved.read_bytes() == held.server.pcap(job["id"])
    expect(person.lane(SOURCES[0])).to_contain_text("Cancelled")


def test_growing_file_is_downloaded_to_its_end(visit: Visit, held: Held, tmp_path: Path) -> None:
    """A download that began in mid-job is the finished file."""
    job = held.ask()
    person = visit(held.server.url).open("jobs/" + job["id"])
    with person.page.expect_download() as started:
        person.page.get_by_role("link", name="Download as it grows").click()
    held.release()
    path = tmp_path / "grown.pcap"
    started.value.save_as(path)
    assert path.stat().st_size > FILE_HEADER_BYTES
    assert path.read_bytes() == held.server.pcap(job["id"])


def test_progress_is_in_the_title_of_the_tab(visit: Visit, held: Held) -> None:
    """For the jobs that were asked from this tab, as long as they run."""
    person = visit(held.server.url).open()
    window = held.ask(note="elsewhere")
    person.field("From").fill(window["after"])
    person.field("To").fill(window["before"])
    person.query.fill("udp")
    person.page.get_by_role("button", name="Limits, deadline, note").click()
    person.page.get_by_label("Ask again, even if").check()
    person.ask_button.click()
    expect(person.page).to_have_title(re.compile(r"^\d+ % · Docket$"))
    held.release()
    expect(person.page).to_have_title("Docket")


def test_network_drops_and_comes_back(visit: Visit, held: Held) -> None:
    """The page says that it is offline and how old its news are; afterwards nothing is missing."""
    with Cable(held.sensor.port) as cable:
        person = visit(f"http://127.0.0.1:{cable.port}/app/docket/").open()
        job = held.ask(note="through the gap")
        person.row("through the gap").click()
        expect(person.headline).to_contain_text("Running")
        with person.without_reload():
            cable.cut()
            banner = person.page.locator(".lost")
            expect(banner).to_contain_text(re.compile(r"Reconnecting, last known \d+ s ago"))
            expect(person.page.locator(".link-state")).to_have_text("Offline")
            held.release()
            held.server.wait(job["id"])
            expect(person.headline).to_contain_text("Running")
            # As long as the cable is cut the button stays; afterwards it may vanish at any moment.
            banner.get_by_role("button", name="Try now").click()
            cable.mend()
            expect(person.page.locator(".link-state")).to_have_text("Live")
            expect(person.headline).to_have_text(COMPLETE)
            expect(banner).to_have_count(0)
            told = person.page.locator(".story li")
            expect(told).to_have_count(len(held.server.job(job["id"])["events"]))


def test_a_page_opened_offline_fills_itself_later(visit: Visit, held: Held) -> None:
    """What could not be loaded is loaded as soon as the server can be reached."""
    job = held.ask(note="seen later")
    held.release()
    held.server.wait(job["id"])
    with Cable(held.sensor.port) as cable:
        person = visit(f"http://127.0.0.1:{cable.port}/app/docket/").open("sources")
        person.page.get_by_role("link", name="Ask and jobs").click()
        expect(person.row("seen later")).to_be_visible()
        person.page.get_by_role("link", name="Sources").click()
        cable.cut()
        expect(person.page.locator(".lost")).to_be_visible()
        person.page.get_by_role("link", name="Ask and jobs").click()
        expect(person.page.get_by_text("The list could not be loaded")).to_be_visible()
        person.query.fill("port 53")
        person.ask_button.click()
        expect(person.toast("The server cannot be reached.")).to_be_visible()
        person.page.locator(".lost").get_by_role("button", name="Try now").click()
        cable.mend()
        expect(person.row("seen later")).to_contain_text("Complete")


def test_web_process_restarts_in_mid_job(visit: Visit, held: Held) -> None:
    """The same page goes on by itself, and shows the end."""
    person = visit(held.server.url).open()
    job = held.ask(note="through the restart")
    person.row("through the restart").click()
    expect(person.headline).to_contain_text("Running")
    with person.without_reload():
        held.sensor.kill("web")
        expect(person.page.locator(".lost")).to_be_visible()
        held.sensor.start("web")
        held.sensor.wait_ready()
        expect(person.page.locator(".link-state")).to_have_text("Live")
        expect(person.lane(SOURCES[0])).to_contain_text("Reading")
        held.release()
        expect(person.headline).to_have_text(COMPLETE)
        expect(person.page.locator(".story li")).to_have_count(len(held.server.wait(job["id"])["events"]))


_WRONG_CLOCK = """
((hours) => {
  const skew = hours * 3_600_000;
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...parts) { parts.length ? super(...parts) : super(Right.now() + skew); }
    static now() { return Right.now() + skew; }
  };
})(%d);
"""


@pytest.mark.parametrize("hours", [-3, 3])
def test_wrong_clock_of_the_browser_does_no_harm(visit: Visit, demo: Server, hours: int) -> None:
    """Ages are told, and times back from now are asked, by the server's clock."""
    person = visit(demo.url)
    person.page.add_init_script(_WRONG_CLOCK % hours)
    person.open()
    person.last("1 h")
    person.field("To").fill("30m ago")
    person.query.fill(f"port {5_000 + hours}")
    expect(person.page.locator(".tick-row", has_text="demo:em1")).to_contain_text("Has the whole window")
    person.ask_button.click()
    row = person.row(f"port {5_000 + hours}")
    expect(row.locator(".cell-age")).to_have_text(re.compile(r"^(just now|\d+ s ago)$"))
    [job] = [job for job in demo.jobs() if job["query"] == f"port {5_000 + hours}"]
    after_us, before_us, created_us = (parse_time_us(job[name], None) for name in ("after", "before", "created_at"))
    assert 29 * 60 < (created_us - before_us) / 1e6 < 31 * 60
    assert 59 * 60 < (created_us - after_us) / 1e6 < 61 * 60
    row.click()
    expect(person.page.locator(".headline-facts")).to_contain_text(re.compile(r"asked (just now|\d+ s ago)"))
    person.page.get_by_role("link", name="Sources").click()
    card = person.page.get_by_role("region", name="demo:em1")
    expect(card.locator("dt:text-is('Last heard') + dd")).to_contain_text(re.compile(r"(just now|\d+ s ago)$"))


def test_retry_on_the_job_s_page(visit: Visit, held: Held) -> None:
    """A source that refused is asked again, and its packets join the job as a new revision."""
    held.sources[SOURCES[0]].script = serve
    held.sources[SOURCES[1]].script = status(500, "disk on fire\n")
    job = held.finished()
    person = visit(held.server.url).open("jobs/" + job["id"])
    expect(person.headline).to_have_text(f"Partial: {PACKETS:,} packets; only 1 of 2 sources answered in full")
    expect(person.lane(SOURCES[1])).to_contain_text("disk on fire")
    held.sources[SOURCES[1]].script = serve
    person.page.get_by_role("button", name="Retry 1 source").click()
    expect(person.headline).to_have_text(COMPLETE)
    expect(person.fact("File", "Revision")).to_have_text("2")


def test_desktop_notice_when_a_job_ends(visit: Visit, held: Held) -> None:
    """Only if wanted, only for jobs of this tab, and only while somebody looks elsewhere."""
    person = visit(held.server.url, permissions=["notifications"])
    person.page.add_init_script(
        """globalThis.told = [];
        globalThis.Notification = class {
          static permission = "granted";
          static requestPermission = async () => "granted";
          constructor(title, more) { told.push([title, more.body]); }
        };
        Object.defineProperty(document, "hidden", { get: () => globalThis.looksAway === true });"""
    )
    person.open()
    person.page.get_by_role("button", name="Desktop notice when a job ends").click()
    held.release()
    person.field("From").fill(START)
    person.field("To").fill(END)
    person.query.fill("udp and port 53")
    held.gate.close()
    person.ask_button.click()
    expect(person.toast("Asked.")).to_be_visible()
    person.page.evaluate("globalThis.looksAway = true")
    held.release()
    wait_until(lambda: person.page.evaluate("told.length"), "the notice")
    assert person.page.evaluate("told") == [[COMPLETE, "udp and port 53"]]


def test_a_silent_source_shows_how_far_it_is(visit: Visit, held: Held) -> None:
    """One lane ends, the other stands where it is; the job stays open until somebody cancels."""
    held.sources[SOURCES[0]].script = serve
    held.sources[SOURCES[1]].script = silent(after=500)
    job = held.server.ask("udp", after=START, before=END, sources=list(SOURCES))
    person = visit(held.server.url).open("jobs/" + job["id"])
    expect(person.lane(SOURCES[0])).to_contain_text("Complete")
    expect(person.lane(SOURCES[1])).to_contain_text("Reading")
    person.page.get_by_role("button", name="Cancel").click()
    expect(person.headline).to_contain_text("Cancelled")
