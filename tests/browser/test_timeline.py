"""The timeline: what each source has, when packets passed, and where nothing was recorded."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from docket.domain.timewindow import parse_time_us
from tests.browser.conftest import Visit
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.services.waiting import wait_until

SOURCE = "demo:em2"
INSIDE = """span => {
  const lane = span.parentElement.getBoundingClientRect();
  const box = span.getBoundingClientRect();
  return [(box.left - lane.left) / lane.width, (box.right - lane.left) / lane.width];
}"""
"""Both edges of a span in its lane, 0 to 1."""


@pytest.fixture(scope="module")
def gap(running: RunningServer, demo: Server) -> dict[str, Any]:
    """Two of the files of one source are gone, as if its recorder had stood still for twenty minutes."""
    for path in sorted(running.scratch.glob("docket-demo-*/captures/em2/*.pcap"))[2:4]:
        path.unlink()

    def found() -> Any:
        listed = demo.http.get(demo.url + "api/v1/sources", timeout=20).json()["sources"]
        return next(source["gaps"] for source in listed if source["name"] == SOURCE)

    gaps = wait_until(found, "the gap to be known", timeout_s=60.0)
    first: dict[str, Any] = gaps[0]
    return first


def lane(person: Person, name: str) -> Locator:
    return person.page.locator(".lane", has=person.page.locator(f".lane-name:text-is('{name}')"))


def test_gap_is_a_hole_in_its_lane(visit: Visit, demo: Server, gap: dict[str, Any]) -> None:
    """At its place in the lane of its source and of no other one; the text beside says from when to when."""
    person = visit(demo.url, timezone_id="Asia/Tokyo").open()
    after_us, before_us = (parse_time_us(gap[name], None) for name in ("from", "until"))
    person.field("From").fill(str(after_us // 1_000_000 - 300))
    person.field("To").fill(str(before_us // 1_000_000 + 300))
    says = person.page.locator(".tick-row", has_text=SOURCE).locator(".tick-says")
    expect(says).to_have_text(re.compile(r"^Gap from [\d :-]+ to [\d :-]+$"))
    hole = lane(person, SOURCE).locator(".hole")
    expect(hole).to_have_count(1)
    expect(lane(person, "demo:em1").locator(".hole")).to_have_count(0)
    begins, ends = hole.evaluate(INSIDE)
    window_begins, window_ends = person.page.locator(".selection .window").evaluate(INSIDE)
    length = window_ends - window_begins
    share = (before_us - after_us) / (before_us - after_us + 600_000_000)
    assert ends - begins == pytest.approx(length * share, rel=0.05)
    assert (begins + ends) / 2 == pytest.approx((window_begins + window_ends) / 2, abs=0.01)


@pytest.mark.usefixtures("gap")
def test_packets_over_time_are_drawn(visit: Visit, demo: Server) -> None:
    """From the index of each capture directory: nothing is drawn inside the hole."""
    person = visit(demo.url).open()
    person.last("1 h")
    for name in ("demo:em1", SOURCE):
        expect(lane(person, name).locator(".traffic path")).to_have_attribute("d", re.compile("^M"))
    begins, ends = lane(person, SOURCE).locator(".hole").evaluate(INSIDE)
    drawn = lane(person, SOURCE).locator(".traffic path").get_attribute("d") or ""
    steps = [(float(left), float(right)) for left, right in re.findall(r"M([\d.]+) 100V[\d.]+H([\d.]+)V", drawn)]
    assert len(steps) > 5
    middle = 500 * (begins + ends)
    assert not any(left < middle < right for left, right in steps)


@pytest.mark.usefixtures("gap")
def test_sources_page_lists_gaps(visit: Visit, demo: Server) -> None:
    """When each was, how long, and how it is known."""
    person = visit(demo.url).open("sources")
    card = person.page.get_by_role("region", name=SOURCE)
    expect(card.locator(".gap-list li")).to_have_count(1)
    expect(card.locator(".gap-list")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d to .*\d\d:\d\d:\d\d.*\(\d+ min"))
    expect(card.locator(".gap-list")).to_contain_text("nothing was recorded")
    expect(lane(person, SOURCE).locator(".hole")).to_have_count(1)
    expect(person.page.get_by_role("region", name="demo:em1").locator(".gap-list")).to_have_count(0)


def test_answer_with_a_gap_shows_it_at_its_place(visit: Visit, demo: Server, gap: dict[str, Any]) -> None:
    """The bar of the source in a job is striped where nothing was recorded, and asking again is not offered for it."""
    job = demo.finished("", after="1h")
    person = visit(demo.url).open("jobs/" + job["id"])
    answer = person.page.locator(".answer", has_text=SOURCE)
    expect(answer).to_contain_text("Gap")
    missing = answer.locator(".bar-missing")
    expect(missing).to_have_count(1)
    begins = float(missing.evaluate("span => span.style.getPropertyValue('--from')"))
    after_us, before_us = parse_time_us(job["after"], None), parse_time_us(job["before"], None)
    assert begins == pytest.approx((parse_time_us(gap["from"], None) - after_us) / (before_us - after_us), abs=0.02)
    hole = person.page.locator(".course-hole")
    expect(hole).to_have_count(1)
    expect(hole).to_contain_text(f"{SOURCE}: gap")
    left, right = hole.evaluate(INSIDE)
    assert 0 < left < right < 1
