"""The source of every packet on the page: column, colours of the plot, "only this source", and refining to it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.packet_view import lines, look, panel
from tests.browser.server import Server
from tests.browser.test_accessible import faults_of
from tests.services import needs

EM1, EM2 = "demo:em1", "demo:em2"


@pytest.fixture(scope="module")
def job(demo: Server) -> dict[str, Any]:
    needs.program("tshark", "tshark")
    return demo.finished("", after="1h")


def taken(page: Page, name: str) -> None:
    """A picture for people, where one is wanted."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def counts_of(job: dict[str, Any]) -> dict[str, int]:
    return {source["name"]: source["packets"] for source in job["sources"]}


def test_rows_name_their_source(visit: Visit, demo: Server, job: dict[str, Any]) -> None:
    """Each row says which source recorded it, as the server does; so does the packet in full."""
    page = look(visit(demo.url), job).page
    rows = demo.http.get(demo.url + f"api/v1/jobs/{job['id']}/packets?limit=12", timeout=60).json()["rows"]
    for place, row in enumerate(rows):
        expect(lines(page).nth(place).locator(".is-recorded")).to_have_text(row["capture_source"])
    lines(page).first.click()
    expect(page.locator(".detail-facts").last).to_have_text(f"recorded by {rows[0]['capture_source']}")
    taken(page, "rows")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plot_is_stacked_by_source(visit: Visit, demo: Server, job: dict[str, Any], scheme: str) -> None:
    """One colour for each source, with its name and its count below."""
    person = look(visit(demo.url, color_scheme=scheme), job)
    page = person.page
    plot = panel(page, "Over time")
    expect(plot.locator("path")).to_have_count(2)
    for name, packets in counts_of(job).items():
        expect(plot.get_by_role("listitem").filter(has_text=name)).to_contain_text(f"{packets:,} packets")
    plot.get_by_role("button", name="Bytes").click()
    expect(plot.locator("path")).to_have_count(2)
    assert faults_of(person) == []
    taken(page, f"plot-{scheme}")


def test_only_this_source(visit: Visit, demo: Server, job: dict[str, Any]) -> None:
    """A press below the plot leaves one source's packets in the list and in the address; Back brings all again."""
    page = look(visit(demo.url), job).page
    page.get_by_role("button", name=f"Only the packets of {EM2}").click()
    expect(panel(page, "Packets").locator(".count")).to_have_text(f"{counts_of(job)[EM2]:,} of {job['packets']:,}")
    expect(page).to_have_url(re.compile("source=demo%3Aem2"))
    expect(lines(page).first.locator(".is-recorded")).to_have_text(EM2)
    page.reload()
    expect(lines(page).first.locator(".is-recorded")).to_have_text(EM2)
    page.get_by_label("Recorded by").first.select_option("")
    expect(panel(page, "Packets").locator(".count")).to_have_text(f"{job['packets']:,}")


def test_refining_to_one_source(visit: Visit, demo: Server, job: dict[str, Any]) -> None:
    """The dialog takes up the source that is chosen, and the new job has its packets alone."""
    page = look(visit(demo.url), job, f"?source={EM1}").page
    panel(page, "Packets").get_by_role("button", name="Refine").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Recorded by")).to_have_value(EM1)
    taken(page, "refine")
    dialog.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_url(lambda url: job["id"] not in url)
    child = demo.wait(page.url.partition("jobs/")[2].partition("?")[0])
    assert (child["packets"], child["refine"]["sources"]) == (counts_of(job)[EM1], [EM1])
