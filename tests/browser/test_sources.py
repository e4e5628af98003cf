"""The page of the sources."""

import re
import time

from playwright.sync_api import Route, expect

from docket.bus import topology
from docket.bus.factory import open_broker
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us
from tests.browser.conftest import Visit
from tests.browser.held_answers import SOURCES, Held, publish
from tests.browser.server import Server


def test_each_source_tells_what_it_has(visit: Visit, demo: Server) -> None:
    """Health, edges, counters, and the jobs in which it fell short."""
    job = demo.finished("port 53", after="5h", note="short")
    person = visit(demo.url).open("sources")
    expect(person.page.locator(".page-head")).to_contain_text("2 sources, all online")
    card = person.page.get_by_role("region", name="demo:em1")
    expect(card).to_contain_text("Online")
    expect(card).to_contain_text("capture-files")
    expect(card.locator("dt:text-is('Oldest packet') + dd")).to_contain_text(
        re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
    )
    expect(card.get_by_role("row", name="queries")).to_be_visible()
    expect(card).to_contain_text("no job right now")
    card.get_by_role("link", name="port 53").click()
    expect(person.page).to_have_url(demo.url + "jobs/" + job["id"])


def test_readings_under_way_are_listed(visit: Visit, held: Held) -> None:
    """Whom a source reads for right now, as a link to the job."""
    person = visit(held.server.url).open("sources")
    card = person.page.get_by_role("region", name=SOURCES[0])
    job = held.ask(query="port 53 and udp")
    expect(card.locator("h3:text-is('Reading for') + ul").get_by_role("link", name="udp and port 53")).to_be_visible()
    held.release()
    held.server.wait(job["id"])
    expect(card).to_contain_text("no job right now")


def test_a_source_that_goes_away_is_said_to_be_offline(visit: Visit, held: Held) -> None:
    """In the head of every page, on its card with how long, and among the sources to ask; then it comes back."""
    person = visit(held.server.url).open("sources")
    held.sensor.children.pop(f"worker:{SOURCES[1]}").stop()
    card = person.page.get_by_role("region", name=SOURCES[1])
    expect(card).to_contain_text(re.compile(r"Offline for \d+"))
    expect(person.page.get_by_role("navigation", name="Pages").locator(".pill")).to_contain_text("offline")
    person.page.get_by_role("link", name="Ask and jobs").click()
    offline = re.compile("offline", re.IGNORECASE)
    expect(person.page.locator(".tick-row", has_text=SOURCES[1])).to_contain_text(offline)
    held.sensor.start(f"worker:{SOURCES[1]}")
    expect(person.page.locator(".tick-row", has_text=SOURCES[1])).not_to_contain_text(offline)


def test_what_is_not_well_is_listed_with_what_to_do(visit: Visit, held: Held) -> None:
    """A real dead letter, as health names it; and what a server that is not ready says."""
    person = visit(held.server.url).open("sources")
    broker = open_broker(held.bus_url, {})
    publisher = broker.publisher("a tool")
    publisher.publish(topology.JOBS, "job.request", b"nonsense", persistent=True)
    publisher.close()
    broker.close()
    faults = person.page.get_by_role("region", name="Not well")
    expect(faults.get_by_role("listitem").filter(has_text="dead letters")).to_contain_text(
        "What to do: docs/operations"
    )
    alarm = {"name": "broker", "ok": False, "message": "it is short of memory", "advice": "rabbitmqctl status"}
    person.page.route("**/api/v1/health", lambda route: route.fulfill(status=503, json={"checks": [alarm]}))
    expect(faults).to_contain_text("broker: it is short of memory")
    expect(faults).to_contain_text("What to do: rabbitmqctl status")
    alarm["ok"] = True
    expect(faults).to_have_count(0)


def test_source_whose_store_refuses_is_not_green(visit: Visit, held: Held) -> None:
    """Its worker is there, so it is online; its card, its row and the head of the page say that it is not well."""
    person = visit(held.server.url).open("sources")
    now, error = format_us(time.time_ns() // 1000), "cannot be reached: Connection refused"
    source = SourceStatus(name="rock08:em1", kind="stenographer", state="online", last_seen=now, error=error)
    publish(held, EventMessage(event=EventName.SOURCE_ONLINE, at=now, source=source))
    card = person.page.get_by_role("region", name=source.name)
    expect(card.locator("header")).to_contain_text("Not well")
    expect(card).to_contain_text("Connection refused")
    expect(person.page.locator(".page-head")).to_contain_text("1 not well")
    expect(person.page.locator(".tick-row", has_text=source.name)).to_contain_text("Not well")
    publish(held, EventMessage(event=EventName.SOURCE_FORGOTTEN, at=now, source=source))
    expect(card).to_have_count(0)
    expect(person.page.locator(".page-head")).not_to_contain_text("not well")


def test_source_that_is_gone_is_forgotten_by_a_button(visit: Visit, held: Held) -> None:
    """After a question; it leaves this page with the answer, and that of others with the event, without a reload."""
    now = format_us(time.time_ns() // 1000)
    gone = SourceStatus(name="rock07:em3", kind="stenographer", state="offline", last_seen=now)
    person, other = visit(held.server.url).open("sources"), visit(held.server.url).open("sources")
    orders: list[str] = []

    def answer(route: Route) -> None:
        orders.append(route.request.method)
        route.fulfill(json={"name": gone.name, "done": True})

    person.page.route("**/api/v1/sources/rock07%3Aem3", answer)
    publish(held, EventMessage(event=EventName.SOURCE_OFFLINE, at=now, source=gone))
    card = person.page.get_by_role("region", name="rock07:em3")
    expect(other.page.get_by_role("region", name="rock07:em3")).to_be_visible()
    card.get_by_role("button", name="Forget this source").click()
    dialog = person.page.get_by_role("dialog", name="Forget rock07:em3?")
    dialog.get_by_role("button", name="Keep").click()
    expect(card).to_be_visible()
    card.get_by_role("button", name="Forget this source").click()
    dialog.get_by_role("button", name="Forget").click()
    expect(person.toast("rock07:em3 is forgotten.")).to_be_visible()
    expect(card).to_have_count(0)
    assert orders == ["DELETE"]
    publish(held, EventMessage(event=EventName.SOURCE_FORGOTTEN, at=now, source=gone))
    expect(other.page.get_by_role("region", name="rock07:em3")).to_have_count(0)
    expect(card).to_have_count(0)
    for name in SOURCES:
        kept = person.page.get_by_role("region", name=name)
        expect(kept).to_be_visible()
        expect(kept.get_by_role("button", name="Forget this source")).to_have_count(0)
