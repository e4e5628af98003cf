"""The list of jobs: live, found again, sorted, paged, and acted upon."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.held_answers import END, START, Held
from tests.browser.network_cut import Cable
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.services.waiting import wait_until

FAR = {"after": "2026-01-01T00:00:00Z", "before": "2026-01-01T00:01:00Z"}
"""Long before the oldest packet: such a job ends at once."""


@pytest.fixture
def watcher(person: Person) -> Iterator[Person]:
    """Somebody whose page must not be loaded anew."""
    with person.without_reload():
        yield person


def test_jobs_of_others_appear_by_themselves(watcher: Person, demo: Server) -> None:
    """A row comes on top, and its state, packets and size follow, without a reload."""
    job = demo.finished("port 53", owner="mira", note="from elsewhere")
    row = watcher.rows.first
    expect(row).to_contain_text("from elsewhere")
    expect(row).to_contain_text("Complete")
    expect(row.locator(".cell-owner")).to_have_text("mira")
    expect(row.locator(".cell-sources")).to_have_text("2/2")
    expect(row.locator(".cell-number").first).to_have_text(str(job["packets"]))


def test_a_job_asked_while_the_list_is_on_its_way_is_in_it(visit: Visit, demo: Server) -> None:
    """A list that is older than what was told meanwhile takes no row away."""
    person = visit(demo.url)

    def deliver_late(route: Route) -> None:
        answer = route.fetch()
        demo.finished("port 53", note="meanwhile")
        route.fulfill(response=answer)

    person.page.route(re.compile(r"api/v1/jobs\?"), deliver_late, times=1)
    person.open()
    expect(person.row("meanwhile")).to_contain_text("Complete")


def test_the_table_does_not_move_under_the_mouse(watcher: Person, demo: Server) -> None:
    """While the mouse is over the rows a new job waits, counted, until the mouse has left."""
    demo.finished("port 22", note="stays below the mouse")
    watcher.row("stays below the mouse").hover()
    demo.finished("port 80", note="came meanwhile")
    expect(watcher.page.get_by_role("button", name="1 new job: show")).to_be_visible()
    expect(watcher.rows.first).to_contain_text("stays below the mouse")
    watcher.page.mouse.move(5, 5)
    expect(watcher.rows.first).to_contain_text("came meanwhile")


def test_search_and_filters(watcher: Person, demo: Server) -> None:
    """By words, state, owner and source; the address keeps them, and they can be dropped at once."""
    demo.finished("port 123", owner="kim", note="needle one")
    demo.finished("port 124", owner="lou", note="needle two", sources=["demo:em2"])
    demo.finished("port 125", owner="kim", note="needle three", **FAR)
    page = watcher.page
    page.get_by_label("Search jobs").fill("NEEDLE")
    expect(watcher.rows).to_have_count(3)
    page.get_by_label("Source", exact=True).select_option("demo:em1")
    expect(watcher.rows).to_have_count(2)
    page.get_by_label("Owner", exact=True).fill("kim")
    page.get_by_label("Owner", exact=True).press("Enter")
    page.get_by_label("State", exact=True).select_option("Complete")
    expect(watcher.rows).to_have_count(1)
    expect(watcher.rows).to_contain_text("needle one")
    assert "owner=kim" in page.url
    page.get_by_label("Search jobs").fill("nowhere")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    page.get_by_role("button", name="No filters").click()
    expect(watcher.row("needle")).to_have_count(3)


def test_filters_are_in_the_address(visit: Visit, demo: Server) -> None:
    """A link to a view shows that view."""
    demo.finished("port 126", note="shared view")
    person = visit(demo.url).open("?text=shared+view&state=completed")
    expect(person.rows).to_have_count(1)
    expect(person.page.get_by_label("Search jobs")).to_have_value("shared view")


def test_a_job_that_does_not_pass_the_filter_stays_out(watcher: Person, demo: Server) -> None:
    """News respect the filters."""
    watcher.page.get_by_label("Search jobs").fill("only this")
    expect(watcher.rows).to_have_count(0)
    demo.finished("port 127", note="something else")
    demo.finished("port 128", note="only this one")
    expect(watcher.rows).to_have_count(1)


def test_mine(visit: Visit, held: Held) -> None:
    """Where the proxy names the user, one click shows that user's jobs, and one more everybody's."""
    held.release()
    held.finished(query="port 53", note="of somebody")
    with Cable(held.sensor.port, user="anna") as cable:
        person = visit(f"http://127.0.0.1:{cable.port}/app/docket/").open()
        person.field("From").fill(START)
        person.field("To").fill(END)
        person.query.fill("host 10.1.2.3 and port 53")
        person.ask_button.click()
        expect(person.rows.first).to_contain_text("anna")
        mine = person.page.get_by_role("button", name="Mine")
        mine.click()
        expect(person.rows).to_have_count(1)
        expect(mine).to_have_attribute("aria-pressed", "true")
        mine.click()
        expect(person.row("of somebody")).to_have_count(1)


def test_sorting(watcher: Person, demo: Server) -> None:
    """By packets: the most first, then the fewest, then the newest again."""
    demo.finished("icmp", note="sorted")
    demo.finished("port 53", note="sorted")
    demo.finished("port 9", note="sorted")
    watcher.page.get_by_label("Search jobs").fill("sorted")
    expect(watcher.rows).to_have_count(3)
    head = watcher.page.get_by_role("button", name="Packets")
    queries = watcher.rows.locator(".cell-question code")
    head.click()
    expect(queries).to_have_text(["port 53", "icmp", "port 9"])
    head.click()
    expect(queries).to_have_text(["port 9", "icmp", "port 53"])
    expect(watcher.page.get_by_role("columnheader", name="Packets")).to_have_attribute("aria-sort", "ascending")
    head.click()
    expect(queries).to_have_text(["port 9", "port 53", "icmp"])


def test_download_from_the_list(watcher: Person, demo: Server, tmp_path: Path) -> None:
    """The file has the server's name and exactly the result's bytes."""
    job = demo.finished("udp", note="to be downloaded")
    link = watcher.row("to be downloaded").get_by_role("link", name="Download: udp")
    saved = watcher.download(link, tmp_path)
    assert (saved.name, saved.read_bytes()) == (job["pcap"]["name"], demo.pcap(job["id"]))


def test_delete_asks_first(watcher: Person, demo: Server) -> None:
    """Keep keeps; Delete removes the file for everybody, and the record stays as deleted."""
    job = demo.finished("port 443", note="to be deleted")
    row = watcher.row("to be deleted")
    row.get_by_role("button", name="Delete: port 443").click()
    dialog = watcher.page.get_by_role("dialog", name="Delete this result?")
    expect(dialog).to_contain_text("packets")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_have_count(0)
    assert demo.job(job["id"])["state"] == "completed"
    row.get_by_role("button", name="Delete: port 443").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_contain_text("Deleted")
    expect(row.get_by_role("link", name="Download: port 443")).to_have_count(0)
    assert demo.job(job["id"])["pcap"] is None


def test_ask_again_with_changes(watcher: Person, demo: Server) -> None:
    """The question comes into the form; changed and asked, it is a job of its own."""
    job = demo.finished("host 10.1.2.3 and port 25", note="once more", sources=["demo:em1"], limits={"packets": 5000})
    watcher.row("once more").get_by_role("button", name="Ask again").click()
    expect(watcher.query).to_have_value("host 10.1.2.3 and port 25")
    expect(watcher.field("Packet limit")).to_have_value("5000")
    expect(watcher.page.locator(".tick-row", has_text="demo:em2").get_by_role("checkbox")).not_to_be_checked()
    watcher.query.fill("host 10.1.2.3 and port 53")
    watcher.ask_button.click()
    expect(watcher.row("once more")).to_have_count(2)
    newest = demo.jobs()[0]
    assert (newest["query"], newest["after"], newest["before"]) == (
        "host 10.1.2.3 and port 53",
        job["after"],
        job["before"],
    )


def test_retry_from_the_list(watcher: Person, demo: Server) -> None:
    """The sources that fell short are asked once more, within the same job."""
    job = demo.finished("port 53", after="2h", note="fell short")
    row = watcher.row("fell short")
    expect(row).to_contain_text("Partial")
    row.get_by_role("button", name="Retry: port 53").click()
    expect(watcher.toast("Asking 2 sources again.")).to_be_visible()
    wait_until(lambda: demo.job(job["id"])["revision"] == 2, "the second revision")
    expect(row).to_contain_text("Partial")


def test_keys_on_the_rows(watcher: Person, demo: Server) -> None:
    """Arrows go from row to row, letters act, Enter opens."""
    for number in (1, 2):
        demo.finished(f"port {4_000 + number}", note="by keys")
    watcher.page.get_by_label("Search jobs").fill("by keys")
    expect(watcher.rows).to_have_count(2)
    watcher.rows.first.focus()
    watcher.page.keyboard.press("ArrowDown")
    expect(watcher.rows.nth(1)).to_be_focused()
    watcher.page.keyboard.press("Delete")
    expect(watcher.page.get_by_role("dialog", name="Delete this result?")).to_be_visible()
    watcher.page.keyboard.press("Escape")
    expect(watcher.rows.nth(1)).to_be_focused()
    watcher.page.keyboard.press("k")
    watcher.page.keyboard.press("Enter")
    expect(watcher.page.locator(".headline-question")).to_have_text("port 4002")


def test_paging(visit: Visit, demo: Server) -> None:
    """Fifty rows a page, and the way back; the count is that of all."""
    jobs = [demo.ask(f"port {20_000 + number}", note="many", **FAR) for number in range(60)]
    demo.wait(jobs[-1]["id"])
    person = visit(demo.url).open("?text=many")
    expect(person.rows).to_have_count(50)
    expect(person.page.locator("#jobs-title .count")).to_have_text("60")
    expect(person.page.locator(".paging")).to_contain_text("1–50")
    person.page.get_by_role("button", name="Older jobs").click()
    expect(person.rows).to_have_count(10)
    expect(person.page.locator(".paging")).to_contain_text("51–60")
    person.page.get_by_role("button", name="Newer jobs").click()
    expect(person.rows).to_have_count(50)


def test_an_empty_list_says_what_to_do(visit: Visit, tmp_path: Path) -> None:
    """Before the first question there is a hint, and no empty table."""
    with RunningServer(tmp_path) as fresh:
        person = visit(fresh.url).open()
        expect(person.page.get_by_text(re.compile("No jobs yet"))).to_be_visible()
        expect(person.rows).to_have_count(0)


def test_jobs_are_listed_by_alert(visit: Visit, demo: Server, tmp_path: Path) -> None:
    """A tag of a row, and of the job's own page, leads to all jobs of that alert or rule; Back leads from there."""
    tags = ["alert:2024217", "rule:grave"]
    first = demo.finished("port 53", note="first of the alert", tags=tags)
    demo.finished("port 80", note="second of the alert", tags=tags)
    demo.finished("port 22", note="of another rule", tags=["alert:1", "rule:other"])
    person = visit(demo.url).open()
    person.row("second of the alert").get_by_role("link", name="alert:2024217").click()
    expect(person.page.locator("#jobs-title")).to_have_text("Jobs for alerts of signature 2024217 2")
    expect(person.rows).to_have_count(2)
    assert person.page.url.endswith("?tag=alert%3A2024217")
    person.page.get_by_label("Search jobs").click()
    demo.finished("port 443", note="third of the alert", tags=tags)
    expect(person.rows).to_have_count(3)
    for width in (390, 1440):
        person.page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            person.page.emulate_media(color_scheme=scheme)
            person.page.screenshot(path=str(tmp_path / f"{scheme}-{width}.png"), full_page=True)
            assert person.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, scheme)
    person.page.get_by_label("Tag", exact=True).fill("rule:other")
    person.page.keyboard.press("Enter")
    expect(person.rows).to_have_count(1)
    person.page.get_by_role("button", name="No filters").click()
    expect(person.page.locator("#jobs-title")).to_contain_text("Jobs ")
    expect(person.row("of another rule")).to_be_visible()
    person.open(f"jobs/{first['id']}")
    person.page.get_by_role("link", name="rule:grave").click()
    expect(person.page.locator("#jobs-title")).to_have_text("Jobs of the rule grave 3")
    person.page.go_back()
    expect(person.page.get_by_role("link", name="rule:grave")).to_be_visible()
