"""A finished job's file narrowed down: by brush, by filter, and made fit to be shared."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from docket.domain.timewindow import format_us
from tests.browser.conftest import Visit
from tests.browser.packet_view import box_of, lines, look, panel, show, shown
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.faults.packets import US_PER_S
from tests.services import needs
from tests.workers.inspector.reference_tshark import Reference

TEN_SECONDS_US = 10 * US_PER_S


@pytest.fixture(scope="module", autouse=True)
def _tshark() -> None:
    needs.program("tshark", "tshark")


def test_brush_refine_follow_download(visit: Visit, demo: Server, reference: Reference, tmp_path: Path) -> None:
    """Ten seconds on the plot become a job of their own, with just the packets that tshark counts in them."""
    seconds = reference.run("-Y", "http.request and tcp.port == 80", "-T", "fields", "-e", "frame.time_epoch").split()
    request_us = int(seconds[len(seconds) // 2].partition(".")[0]) * US_PER_S
    around = {"after": format_us(request_us - 150 * US_PER_S), "before": format_us(request_us + 150 * US_PER_S)}
    parent = demo.finished(**around)
    person = look(visit(demo.url), parent)
    page = person.page
    timeline: dict[str, Any] = demo.http.get(demo.url + f"api/v1/jobs/{parent['id']}/summary", timeout=60).json()[
        "timeline"
    ]
    start_us: int = timeline["start_us"]
    length_us: int = timeline["bucket_us"] * len(timeline["packets"])
    x, y, width, height = box_of(page.locator(".course-brush"))
    from_us = request_us - 2 * US_PER_S

    def place(time_us: int) -> float:
        return x + width * (time_us - start_us) / length_us

    page.mouse.move(place(from_us), y + height / 2)
    page.mouse.down()
    page.mouse.move(place(from_us + TEN_SECONDS_US), y + height / 2, steps=5)
    page.mouse.up()
    expect(page.locator(".course-says")).to_contain_text("(10 s)")
    page.get_by_role("button", name="Refine to it").click()
    dialog = page.get_by_role("dialog", name="Refine")
    dialog.get_by_label("Display filter").fill("tcp")
    dialog.get_by_role("button", name="Create job").click()
    expect(panel(page, "Refined")).to_contain_text("Taken from")
    expect(person.headline).to_contain_text("Complete:")
    child = demo.wait(page.url.rpartition("/")[2])
    assert (child["parent"], child["after"], child["before"]) == (
        parent["id"],
        format_us(from_us),
        format_us(from_us + TEN_SECONDS_US),
    )
    expected = reference.numbers(
        f"tcp and frame.time_epoch >= {from_us / 1e6:.6f} and frame.time_epoch < {from_us / 1e6 + 10:.6f}"
    )
    expect(shown(page)).to_have_text(f"{len(expected):,}")

    show(page, "http.request")
    lines(page).first.click()
    page.get_by_role("button", name="Follow HTTP").click()
    stream = page.get_by_role("dialog", name="HTTP stream")
    expect(stream.locator(".said").first).to_contain_text("GET /")
    expect(stream.locator(".said.said-by-1").first).to_contain_text("HTTP/1.")
    stream.get_by_role("button", name="Close").click()

    path = person.download(page.get_by_role("link", name="Download", exact=True), tmp_path)
    rows = [row[2:] for row in Reference(path).rows()]
    assert len(rows) == len(expected)
    assert {row[2] for row in rows} <= {"TCP", "HTTP", "TLSv1", "TLSv1.2", "TLSv1.3", "SSH", "SSHv2", "SMTP"}
    newer = person.download(page.get_by_role("link", name="the same as pcapng"), tmp_path)
    assert [row[2:] for row in Reference(newer).rows()] == rows
    page.get_by_role("link", name=f"job {parent['id'][:8]}").click()
    expect(panel(page, "Refined").get_by_role("link", name="tcp")).to_be_visible()
    # The same for a browser that has heard of no job: the WebSocket says nothing there.
    page.route_web_socket(re.compile("/events"), lambda _: None)
    page.reload()
    expect(panel(page, "Refined").get_by_role("link", name="tcp")).to_be_visible()


def test_refinement_tells_faults_at_their_fields(looking: Person) -> None:
    """Each fault stands at the field that it is about; nothing is made before all are mended."""
    page = looking.page
    panel(page, "Packets").get_by_role("button", name="Refine", exact=True).click()
    dialog = page.get_by_role("dialog", name="Refine")
    dialog.get_by_label("From").fill("soon")
    dialog.get_by_label("Only what this end sent").fill("somebody")
    dialog.get_by_role("button", name="Create job").click()
    expect(dialog.get_by_label("From")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("alert")).to_have_count(2)
    dialog.get_by_label("From").fill("1h")
    dialog.get_by_label("Only what this end sent").fill("")
    dialog.get_by_label("Packet filter").fill("host host")
    dialog.get_by_role("button", name="Create job").click()
    expect(dialog.get_by_label("Packet filter")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("alert")).to_have_count(1)


def test_refinement_for_sharing(visit: Visit, demo: Server, whole: dict[str, Any], tmp_path: Path) -> None:
    """From a conversation: one direction only, payloads cut off, duplicates dropped; the child says so."""
    person = look(visit(demo.url), whole)
    page = person.page
    row = panel(page, "Conversations").locator("tbody tr").filter(has_text=":443").first
    row.get_by_role("button", name="Refine").click()
    dialog = page.get_by_role("dialog", name="Refine")
    dialog.get_by_label("Direction").select_option(index=1)
    dialog.get_by_label("Shorten packets to", exact=True).check()
    dialog.get_by_role("textbox", name="Shorten packets to, bytes").fill("60")
    dialog.get_by_label("Drop duplicates within", exact=True).check()
    dialog.get_by_role("button", name="Create job").click()
    expect(panel(page, "Refined")).to_contain_text("Taken from")
    expect(page.locator(".answer-says")).to_contain_text("Duplicates within 10 ms that were dropped")
    path = person.download(page.get_by_role("link", name="Download", exact=True), tmp_path)
    printed = Reference(path).run("-T", "fields", "-e", "frame.cap_len", "-e", "tcp.dstport").split()
    assert max(map(int, printed[::2])) == 60
    assert set(printed[1::2]) == {"443"}
