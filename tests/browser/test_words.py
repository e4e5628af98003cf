"""Words and numbers on the page: nothing clipped, one is one, times in the zone of the reader."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.held_answers import Held
from tests.browser.packet_view import look, panel
from tests.browser.server import Server
from tests.services import needs

HOUR_S = 3_600
WIDTHS = [390, 1_280, 1_440]


def clipped(cells: Locator) -> list[str]:
    """The texts that do not fit into their cells."""
    found: list[str] = cells.evaluate_all(
        "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText)"
    )
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_ages_figures_and_states_are_whole(visit: Visit, demo: Server, width: int) -> None:
    """Also an age of hours, which has two units at its longest; and nothing makes the page wider than the screen."""
    demo.finished("port 53", note="ages")
    person = visit(demo.url, viewport={"width": width, "height": 900})
    person.page.clock.install()
    person.open("?text=ages")
    person.page.clock.run_for((2 * HOUR_S - 60) * 1000)
    expect(person.rows.first.locator(".cell-age")).to_have_text(re.compile(r"\d+ (h|min) ago"))
    for cell in ("state", "window", "sources", "number", "age"):
        assert clipped(person.page.locator(f"td.cell-{cell}")) == []
    assert person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_packet_is_one_packet(visit: Visit, demo: Server) -> None:
    """In the headline, beside its source and over time, where its bar is wide enough to be seen."""
    needs.program("tshark", "tshark")
    parent = demo.finished("port 53 and udp")
    answer = demo.http.post(
        demo.url + f"api/v1/jobs/{parent['id']}/refine", json={"filter": "frame.number == 1"}, timeout=20
    )
    job = demo.wait(answer.json()["id"])
    person = look(visit(demo.url), job)
    expect(person.headline).to_have_text("Complete: 1 packet kept of another result, refined by frame.number == 1")
    expect(person.page.get_by_text(re.compile(r"(?<![0-9,])1 packets"))).to_have_count(0)
    plot = panel(person.page, "Over time").get_by_role("img")
    expect(plot).to_have_attribute("aria-label", re.compile("^1 packet, "))
    assert plot.locator("path").evaluate("(path) => path.getBoundingClientRect().width") > 2


def test_sentences_have_the_zone_of_the_page(visit: Visit, demo: Server) -> None:
    """What sources say of times, in UTC, is shown in local time where the page shows that."""
    job = demo.finished("port 53", after="5h")
    person = visit(demo.url, timezone_id="Asia/Kolkata").open("jobs/" + job["id"])
    sentence = person.lane(job["sources"][0]["name"]).locator(".answer-says")
    expect(sentence).to_contain_text(re.compile(r"\d\d:\d\d:\d\d UTC;"))
    person.page.get_by_role("button", name="Local").click()
    expect(sentence).to_contain_text(re.compile(r"\d\d:\d\d:\d\d UTC\+05:30;"))
    expect(person.page.locator(".headline-facts")).to_contain_text("UTC+05:30")


def test_deleted_says_by_whom(visit: Visit, held: Held) -> None:
    """Not "expired", which is what age or a lack of space does."""
    held.release()
    job = held.finished()
    address = held.server.url + f"api/v1/jobs/{job['id']}"
    assert held.server.http.delete(address, headers={"X-Remote-User": "jonas"}, timeout=20).ok
    person = visit(held.server.url).open("jobs/" + job["id"])
    expect(person.headline).to_contain_text("Deleted by jonas")
    expect(person.page.get_by_text("Expired")).to_have_count(0)


def test_four_hundred_hosts_have_a_small_headline(visit: Visit, demo: Server) -> None:
    """Their beginning stands there, the rest on request."""
    hosts = " or ".join(f"host 10.77.{number // 250}.{number % 250 + 1}" for number in range(400))
    person = visit(demo.url).open("jobs/" + demo.finished(hosts)["id"])
    head = person.page.locator(".headline")
    assert head.evaluate("(head) => head.offsetHeight") < 320
    head.get_by_role("button", name=re.compile("^Show all [0-9,]+ characters")).click()
    expect(head).to_contain_text("host 10.77.1.150")


@pytest.mark.parametrize("width", WIDTHS)
def test_messages_leave_the_actions_free(visit: Visit, demo: Server, width: int) -> None:
    """A message covers neither the button to ask nor the actions of a row."""
    demo.finished("port 53", note="free")
    person = visit(demo.url, viewport={"width": width, "height": 900}).open("?text=free")
    person.paste("1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
    toast = person.toast("A community id")
    expect(toast).to_be_visible()
    for control in (person.ask_button, person.rows.first.locator(".actions").first):
        control.scroll_into_view_if_needed()
        here, there = toast.bounding_box(), control.bounding_box()
        assert here
        assert there
        apart_x = there["x"] >= here["x"] + here["width"] or here["x"] >= there["x"] + there["width"]
        apart_y = there["y"] >= here["y"] + here["height"] or here["y"] >= there["y"] + there["height"]
        assert apart_x or apart_y


def test_estimate_knows_the_limit_beside_it(visit: Visit, demo: Server) -> None:
    """Where more may come than the limit allows, both are said."""
    demo.finished("port 53 and udp")
    person = visit(demo.url).open()
    person.last("1 h")
    person.query.fill("port 53 and udp")
    expect(person.page.locator(".estimate")).to_contain_text("packets")
    person.page.get_by_role("button", name="Limits, deadline, note").click()
    person.field("Packet limit").fill("5")
    expect(person.page.locator(".estimate")).to_contain_text("The job stops at its limit of 5 packets.")


def test_retry_is_offered_where_it_may_help(visit: Visit, demo: Server) -> None:
    """Where all that is missing is gone from the disks, the page says so in place of a button."""
    job = demo.finished("port 53", after="5h")
    assert {source["verdict"] for source in job["sources"]} == {"aged-out"}
    person = visit(demo.url).open("jobs/" + job["id"])
    expect(person.page.locator(".next")).to_contain_text("it would find the same")
    expect(person.page.get_by_role("button", name=re.compile("^Retry"))).to_have_count(0)
