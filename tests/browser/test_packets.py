"""What is in a finished job's file: looked at, filtered and followed, in front of the page.

Packets that a test brings along lie beside the demo's own capture files; the sensor finds them like all others.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.packet_view import HOSTILE, lines, look, panel, show, shown
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.browser.test_accessible import faults_of
from tests.services import needs
from tests.workers.inspector.reference_tshark import Reference


@pytest.fixture(scope="module", autouse=True)
def _tshark() -> None:
    needs.program("tshark", "tshark")


def test_hierarchy_and_conversations_are_shown(looking: Person, demo: Server, whole: dict[str, Any]) -> None:
    """Protocols, conversations, talkers, names and findings, with the summary's figures."""
    page = looking.page
    summary = demo.http.get(demo.url + f"api/v1/jobs/{whole['id']}/summary", timeout=60).json()
    first = panel(page, "Protocols").locator("tbody tr").first
    expect(first).to_contain_text(f"eth{whole['packets']:,}")
    largest = summary["conversations"][0]
    expect(panel(page, "Conversations").locator("tbody tr").first).to_contain_text(largest["b"]["address"])
    expect(panel(page, "Conversations").locator("h2 .count")).to_have_text(str(summary["conversation_count"]))
    talker = panel(page, "Top talkers").locator("tbody tr").first
    expect(talker).to_contain_text(summary["talkers"][0]["address"])
    for kind in ("dns", "tls", "http"):
        expect(panel(page, "Names")).to_contain_text(summary[kind][0]["name"])
    finding = summary["findings"][0]
    panel(page, "Expert information").get_by_role("button", name=finding["message"], exact=True).click()
    expect(page.get_by_label("Display filter")).to_have_value(finding["filter"])
    expect(panel(page, "Over time").get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(f"^{whole['packets']:,} packets")
    )
    shares = panel(page, "Over time").get_by_role("listitem")
    expect(shares.filter(has_text="only this source")).to_have_count(2)
    expect(shares.filter(has_text="a second source recorded too")).to_have_count(int(summary["tap_duplicates"] > 0))


def test_brush_by_keyboard(looking: Person) -> None:
    """A button draws it, arrows move its ends, Escape takes it away; its packets are shown on request."""
    page = looking.page
    page.get_by_role("button", name="Select a part").press("Enter")
    begin = page.get_by_role("slider", name="Selected part begins")
    expect(begin).to_be_focused()
    before = begin.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    expect(begin).not_to_have_attribute("aria-valuetext", str(before))
    page.get_by_role("button", name="Show its packets").click()
    expect(page.get_by_label("Display filter")).to_have_value(re.compile(r"^frame\.time_epoch >= \d+\.\d{6} and"))
    expect(shown(page)).to_contain_text(" of ")
    begin.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("slider", name="Selected part begins")).to_have_count(0)


def test_filter_shows_what_tshark_shows(looking: Person, reference: Reference) -> None:
    """As many packets, by their own numbers, also in the address for others."""
    page = looking.page
    expected = reference.numbers("dns.flags.response == 1")
    show(page, "dns.flags.response == 1")
    expect(shown(page)).to_contain_text(f"{len(expected):,} of ")
    expect(lines(page).first.locator(".is-no")).to_have_text(f"{expected[0]:,}")
    assert "filter=dns.flags.response" in page.url
    page.reload()
    expect(shown(page)).to_contain_text(f"{len(expected):,} of ")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("Display filter")).to_have_value("")
    expect(lines(page).first.locator(".is-no")).to_have_text("1")


def test_fault_of_a_filter_is_marked_at_its_place(looking: Person) -> None:
    """Below the filter, with its place, to which a button leads."""
    page = looking.page
    show(page, "http and and tcp")
    expect(page.locator(".packets-filter .fault")).to_contain_text("unexpected")
    expect(page.locator(".packets-filter mark")).to_have_text("and")
    page.get_by_role("button", name="at character 10").click()
    area = page.get_by_label("Display filter")
    assert area.evaluate("(area) => [area.selectionStart, area.selectionEnd]") == [9, 12]
    show(page, "http")
    expect(page.locator(".packets-filter .fault")).to_have_count(0)
    expect(lines(page).first).to_be_visible()


