"""Without a mouse."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.page_driver import Person
from tests.browser.server import Server

MOST_STEPS = 60


def step_to(page: Page, selector: str) -> None:
    """Tab until the keyboard is on what the selector names."""
    for _ in range(MOST_STEPS):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached with {MOST_STEPS} steps")


def test_from_asking_to_downloading(person: Person, demo: Server, tmp_path: Path) -> None:
    """A key for the question, Control and Enter to ask, steps to the row, a key for the file."""
    keys = person.page.keyboard
    keys.press("n")
    expect(person.query).to_be_focused()
    keys.type("port 25")
    keys.press("Control+Enter")
    expect(person.toast("Asked.")).to_be_visible()
    expect(person.rows.first).to_contain_text("Complete")
    step_to(person.page, ".jobs-table tbody tr")
    with person.page.expect_download() as started:
        keys.press("d")
    started.value.save_as(tmp_path / "by-key.pcap")
    job = demo.jobs()[0]
    assert job["query"] == "port 25"
    assert (tmp_path / "by-key.pcap").read_bytes() == demo.pcap(job["id"])


def test_by_steps_alone(person: Person, demo: Server, tmp_path: Path) -> None:
    """The same without any shortcut: Tab, Space and Enter."""
    page, keys = person.page, person.page.keyboard
    step_to(page, ".skip")
    keys.press("Enter")
    step_to(page, ".segment:not([aria-pressed=true])")
    step_to(page, ".field.is-port input")
    keys.type("22")
    keys.press("Enter")
    step_to(page, "#ask-form button[type=submit]")
    keys.press("Enter")
    expect(person.rows.first).to_contain_text("port 22")
    expect(person.rows.first).to_contain_text("Complete")
    step_to(page, ".jobs-table tbody tr")
    keys.press("Enter")
    expect(person.headline).to_contain_text("Complete")
    step_to(page, "a.button.is-primary[download]")
    with page.expect_download() as started:
        keys.press("Enter")
    started.value.save_as(tmp_path / "by-steps.pcap")
    assert (tmp_path / "by-steps.pcap").read_bytes() == demo.pcap(demo.jobs()[0]["id"])


def test_sources_are_ticked_by_space(person: Person) -> None:
    """Each source can be left out."""
    step_to(person.page, ".tick-row input")
    person.page.keyboard.press("Space")
    expect(person.page.locator(".tick-row input").first).not_to_be_checked()


def test_help_lists_the_keys(person: Person) -> None:
    """A question mark shows them; Escape closes and gives the keyboard back."""
    person.page.get_by_role("link", name="Sources").focus()
    person.page.keyboard.press("?")
    dialog = person.page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("Search the jobs")
    person.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(person.page.get_by_role("link", name="Sources")).to_be_focused()


def test_keys_lead_from_page_to_page(person: Person) -> None:
    """s to the sources, / back to the search, and letters typed into a field stay letters."""
    person.page.keyboard.press("s")
    expect(person.page.get_by_role("heading", name="Sources", exact=True)).to_be_visible()
    person.page.keyboard.press("/")
    expect(person.page.get_by_label("Search jobs")).to_be_focused()
    person.page.keyboard.type("s?n")
    expect(person.page.get_by_label("Search jobs")).to_have_value("s?n")


def test_focus_can_be_seen(person: Person) -> None:
    """Everything that takes the keyboard shows it."""
    unseen = """() => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
      const around = document.activeElement.closest(".together, .chip-box, .query-box");
      const box = around && getComputedStyle(around);
      const seen = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || boxShadow !== "none" ||
        (box && box.outlineStyle !== "none");
      return seen ? null : document.activeElement.outerHTML.slice(0, 120);
    }"""
    found = []
    for _ in range(MOST_STEPS):
        person.page.keyboard.press("Tab")
        if person.page.evaluate("document.activeElement === document.body"):
            break
        found.append(person.page.evaluate(unseen))
    assert len(found) > 20
    assert [one for one in found if one] == []
