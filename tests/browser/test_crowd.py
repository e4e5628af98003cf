"""A thousand sources and ten thousand jobs: the page stays small and quick."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.crowd import Crowd
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.browser.test_accessible import faults_of

TALLEST_PX = 800
MOST_ELEMENTS = 5_000


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def asking(visit: Visit, demo: Server, crowd: Crowd) -> Person:
    person = visit(demo.url)
    crowd.play_for(person.page)
    person.open()
    expect(person.page.locator(".tick-row").first).to_be_visible()
    return person


def test_form_is_as_small_as_with_few(asking: Person) -> None:
    """Sources are folded by sensor, and only the rows in view are drawn."""
    page = asking.page
    assert page.locator("#ask-form").evaluate("(form) => form.offsetHeight") < TALLEST_PX
    assert page.locator(".tick-row").count() < 20
    assert page.locator(".lane").count() < 20
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_ELEMENTS
    expect(page.locator(".where-head")).to_contain_text("All 1,000 sources, 11 offline")
    expect(page.locator(".tick-row").first).to_contain_text("4 sources")
    assert faults_of(asking) == []


def test_choose_by_sensor_and_search(asking: Person) -> None:
    """None, a whole sensor, one source of it, only what was found, all again."""
    page = asking.page
    head = page.locator(".where-head")
    page.get_by_role("button", name="None", exact=True).click()
    expect(head).to_contain_text("0 of 1,000 sources")
    first = page.locator(".tick-row").first
    first.get_by_role("checkbox").check()
    expect(head).to_contain_text("4 of 1,000 sources")
    first.get_by_role("button", name="Sources of rock000").click()
    page.locator(".tick-row", has_text="rock000:em2").get_by_role("checkbox").uncheck()
    expect(head).to_contain_text("3 of 1,000 sources")
    assert first.get_by_role("checkbox").evaluate("(box) => box.indeterminate")
    page.get_by_label("Search sources").fill("rock24 em3")
    page.get_by_role("button", name="Only these 10").click()
    expect(head).to_contain_text("10 of 1,000 sources")
    row = page.locator(".tick-row", has_text="rock241:em3")
    row.hover()
    row.get_by_role("button", name="Only rock241:em3").click()
    expect(head).to_contain_text("1 of 1,000 sources")
    page.get_by_role("button", name="All", exact=True).first.click()
    expect(head).to_contain_text("All 1,000 sources")


def test_sources_by_keyboard(asking: Person) -> None:
    """One step of the keyboard leads into the list; arrows go on, and open a sensor."""
    page, keys = asking.page, asking.page.keyboard
    page.get_by_role("button", name="None", exact=True).focus()
    keys.press("Tab")
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    expect(page.get_by_role("button", name="Sources of rock001")).to_have_attribute("aria-expanded", "true")
    keys.press("ArrowDown")
    keys.press("Space")
    expect(page.locator(".where-head")).to_contain_text("999 of 1,000 sources")


def test_news_draw_little(asking: Person, crowd: Crowd) -> None:
    """News of sources out of view change nothing that is drawn; new jobs come to the top."""
    page = asking.page
    page.evaluate(
        """() => { globalThis.changes = 0;
          new MutationObserver((list) => (changes += list.length))
            .observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true }); }"""
    )
    for number in range(200, 300):
        crowd.send_source(number)
    crowd.send_new_job(1)
    expect(asking.rows.first).to_contain_text("Queued")
    assert page.evaluate("changes") < 400


def test_sources_page_shows_one_at_a_time(visit: Visit, demo: Server, crowd: Crowd) -> None:
    """A list to search in; the source that is chosen has a card, and an address of its own."""
    person = visit(demo.url)
    crowd.play_for(person.page)
    page = person.open("sources").page
    expect(page.locator(".page-head")).to_contain_text("11 of 1,000 sources offline")
    assert page.locator(".tick-row").count() < 20
    page.keyboard.press("/")
    page.keyboard.type("rock100")
    expect(page.locator(".tick-row")).to_have_count(4)
    page.get_by_role("link", name="rock100:em3").click()
    card = page.get_by_role("region", name="rock100:em3")
    expect(card).to_contain_text("Oldest packet")
    assert page.url.endswith("sources?source=rock100%3Aem3")
    page.go_back()
    expect(card).to_have_count(0)
    page.get_by_label("Search sources").fill("")
    page.get_by_role("button", name="Offline only").click()
    expect(page.get_by_text("11 sources", exact=True)).to_be_visible()
    page.get_by_role("button", name="Offline only").click()
    expect(page.locator(".tick-row").first).to_contain_text("4 sources")
    page.get_by_role("button", name="Sources of rock001").click()
    expect(page.locator(".tick-row.is-inner").first).to_contain_text("rock001:em1")
    page.get_by_role("button", name="Fold all").click()
    expect(page.locator(".tick-row.is-inner")).to_have_count(0)
    assert faults_of(person) == []
