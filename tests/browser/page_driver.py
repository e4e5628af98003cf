"""Somebody in front of the page: what a person sees and does, in the page's own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

_WATCH_POLICY = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
"""Runs before anything of the page does, in every document."""

_NETWORK = ("Failed to load resource", "WebSocket connection to")
"""How Chromium tells of a server that is away or refuses; the tests do that on purpose."""


@dataclass
class Person:
    """One browser tab. `troubles` collects what a good page never has: errors of scripts, broken policies."""

    page: Page
    base: str
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_WATCH_POLICY)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_NETWORK):
            self.troubles.append(message.text)

    def open(self, below: str = "") -> "Person":
        """Go to one of the pages and wait until it is live and listens to its user."""
        self.page.goto(self.base + below)
        expect(self.page.locator(".link-state.is-live")).to_be_visible()
        expect(self.page.locator("main .panel").first).to_be_visible()
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return self

    def check(self) -> None:
        """The page has had no trouble."""
        self.troubles += self.page.evaluate("globalThis.violations ?? []")
        assert self.troubles == []

    # Asking

    @property
    def query(self) -> Locator:
        return self.page.get_by_label("Query", exact=True)

    @property
    def says(self) -> Locator:
        """What stands below the query: its explanation, or its faults."""
        return self.page.locator(".query-says")

    @property
    def ask_button(self) -> Locator:
        return self.page.locator("#ask-form button[type=submit]")

    def field(self, label: str) -> Locator:
        return self.page.locator("#ask-form").get_by_label(label, exact=True)

    def chips(self, kind: str) -> list[str]:
        """The values of a field: "host", "net", "port", "vlan" or "mpls"."""
        return self.page.locator(f".field.is-{kind} .chip > span:not(.visually-hidden)").all_inner_texts()

    def last(self, word: str) -> None:
        """Choose one of the quick ranges, such as "1 h"."""
        self.page.get_by_role("button", name=f"Last {word}", exact=True).click()

    def ask(self, query: str, last: str = "1 h", note: str = "") -> None:
        """Write a question and ask it."""
        self.last(last)
        self.query.fill(query)
        if note:
            if not self.field("Note").is_visible():
                self.page.get_by_role("button", name="Limits, deadline, note").click()
            self.field("Note").fill(note)
        self.ask_button.click()

    def ask_and_open(self, query: str, last: str = "1 h") -> None:
        """Ask, and follow the message to the job's own page."""
        self.ask(query, last)
        self.toast("Asked.").get_by_role("button", name="Open the job").click()
        expect(self.page.locator("article.job")).to_be_visible()

    def paste(self, text: str, selector: str = "body") -> None:
        """Paste a text where the selector says."""
        self.page.locator(selector).evaluate(
            """(element, text) => {
              const clipboardData = new DataTransfer();
              clipboardData.setData("text/plain", text);
              element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
            }""",
            text,
        )

    # What is shown

    def toast(self, text: str) -> Locator:
        return self.page.locator(".toast", has_text=text)

    @property
    def rows(self) -> Locator:
        return self.page.locator(".jobs-table tbody tr")

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    @property
    def headline(self) -> Locator:
        return self.page.locator(".headline h1")

    def lane(self, source: str) -> Locator:
        return self.page.locator(".answer", has_text=source)

    def fact(self, panel: str, name: str) -> Locator:
        """The value beside a name in one of the job's panels."""
        section = self.page.get_by_role("region", name=panel, exact=True)
        return section.locator(f"dt:text-is('{name}') + dd")

    def copied(self, label: str) -> str:
        """Press a copy button; what is then in the clipboard."""
        button = self.page.locator(f".copy[title='{label}']")
        button.click()
        expect(button).to_contain_text("Copied")
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        return text

    def download(self, link: Locator, directory: Path) -> Path:
        """Press a download link; the saved file, by the name that the browser proposed."""
        with self.page.expect_download() as started:
            link.click()
        path = directory / started.value.suggested_filename
        started.value.save_as(path)
        return path

    # Staying on the page

    @contextmanager
    def without_reload(self) -> Iterator[None]:
        """Whatever happens within the block, the document must stay the same."""
        self.page.evaluate("document.isTheSame = true")
        yield
        assert self.page.evaluate("document.isTheSame === true")

    def focused(self) -> dict[str, Any]:
        """What has the keyboard: tag, class and text."""
        found: dict[str, Any] = self.page.evaluate(
            """() => { const { tagName, className, innerText } = document.activeElement;
                       return { tag: tagName, look: className, text: innerText }; }"""
        )
        return found
