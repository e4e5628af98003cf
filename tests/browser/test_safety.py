"""Whatever comes from outside is text: nothing runs, nothing is fetched, and no other site has a say."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect

from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from tests.browser.conftest import Visit
from tests.browser.held_answers import SOURCES, Held, publish
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.faults.scripts import status
from tests.services.waiting import wait_until

IMAGE = "<img src=x onerror='globalThis.hacked=1'>"
HOSTILE = f"{IMAGE}<script>globalThis.hacked=1</script>\"'&lt;\u202e\u2066"
"""Markup, quotes, entities, and characters that turn the direction of writing."""
MARKUP = "<img src=x id=hack>"
"""Short enough to be quoted whole wherever a value is shortened."""
RIGHT_TO_LEFT = "\u202e"

PAGES = ("", "sources", "jobs/01a20bb0-0000-7000-8000-000000000000")


def unharmed(person: Person) -> None:
    """No script of a stranger has run, and no element of his is there."""
    assert person.page.evaluate("globalThis.hacked") is None
    assert person.page.locator("img:not([src$='favicon.svg'])").count() == 0


def test_hostile_words_of_an_asker_are_text(visit: Visit, demo: Server) -> None:
    """Note and owner, in the list, in the filters, on the job's page and in the form again."""
    job = demo.finished("port 53", owner=HOSTILE, note=HOSTILE)
    person = visit(demo.url).open()
    expect(person.row(IMAGE)).to_have_count(1)
    unharmed(person)
    person.page.goto(demo.url + "jobs/" + job["id"])
    expect(person.fact("Question", "Note")).to_have_text(HOSTILE)
    expect(person.fact("Question", "Owner")).to_have_text(HOSTILE)
    unharmed(person)
    person.page.get_by_role("button", name="Ask again").click()
    expect(person.field("Note")).to_have_value(HOSTILE)
    unharmed(person)


def test_hostile_words_in_the_form_are_text(person: Person) -> None:
    """In the query with its marks and faults, in chips, in times, in a pasted record and in its message."""
    person.query.fill(f"host {IMAGE}")
    expect(person.page.locator(".query-marks mark").first).to_be_visible()
    expect(person.says.locator(".fault").first).to_be_visible()
    person.query.fill("")
    person.field("Hosts").fill("<b>1</b>")
    person.field("Hosts").press("Enter")
    expect(person.page.locator(".chip")).to_contain_text("<b>1</b>")
    person.field("From").fill(IMAGE)
    person.page.get_by_label("Search jobs").fill("nobody" + IMAGE)
    expect(person.page.get_by_text("No job matches these filters.")).to_be_visible()
    person.page.get_by_role("button", name="From a record").click()
    pasted, says = person.page.get_by_role("dialog").get_by_role("textbox"), person.page.locator(".paste-found")
    pasted.fill(f"stenoread 'host 10.1.2.3 and host {IMAGE}'")
    expect(says.locator("code")).to_have_text("host 10.1.2.3")
    expect(says).to_contain_text(IMAGE)
    unharmed(person)
    pasted.fill(json.dumps({"event_type": MARKUP, "src_ip": "10.1.2.3"}))
    expect(says.locator("strong")).to_have_text(f"Suricata {MARKUP} record")
    unharmed(person)
    pasted.fill(f"https://{MARKUP.replace(' ', '')}evil.example/")
    expect(says).to_contain_text("No address, net or query was found in this text.")
    pasted.fill(f"https://evil&lt;{RIGHT_TO_LEFT}.example/")
    expect(says).to_contain_text(f"look up the address of evil&lt;{RIGHT_TO_LEFT}.example")
    unharmed(person)
    pasted.fill(f"10.1.2.3:51544 -> 198.51.100.20:443\n10.1.2.3:51545 -> 198.51.100.20:443 {HOSTILE}")
    expect(person.page.locator(".paste-records")).to_contain_text("all 2")
    unharmed(person)


def test_hostile_words_of_a_pasted_record_are_text_in_its_message(person: Person) -> None:
    """Pasted anywhere, the message quotes what was not used, and the form has the address alone."""
    person.paste(f"look at 10.1.2.3 {HOSTILE}")
    expect(person.query).to_have_value("host 10.1.2.3")
    expect(person.toast("Filled in from")).to_contain_text(IMAGE)
    unharmed(person)


def test_hostile_address_is_text(visit: Visit, demo: Server) -> None:
    """Filters and ids from a link that somebody sent."""
    person = visit(demo.url).open("?text=" + IMAGE.replace(" ", "%20") + "&owner=" + IMAGE.replace(" ", "%20"))
    expect(person.page.get_by_label("Search jobs")).to_have_value(IMAGE)
    unharmed(person)


def test_hostile_words_of_a_source_are_text(visit: Visit, held: Held) -> None:
    """What a stenographer answers becomes part of a verdict's sentence, and no more."""
    for source in held.sources.values():
        source.script = status(500, HOSTILE)
    job = held.finished()
    person = visit(held.server.url).open("jobs/" + job["id"])
    expect(person.lane(SOURCES[0])).to_contain_text(IMAGE[:8])
    expect(person.page.locator(".story li").last).to_contain_text("Failed")
    unharmed(person)


