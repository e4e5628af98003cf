"""axe finds nothing serious or critical, on every page and in every state, light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import WIDE, Visit
from tests.browser.held_answers import SOURCES, Held
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.faults.scripts import serve, status

NARROW: ViewportSize = {"width": 390, "height": 844}
GRAVE = ("serious", "critical")
STATES = ("running", "cancelled", "expired", "failed", "partial", "completed")


def faults(person: Person) -> list[str]:
    """What axe finds grave in the page as it is: rule and element, each on a line."""
    found = Axe().run(person.page).response["violations"]
    return [
        f"{fault['impact']} {fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


def faults_of(person: Person) -> list[str]:
    """What axe finds grave in the page's looks: light, dark, and narrow."""
    page = person.page
    found = faults(person)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    found += faults(person)
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    found += faults(person)
    page.set_viewport_size(WIDE)
    return found


def test_asking(person: Person) -> None:
    """The form: at rest, with everything open and filled, with every kind of fault, and the calendar."""
    assert faults_of(person) == []
    person.page.get_by_role("button", name="Limits, deadline, note").click()
    person.query.fill("(host 10.1.2.3 or host 10.1.2.4) and port 443 and ip proto 47 and vlan 7")
    expect(person.page.locator(".field.is-vlan .chip")).to_be_visible()
    person.page.get_by_role("button", name="To: choose a day").click()
    assert faults_of(person) == []
    person.page.keyboard.press("Escape")
    person.query.fill("host 10.1.2.300 and prot 99999")
    person.field("From").fill("soon")
    person.field("Byte limit").fill("many")
    expect(person.says.locator(".fault").first).to_be_visible()
    assert faults_of(person) == []
    person.query.fill("(port 1 and udp) or tcp")
    expect(person.page.locator(".fields-hint")).to_be_visible()
    assert faults_of(person) == []


def test_dialogs(visit: Visit, demo: Server) -> None:
    """Keys, pasting, confirming, and messages."""
    demo.finished("port 53", note="to be confirmed")
    person = visit(demo.url).open()
    person.page.get_by_role("button", name="Keyboard shortcuts (?)").click()
    expect(person.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert faults_of(person) == []
    person.page.keyboard.press("Escape")
    person.page.get_by_role("button", name="From a record").click()
    person.page.get_by_role("dialog").get_by_role("textbox").fill("10.1.2.3:443 -> 10.9.8.7:1024")
    assert faults_of(person) == []
    person.page.keyboard.press("Escape")
    person.page.get_by_role("button", name="Clear").click()
    person.row("to be confirmed").get_by_role("button", name="Delete").click()
    expect(person.page.get_by_role("dialog", name="Delete this result?")).to_be_visible()
    assert faults_of(person) == []


@pytest.fixture(scope="module")
def jobs(sensor_of_package: Held) -> Iterator[dict[str, str]]:
    """The id of a job in each state; that of the running one is held half-way until the module ends."""
    held, note = sensor_of_package, "for axe"
    for source in held.sources.values():
        source.script = serve
    ids = {"completed": held.finished(note=note)["id"], "expired": held.finished(query="port 53", note=note)["id"]}
    held.server.delete(ids["expired"])
    held.sources[SOURCES[1]].script = status(500, "disk on fire")
    ids["partial"] = held.finished(note=note)["id"]
    held.sources[SOURCES[0]].script = status(500, "disk on fire")
    ids["failed"] = held.finished(note=note)["id"]
    held.hold()
    ids["cancelled"] = held.ask(note=note)["id"]
    held.server.cancel(ids["cancelled"])
    ids["running"] = held.ask(note=note)["id"]
    yield ids
    held.settle()


def test_list_with_jobs_in_every_state(visit: Visit, sensor_of_package: Held, jobs: dict[str, str]) -> None:
    """Six rows, six states."""
    person = visit(sensor_of_package.server.url).open("?text=for+axe")
    expect(person.rows).to_have_count(len(jobs))
    for word in ("Running", "Cancelled", "Deleted", "Failed", "Partial", "Complete"):
        expect(person.rows.filter(has_text=word)).to_have_count(1)
    assert faults_of(person) == []


@pytest.mark.parametrize("state", STATES)
def test_job_in_every_state(visit: Visit, sensor_of_package: Held, jobs: dict[str, str], state: str) -> None:
    """The page of one job, with all its details open."""
    person = visit(sensor_of_package.server.url).open("jobs/" + jobs[state])
    expect(person.page.locator(".story li").nth(1)).to_be_visible()
    for details in person.page.locator(".answer-details summary").all():
        details.click()
    assert sensor_of_package.server.job(jobs[state])["state"] == state
    assert faults_of(person) == []


def test_sources_and_wrong_addresses(visit: Visit, demo: Server) -> None:
    """The page of the sources, a job that is not there, and a list that nothing matches."""
    person = visit(demo.url).open("sources")
    expect(person.page.locator(".card")).to_have_count(2)
    assert faults_of(person) == []
    person.open("jobs/01a20bb0-0000-7000-8000-000000000000")
    expect(person.page.get_by_role("alert")).to_be_visible()
    assert faults_of(person) == []
    person.open("?text=nowhere")
    expect(person.page.get_by_text("No job matches these filters.")).to_be_visible()
    assert faults_of(person) == []


def test_offline(visit: Visit, sensor_of_package: Held) -> None:
    """While the server is away, with what could not be loaded."""
    person = visit(sensor_of_package.server.url).open("sources")
    person.page.route("**/api/**", lambda route: route.abort())
    person.page.get_by_role("link", name="Ask and jobs").click()
    expect(person.page.get_by_text("The list could not be loaded")).to_be_visible()
    sensor_of_package.sensor.kill("web")
    expect(person.page.locator(".lost")).to_be_visible()
    assert faults_of(person) == []
    sensor_of_package.sensor.start("web")
    sensor_of_package.sensor.wait_ready()