def test_conversation_filters(looking: Person, demo: Server, whole: dict[str, Any]) -> None:
    """A press on a conversation shows its packets, as many as it has."""
    page = looking.page
    summary = demo.http.get(demo.url + f"api/v1/jobs/{whole['id']}/summary", timeout=60).json()
    place, one = next((at, one) for at, one in enumerate(summary["conversations"]) if one["stream"])
    row = panel(page, "Conversations").locator("tbody tr").nth(place)
    row.locator(".pick").click()
    expect(page.get_by_label("Display filter")).to_have_value(one["filter"])
    expect(shown(page)).to_contain_text(f"{one['packets']:,} of ")
    expect(row.locator(".pick")).to_have_attribute("aria-pressed", "true")


def test_last_packet_by_key(looking: Person, whole: dict[str, Any]) -> None:
    """End leads to the last row, of which only the neighbourhood is drawn; Home back."""
    page = looking.page
    page.get_by_role("grid", name="Packets").focus()
    page.keyboard.press("End")
    expect(lines(page).last.locator(".is-no")).to_have_text(f"{whole['packets']:,}")
    assert page.locator(".grid-row").count() < 40
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_have_text(f"Packet {whole['packets']:,}")
    page.keyboard.press("Home")
    expect(page.locator("#detail-title")).to_have_text("Packet 1")
    page.keyboard.press("Escape")
    expect(page.locator("#detail-title")).to_have_count(0)


def test_field_and_bytes_mark_each_other(
    visit: Visit, demo: Server, whole: dict[str, Any], reference: Reference
) -> None:
    """A field chosen by key marks its bytes; a byte that is pressed chooses its field, and opens the way to it."""
    number = reference.first("http.request")
    person = look(visit(demo.url), whole, f"?packet={number}")
    page = person.page
    tree = page.get_by_role("tree", name="Dissection")
    expect(tree.get_by_role("treeitem").first).to_contain_text(f"Frame {number}")
    assert [line.inner_text() for line in tree.locator(".is-layer").all()] == [
        line for line in reference.detail(number) if not line.startswith(" ")
    ]
    tree.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".hex-digits .is-marked")).to_have_count(14)
    page.locator(".hex-digits [data-at='26']").click()
    expect(page.locator("[role=treeitem][aria-selected=true]")).to_contain_text("Source Address")
    expect(page.locator(".detail-foot code")).to_have_text("ip.src")
    expect(page.locator(".hex-digits .is-marked")).to_have_count(4)
    page.keyboard.press("ArrowDown")
    expect(page.locator("[role=treeitem][aria-selected=true]")).not_to_contain_text("Source Address")
    page.get_by_role("button", name="Filter by it").click()
    expect(page.get_by_label("Display filter")).not_to_have_value("")
    expect(shown(page)).to_contain_text(" of ")


def test_stream_in_all_its_forms(
    visit: Visit, demo: Server, whole: dict[str, Any], reference: Reference, tmp_path: Path
) -> None:
    """Text, hex and raw, both ends or one; what is saved is what tshark prints."""
    stream = reference.run("-Y", "http.request and tcp.port==80", "-T", "fields", "-e", "tcp.stream").split()[0]
    person = look(visit(demo.url), whole, f"?follow=tcp-{stream}")
    page = person.page
    dialog = page.get_by_role("dialog", name=f"TCP stream {stream}")
    expect(dialog.locator(".said").first).to_contain_text("GET /")
    saved = person.download(dialog.get_by_role("link", name="Save"), tmp_path)
    assert saved.read_bytes().decode() == reference.follow("tcp", "ascii", int(stream))
    dialog.get_by_role("button", name="Hex").click()
    expect(dialog.locator(".said").first).to_contain_text("00000000  47 45 54 20")
    dialog.get_by_role("button", name="Raw").click()
    expect(dialog.locator(".said").first).to_contain_text("47455420")
    dialog.get_by_label("Who").select_option("second")
    expect(dialog.locator(".said.said-by-0")).to_have_count(0)
    expect(dialog.locator(".said.said-by-1").first).to_contain_text("485454502f")
    dialog.get_by_role("button", name="Show its packets").click()
    expect(page.get_by_label("Display filter")).to_have_value(f"tcp.stream eq {stream}")