def test_hostile_source_on_the_bus_is_text(visit: Visit, held: Held) -> None:
    """Kind, error and counters, on the page of the sources and among the sources to ask."""
    person = visit(held.server.url).open("sources")
    hostile = SourceStatus(
        name="rock09:em9",
        kind=HOSTILE,
        state="offline",
        last_seen="2026-11-24T14:00:00.000000Z",
        error=HOSTILE,
        stats={HOSTILE: 1},
    )
    event = EventMessage(event=EventName.SOURCE_STATS, at=hostile.last_seen, source=hostile)
    publish(held, event)
    card = person.page.get_by_role("region", name="rock09:em9")
    expect(card.locator(".fault")).to_have_text(HOSTILE)
    expect(card.get_by_role("row", name=IMAGE)).to_be_visible()
    unharmed(person)
    person.page.get_by_role("link", name="Ask and jobs").click()
    expect(person.page.locator(".tick-row", has_text="rock09:em9")).to_contain_text(IMAGE)
    unharmed(person)


def test_hostile_rejection_is_text(visit: Visit, held: Held) -> None:
    """The reason for which the collector rejects a question, told on the bus."""
    person = visit(held.server.url).open()
    job = held.ask()
    expect(person.rows.first).to_contain_text("Running")
    person.page.evaluate("(id) => sessionStorage.setItem('docket.asked', JSON.stringify([id]))", job["id"])
    person.page.reload()
    expect(person.rows.first).to_contain_text("Running")
    event = EventMessage(event=EventName.REJECTED, at="2026-11-24T14:00:00.000000Z", job_id=job["id"], reason=HOSTILE)
    publish(held, event)
    expect(person.toast("Your question was rejected")).to_contain_text(IMAGE)
    held.server.cancel(job["id"])  # the workers believed it and stopped reading
    unharmed(person)


@pytest.mark.parametrize("below", PAGES)
def test_every_page_has_a_strict_policy(visit: Visit, demo: Server, below: str) -> None:
    """Nothing inline, nothing from elsewhere, no frame around it; and the browser keeps to it."""
    person = visit(demo.url)
    answer = person.page.goto(demo.url + below)
    assert answer is not None
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == "'self'"
    assert (rules["object-src"], rules["frame-ancestors"], rules["base-uri"]) == ("'none'", "'none'", "'self'")
    assert "unsafe" not in str(rules)
    expect(person.page.locator(".link-state.is-live")).to_be_visible()
    inline = """() => { const script = document.createElement("script");
                        script.textContent = "globalThis.hacked = 1"; document.head.append(script); }"""
    person.page.evaluate(inline)
    wait_until(lambda: person.page.evaluate("violations.length"), "the violation")
    assert [text.split()[0] for text in person.page.evaluate("violations.splice(0)")] == ["script-src-elem"]
    person.troubles.clear()
    unharmed(person)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another site: a page of its own at another port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing worth a line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_other_sites_cannot_listen(visit: Visit, demo: Server, elsewhere: str) -> None:
    """The WebSocket is refused to a page of another origin, and opens for ours."""
    knock = """(url) => new Promise((done) => {
      const socket = new WebSocket(url);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    })"""
    events = demo.url.replace("http", "ws") + "api/v1/events"
    stranger = visit(elsewhere)
    stranger.page.goto(elsewhere)
    assert stranger.page.evaluate(knock, events) == "refused"
    assert visit(demo.url).open().page.evaluate(knock, events) == "open"


def test_other_sites_cannot_ask_or_delete(visit: Visit, demo: Server, elsewhere: str) -> None:
    """Neither a form nor a script of another page changes anything, and its answers cannot be read."""
    job = demo.finished("port 53", note="not yours")
    before = [one["id"] for one in demo.jobs()]
    stranger = visit(elsewhere)
    stranger.page.goto(elsewhere)
    send = """async ([url, method, type]) => {
      const options = { method, mode: method === "POST" ? "no-cors" : "cors", body: '{"query":"port 6666"}' };
      try { return (await fetch(url, { ...options, headers: { "content-type": type } })).type; }
      catch { return "refused"; }
    }"""
    for url, method, kind in (
        ("api/v1/jobs", "POST", "text/plain"),
        (f"api/v1/jobs/{job['id']}/cancel", "POST", "text/plain"),
        (f"api/v1/jobs/{job['id']}", "DELETE", "application/json"),
    ):
        assert stranger.page.evaluate(send, [demo.url + url, method, kind]) in ("opaque", "refused")
    stranger.page.set_content(
        f"<form method=post enctype=text/plain action='{demo.url}api/v1/jobs'><button>Win</button></form>"
    )
    with stranger.page.expect_navigation():
        stranger.page.get_by_role("button", name="Win").click()
    assert [one["id"] for one in demo.jobs()] == before
    assert demo.job(job["id"])["pcap"] is not None
    stranger.troubles.clear()  # Chromium tells of each refusal