def test_hostile_names_are_text(looking: Person) -> None:
    """In names, list, dissection and stream, an attacker's words stand as they are, and do nothing."""
    page = looking.page
    names = panel(page, "Names")
    expect(names.get_by_role("button", name=HOSTILE[0])).to_have_count(2)
    names.get_by_role("button", name=HOSTILE[0]).last.click()
    expect(page.get_by_label("Display filter")).to_have_value(re.compile(re.escape(f'http.host == "{HOSTILE[0]}"')))
    expect(shown(page)).to_contain_text("1 of ")
    expect(lines(page).first).to_contain_text(HOSTILE[1])
    lines(page).first.click()
    expect(page.locator(".dissection")).to_contain_text(f"Host: {HOSTILE[0]}")
    page.get_by_role("button", name="Follow TCP").click()
    expect(page.locator(".said").first).to_contain_text(f"Host: {HOSTILE[0]}")
    assert page.evaluate("globalThis.hacked") is None
    assert page.locator("main script, main img, .stream-said img").count() == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {
                "state": "failed",
                "note": "The dissector crashed.",
                "covers": {"packets": 0, "of": 9, "sentence": "None."},
            },
            "The packets could not be dissected: The dissector crashed.",
        ),
        (
            {
                "state": "partial",
                "note": "",
                "covers": {"packets": 5, "of": 9, "sentence": "Only the first 5 of 9 packets"},
            },
            "Only the first 5 of 9 packets",
        ),
        ({"state": "working", "progress": 0.42}, "Looking into the packets: 42 %"),
    ],
)
def test_what_could_not_be_seen_is_said(
    visit: Visit, demo: Server, whole: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    """A summary that is not whole says so in words, whatever it has already."""
    person = visit(demo.url)

    def answer(route: Route) -> None:
        real = route.fetch()
        route.fulfill(response=real, body=json.dumps(real.json() | change))

    person.page.route("**/summary", answer)
    look(person, whole)
    expect(person.page.locator(".packets-note")).to_contain_text(text)
    expect(panel(person.page, "Over time")).to_be_visible()
    person.page.unroute_all(behavior="wait")


def test_inspector_that_is_away_is_said(visit: Visit, demo: Server, whole: dict[str, Any]) -> None:
    """The rest of the page stays, and another try brings the packets."""
    person = visit(demo.url)
    fault = {"code": "inspector-unavailable", "message": "the inspector does not answer"}
    body = json.dumps({"error": fault, "errors": [fault]})
    person.page.route("**/summary", lambda route: route.fulfill(status=503, body=body))
    person.open(f"jobs/{whole['id']}")
    expect(person.page.locator(".packets-note").first).to_contain_text("The inspector does not answer.")
    expect(person.headline).to_contain_text("Complete:")
    person.page.unroute_all(behavior="wait")
    person.page.locator(".packets-note").get_by_role("button", name="Try again").first.click()
    expect(panel(person.page, "Protocols")).to_be_visible()


def test_accessible_with_all_open(visit: Visit, demo: Server, whole: dict[str, Any], reference: Reference) -> None:
    """axe finds nothing grave in the summary, the list, a packet, a stream and the form for refining."""
    number = reference.first("http.request")
    person = look(visit(demo.url), whole, f"?filter=http&packet={number}")
    page = person.page
    expect(page.locator(".hex-line").first).to_be_visible()
    page.get_by_role("treeitem").last.click()
    page.get_by_role("button", name="Select a part").click()
    assert faults_of(person) == []
    page.get_by_role("button", name="Follow HTTP").click()
    expect(page.locator(".said").first).to_be_visible()
    assert faults_of(person) == []
    page.keyboard.press("Escape")
    show(page, "http and and")
    expect(page.locator(".packets-filter .fault")).to_be_visible()
    panel(page, "Packets").get_by_role("button", name="Refine", exact=True).click()
    dialog = page.get_by_role("dialog", name="Refine")
    dialog.get_by_label("From").fill("soon")
    dialog.get_by_role("button", name="Create job").click()
    expect(dialog.get_by_role("alert")).to_have_count(1)
    assert faults_of(person) == []


def test_nothing_of_it_weighs_on_the_first_page(person: Person) -> None:
    """Its modules and its stylesheet are loaded by the page of a job alone."""
    names = "() => performance.getEntriesByType('resource').map((entry) => entry.name)"
    loaded = [name for name in person.page.evaluate(names) if "/static/packets/" in name]
    assert loaded == []


def test_back_takes_back_one_step(looking: Person) -> None:
    """Filter, packet and stream are steps of their own; the packets come to where one looks."""
    page = looking.page
    row = panel(page, "Conversations").locator("tbody tr").filter(has_text="HTTP").first
    row.locator(".pick").click()
    expect(lines(page).first).to_be_in_viewport()
    lines(page).nth(3).click()
    expect(page.locator("#detail-title")).to_be_visible()
    page.get_by_role("button", name="Follow TCP").click()
    stream = page.get_by_role("dialog", name="TCP stream")
    expect(stream).to_be_visible()
    page.go_back()
    expect(stream).to_have_count(0)
    expect(page.locator("#detail-title")).to_be_visible()
    page.go_back()
    expect(page.locator("#detail-title")).to_have_count(0)
    expect(page.get_by_label("Display filter")).not_to_have_value("")
    page.go_back()
    expect(page.get_by_label("Display filter")).to_have_value("")
    expect(looking.headline).to_contain_text("Complete")


def test_shared_link_opens_at_the_packet(
    visit: Visit, demo: Server, whole: dict[str, Any], reference: Reference
) -> None:
    """Also below a filter, which gives the packet another place in the list; the link that is copied is the view."""
    number = reference.numbers("tcp")[400]
    person = look(visit(demo.url), whole, f"?filter=tcp&packet={number}")
    row = person.page.locator(".grid-row.is-open")
    expect(row.locator(".is-no")).to_have_text(f"{number:,}")
    expect(row).to_be_in_viewport()
    assert person.copied("Share link: copy the address of this job") == person.page.url


def test_few_steps_of_the_keyboard_to_the_packets(looking: Person) -> None:
    """A skip link, a key, and not many stops in between; a slash searches here."""
    page, keys = looking.page, looking.page.keyboard
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("grid", name="Packets")).to_be_focused()
    keys.press("/")
    expect(page.get_by_label("Display filter")).to_be_focused()
    page.locator("h1").click()
    keys.press("p")
    expect(page.get_by_role("grid", name="Packets")).to_be_focused()
    page.locator(".crumbs a").focus()
    for _ in range(40):
        keys.press("Tab")
        if page.evaluate("document.activeElement.matches('.grid')"):
            break
    expect(page.get_by_role("grid", name="Packets")).to_be_focused()
    scroll = page.get_by_role("group", name="Conversations")
    scroll.focus()
    keys.press("ArrowDown")
    expect(scroll.locator("tbody tr").first.locator(".pick")).to_be_focused()


def test_stream_is_followed_before_the_packet_is_dissected(looking: Person) -> None:
    """The list knows the stream: a key that is pressed at once is not lost while a large file is being read."""
    page = looking.page
    show(page, "tcp")
    expect(shown(page)).to_contain_text(" of ")
    page.route(re.compile(r"/packets/\d+"), lambda _: None)
    lines(page).first.click()
    expect(page.locator(".detail")).to_contain_text("Dissecting")
    page.keyboard.press("f")
    expect(page.get_by_role("dialog", name=re.compile("TCP stream"))).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")
