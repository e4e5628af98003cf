"""Links that fill the form, saved queries, several jobs at once, and packets on their way to other programs."""

import base64
import csv
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.packet_view import lines, look, panel, show, shown
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.browser.test_accessible import faults_of
from tests.services import needs


def test_link_fills_the_form(visit: Visit, demo: Server) -> None:
    """Query, window, sources and note are taken from the address, which is then free for the list of jobs."""
    link = "?query=host+10.1.2.3+and+port+443&after=2026-11-24T14:00:00Z&before=2026-11-24T14:05:00Z&note=4711&text=x"
    person = visit(demo.url).open(link + "&sources=demo:em2")
    expect(person.query).to_have_value("host 10.1.2.3 and port 443")
    expect(person.field("From")).to_have_value("2026-11-24 14:00:00")
    expect(person.field("To")).to_have_value("2026-11-24 14:05:00")
    expect(person.field("Note")).to_have_value("4711")
    expect(person.page.locator(".tick-row", has_text="demo:em1").get_by_role("checkbox")).not_to_be_checked()
    expect(person.page).to_have_url(demo.url + "?text=x")
    copied = person.copied("Copy a link that fills this form")
    other = visit(demo.url)
    other.page.goto(copied)
    expect(other.query).to_have_value("host 10.1.2.3 and port 443")
    expect(other.field("From")).to_have_value("2026-11-24 14:00:00")


def test_time_back_from_now_stays_so_in_a_link(visit: Visit, demo: Server) -> None:
    """`after=15m` is the last quarter of an hour, whenever the link is opened."""
    person = visit(demo.url).open("?query=port+53&after=15m")
    expect(person.field("From")).to_have_value("15m ago")
    expect(person.query).to_have_value("port 53")


def test_saved_query_comes_back(person: Person) -> None:
    """By its name, after a reload; and goes when it is removed."""
    page = person.page
    person.query.fill("port 22")
    person.last("4 h")
    page.get_by_role("button", name="Save query").click()
    page.get_by_label("Name of the saved query").fill("ssh of today")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Clear").click()
    page.reload()
    page.get_by_label("Saved queries").select_option("ssh of today")
    expect(person.query).to_have_value("port 22")
    expect(person.field("From")).to_have_value("4h ago")
    page.get_by_label("Remove a saved query").select_option("ssh of today")
    expect(page.get_by_label("Saved queries")).to_have_count(0)


def test_queries_for_everybody_are_offered(visit: Visit, demo: Server) -> None:
    """Those of the configuration stand beside one's own, and cannot be removed here."""
    person = visit(demo.url)
    shared = [{"name": "<b>DNS</b> of the hour", "query": "port 53", "last": "1h"}]
    person.page.route(
        "**/api/v1/page", lambda route: route.fulfill(json={"cyberchef": None, "actions": [], "queries": shared})
    )
    person.open()
    person.page.get_by_label("Saved queries").select_option("<b>DNS</b> of the hour")
    expect(person.query).to_have_value("port 53")
    expect(person.field("From")).to_have_value("1h ago")
    expect(person.page.get_by_label("Remove a saved query")).to_have_count(0)


def test_several_jobs_at_once(visit: Visit, demo: Server) -> None:
    """Chosen by mouse or key, deleted together or hidden; hidden ones can be shown again."""
    for port in (7001, 7002, 7003):
        demo.finished(f"port {port}", note="several")
    person = visit(demo.url).open("?text=several")
    page = person.page
    expect(person.rows).to_have_count(3)
    person.row("port 7001").get_by_role("checkbox").check()
    person.row("port 7002").focus()
    page.keyboard.press("x")
    bar = page.get_by_role("group", name="Chosen jobs")
    expect(bar).to_contain_text("2 jobs chosen")
    assert faults_of(person) == []
    bar.get_by_role("button", name="Delete 2").click()
    page.get_by_role("dialog", name="Delete 2 results?").get_by_role("button", name="Delete").click()
    expect(person.row("Deleted")).to_have_count(2)
    person.row("port 7003").get_by_role("checkbox").check()
    bar.get_by_role("button", name="Hide").click()
    expect(person.rows).to_have_count(2)
    page.locator(".hidden-note").get_by_role("button", name="Show all").click()
    expect(person.rows).to_have_count(3)


def test_note_tags_and_case_are_written_afterwards(visit: Visit, demo: Server) -> None:
    """By anybody who sees the job; others see it at once, the list finds it, and the story says who wrote what."""
    job = demo.finished("port 22", note="who logged in?")
    person, other = visit(demo.url).open("jobs/" + job["id"]), visit(demo.url).open("jobs/" + job["id"])
    person.page.get_by_role("button", name="Edit note, tags, case").click()
    form = person.page.locator(".annotation")
    form.get_by_label("Note").fill("reviewed: <b>nothing</b>")
    form.get_by_label("Tags, with commas between").fill("ssh, reviewed")
    form.get_by_label("Case").fill("IR-2026-17")
    assert faults_of(person) == []
    form.get_by_role("button", name="Save").click()
    for one in (person, other):
        expect(one.fact("Question", "Note")).to_have_text("reviewed: <b>nothing</b>")
        expect(one.fact("Question", "Case")).to_have_text("IR-2026-17")
        expect(one.page.locator(".tag")).to_have_text(["ssh", "reviewed"])
        expect(one.page.locator(".story li").last).to_contain_text("Written on note “reviewed: <b>nothing</b>”")
    person.page.reload()
    expect(person.page.locator(".story li").last).to_contain_text("tags ssh, reviewed; case IR-2026-17")
    listed = visit(demo.url).open("?text=ir-2026-17")
    expect(listed.rows).to_have_count(1)
    expect(listed.rows.first).to_contain_text("IR-2026-17sshreviewed")


@pytest.fixture
def looking(visit: Visit, demo: Server) -> Person:
    """On the page of a job with some packets."""
    needs.program("tshark", "tshark")
    return look(visit(demo.url), demo.finished("tcp", after="1h"))


def test_columns_delta_marks_and_colours(looking: Person) -> None:
    """Chosen columns stay; the delta is that to the row above; marked packets can be filtered."""
    page = looking.page
    expect(lines(page).first).to_have_class(re.compile("rule-"))
    page.locator(".menu summary").click()
    page.get_by_label("Delta").check()
    page.get_by_label("Source", exact=True).uncheck()
    page.get_by_label("Colour rules").uncheck()
    page.locator(".menu summary").click()
    page.reload()
    head = page.get_by_role("grid", name="Packets").get_by_role("columnheader")
    expect(head).to_have_text(
        [
            re.compile(word)
            for word in ("No.", "Time", "Delta", "Recorded by", "Destination", "Protocol", "Length", "Info")
        ]
    )
    expect(lines(page).nth(1).locator(".is-delta")).to_have_text(re.compile(r"^\d+\.\d{6}$"))
    expect(lines(page).first).not_to_have_class(re.compile("rule-"))
    page.get_by_role("grid", name="Packets").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    expect(lines(page).nth(1)).to_have_class(re.compile("is-marked"))
    assert faults_of(looking) == []
    page.get_by_role("button", name="Marked 1").click()
    expect(shown(page)).to_contain_text("1 of ")


def test_bytes_are_copied_in_every_form(looking: Person, demo: Server) -> None:
    """The packet, or the selected field, as hex, base64, C and text; a tshark command; CyberChef if named."""
    page = looking.page
    lines(page).first.click()
    expect(page.locator(".hex-line").first).to_be_visible()
    job = page.url.partition("jobs/")[2].partition("?")[0]
    detail = demo.http.get(demo.url + f"api/v1/jobs/{job}/packets/1", timeout=60).json()
    whole = detail["bytes"][0]["hex"]

    def copied(what: str, form: str) -> str:
        page.get_by_label(f"Copy {what} as").select_option(form)
        expect(looking.toast(f"Copied {what}").last).to_be_visible()
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    assert copied("the packet", "hex") == whole
    assert base64.b64decode(copied("the packet", "base64")).hex() == whole
    assert re.sub(r"\s", "", copied("the packet", "spaced")) == whole
    assert "".join(re.findall(r"0x(..)", copied("the packet", "c"))) == whole
    assert "frame.number == 1" in copied("the packet", "tshark")
    page.locator(".hex-digits [data-at='26']").click()
    assert len(copied("the field", "hex")) == 8
    expect(page.get_by_role("link", name="CyberChef")).to_have_count(0)
    page.get_by_label("Copy the field as").select_option("chef")
    page.get_by_label("Address of CyberChef").fill("https://cyberchef.example/")
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="CyberChef")
    expect(link).to_have_attribute("href", re.compile(r"^https://cyberchef\.example/#input="))


def test_find_in_a_stream(looking: Person) -> None:
    """As text, regular expression or hex; each piece leads to its packet, a button to the next stream."""
    page = looking.page
    page.get_by_label("Display filter").fill("http.request")
    page.keyboard.press("Enter")
    lines(page).first.click()
    page.get_by_role("button", name="Follow TCP").click()
    stream = page.get_by_role("dialog", name="TCP stream")
    stream.get_by_label("Find in the stream").fill("host:")
    expect(stream.locator("mark").first).to_have_text(re.compile("host:", re.IGNORECASE))
    stream.get_by_label("Find as").select_option("regex")
    stream.get_by_label("Find in the stream").fill("HTTP/1\\.[01] \\d{3}")
    expect(stream.locator(".said.is-shown")).to_have_class(re.compile("said-by-1"))
    stream.get_by_label("Find as").select_option("hex")
    stream.get_by_label("Find in the stream").fill("47 45 54")
    expect(stream.locator("mark").first).to_have_text("474554")
    assert faults_of(looking) == []
    number = stream.locator(".said-packet").first.inner_text().partition(" ")[0].strip("#")
    stream.get_by_role("button", name="Next stream").click()
    expect(page).to_have_url(re.compile("follow=tcp-"))
    stream.get_by_role("button", name="Previous stream").click()
    stream.locator(".said-packet").first.click()
    expect(page.locator("#detail-title")).to_have_text(f"Packet {number}")
    expect(panel(page, "Packets")).to_be_in_viewport()


def test_find_in_packets(looking: Person) -> None:
    """Text, an expression or hex digits anywhere in a packet, of those that are shown; what is no hex is said."""
    page = looking.page
    show(page, "tcp.port == 80")
    expect(shown(page)).to_contain_text(" of ")
    box = page.get_by_label("Find in packets", exact=True)
    box.fill("get /")
    box.press("Enter")
    expect(page.get_by_label("Display filter")).to_have_value('(tcp.port == 80) and (frame matches "get /")')
    expect(lines(page).first).to_contain_text("GET /")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Find in packets as").select_option("regex")
    box.fill("HTTP/1\\.[01] \\d{3}")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(lines(page).first).to_contain_text("HTTP/1.")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Find in packets as").select_option("hex")
    box.fill("4745")
    box.press("Enter")
    expect(page.get_by_label("Display filter")).to_have_value("frame contains 47:45")
    expect(lines(page).first).to_be_visible()
    box.fill("4")
    box.press("Enter")
    expect(looking.toast("Hex digits come in pairs")).to_be_visible()
    assert faults_of(looking) == []


def test_files_are_taken_out(looking: Person, tmp_path: Path) -> None:
    """On request, in a table that leads to their packets; all of them in a zip with the usual password."""
    page = looking.page
    files = panel(page, "Files")
    files.get_by_role("button", name="Files").click()
    expect(files.locator("tbody tr").first).to_contain_text("HTTP")
    path = looking.download(files.get_by_role("link", name="All as zip"), tmp_path)
    archive = zipfile.ZipFile(path)
    assert len(archive.namelist()) == files.locator("tbody tr").count()
    assert archive.read(archive.namelist()[0], pwd=b"infected")
    assert faults_of(looking) == []
    link = files.locator("tbody tr .pick").first
    number = link.inner_text()
    link.click()
    expect(page.locator("#detail-title")).to_have_text(f"Packet {number}")
    expect(panel(page, "Packets")).to_be_in_viewport()


def test_conversations_are_sorted_searched_and_saved(looking: Person, tmp_path: Path) -> None:
    """All of them, whatever the summary lists; by address pair, and as CSV of what is found."""
    page = looking.page
    talks = panel(page, "Conversations")
    packets = talks.locator("tbody tr td:nth-child(7)")
    talks.get_by_role("button", name="Packets", exact=True).click()
    expect(talks.get_by_role("columnheader", name="Packets")).to_have_attribute("aria-sort", "descending")
    expect(packets.first).to_be_visible()
    page.wait_for_function(
        """() => { const all = [...document.querySelectorAll(".conversations td:nth-child(7)")]
             .map((cell) => Number(cell.textContent.replaceAll(",", "")));
           return all.length > 5 && all.every((value, at) => !at || value <= all[at - 1]); }"""
    )
    whole = talks.locator("#conversations-title .count").inner_text()
    talks.get_by_label("Search conversations").fill("198.51.100.20 443")
    expect(talks.locator("#conversations-title .count")).not_to_have_text(whole)
    path = looking.download(talks.get_by_role("link", name="CSV"), tmp_path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == int(talks.locator("#conversations-title .count").inner_text())
    assert all("443" in (row["a_port"], row["b_port"]) for row in rows)
    talks.get_by_role("button", name="By address pair").click()
    expect(talks.locator("tbody tr").first.locator(".ends").first).not_to_contain_text(":443")
    talks.locator("tbody tr .pick").first.click()
    expect(shown(page)).to_contain_text(" of ")


def test_dns_tls_and_http_are_counted(visit: Visit, demo: Server) -> None:
    """By domain, by fingerprint and by request; each value leads to its packets, and the rows are searched."""
    needs.program("tshark", "tshark")
    person = look(visit(demo.url), demo.finished())
    page = person.page
    section = panel(page, "DNS, TLS and HTTP")
    section.get_by_role("button", name="DNS, TLS and HTTP").click()
    expect(section.locator("tbody tr").first).to_contain_text("NOERROR")
    section.get_by_role("button", name="example.org", exact=True).click()
    expect(page.get_by_label("Display filter")).to_have_value(re.compile(r"^dns\.qry\.name matches"))
    expect(lines(page).first).to_contain_text("example.org")
    section.get_by_role("button", name=re.compile("^TLS connections")).click()
    fingerprint = section.get_by_role("button", name=re.compile(r"^t1[23]d\w+_\w{12}_\w{12}$")).first
    fingerprint.click()
    expect(page.get_by_label("Display filter")).to_have_value(re.compile(r"^tcp\.stream"))
    expect(lines(page).first).to_be_visible()
    section.get_by_role("button", name=re.compile("^HTTP requests")).click()
    section.get_by_label("Search DNS, TLS and HTTP").fill("404 get")
    expect(section.get_by_text(re.compile(r"^\d+ of \d+ rows$"))).to_be_visible()
    section.get_by_role("button", name="404").first.click()
    expect(page.get_by_label("Display filter")).to_have_value("http.response.code == 404")
    expect(lines(page).first).to_contain_text("404")
    assert faults_of(person) == []


def test_packets_are_decoded_as_something_else(visit: Visit, demo: Server) -> None:
    """A rule changes the list for everybody; what tshark does not know is said, and nothing changes."""
    needs.program("tshark", "tshark")
    person = look(visit(demo.url), demo.finished("port 53 and udp"))
    page = person.page
    expect(lines(page).first).to_contain_text("DNS")
    panel(page, "Packets").get_by_role("button", name="Dissection").click()
    dialog = page.get_by_role("dialog", name="Dissection")
    rules = dialog.get_by_label(re.compile("^Decode as"))
    rules.fill("udp.port==53,nonsense")
    dialog.get_by_role("button", name="Dissect").click()
    expect(dialog.get_by_role("alert")).to_contain_text("tshark does not know")
    rules.fill("udp.port==53,syslog")
    dialog.get_by_label(re.compile("^TLS key log")).fill("no key log")
    dialog.get_by_role("button", name="Dissect").click()
    expect(dialog.get_by_role("alert")).to_contain_text("line 1 is no line")
    assert faults_of(person) == []
    dialog.get_by_label(re.compile("^TLS key log")).fill("")
    dialog.get_by_role("button", name="Dissect").click()
    expect(dialog).to_have_count(0)
    expect(lines(page).first).to_contain_text("Syslog")


def test_rules_are_typed_once_those_set_are_known(visit: Visit, demo: Server) -> None:
    """What a slow server answers takes the place of nothing that was typed meanwhile."""
    needs.program("tshark", "tshark")
    person = look(visit(demo.url), demo.finished("port 53 and udp"))
    page = person.page
    held: list[Route] = []
    page.route("**/dissection", lambda route: held.append(route))
    with page.expect_request("**/dissection"):
        panel(page, "Packets").get_by_role("button", name="Dissection").click()
    dialog = page.get_by_role("dialog", name="Dissection")
    rules = dialog.get_by_label(re.compile("^Decode as"))
    rules.press_sequentially("udp.port==53,nonsense")
    expect(rules).not_to_be_editable()
    expect(rules).to_have_value("")
    held[0].continue_()
    rules.fill("udp.port==53,syslog")
    expect(dialog.get_by_role("button", name="Dissect")).to_be_enabled()
    expect(rules).to_have_value("udp.port==53,syslog")


def test_links_of_the_house_stand_beside_values(visit: Visit, demo: Server) -> None:
    """For each kind of value those that the configuration names, and a CyberChef; the value is part of the address."""
    needs.program("tshark", "tshark")
    person = visit(demo.url)
    actions = [
        {"name": "Assets", "for": ["address", "name"], "url": "https://assets.example/?q={value}"},
        {"name": "Hashes", "for": ["hash"], "url": "https://hashes.example/{value}"},
        {"name": "Ports", "for": ["port"], "url": "https://ports.example/{value}"},
    ]
    settings = {"cyberchef": "https://chef.example/", "actions": actions}
    person.page.route("**/api/v1/page", lambda route: route.fulfill(json=settings))
    page = look(person, demo.finished("tcp")).page
    talker = panel(page, "Top talkers").get_by_role("link", name="Assets").first
    expect(talker).to_have_attribute("href", re.compile(r"^https://assets\.example/\?q=[0-9a-f.%A-F]+$"))
    expect(talker).to_have_attribute("rel", "noopener noreferrer")
    expect(panel(page, "Names").get_by_role("link", name="Assets").first).to_be_visible()
    lines(page).first.click()
    expect(page.get_by_role("link", name="CyberChef")).to_have_attribute("href", re.compile("^https://chef.example/#"))
    page.locator(".hex-digits [data-at='26']").click()
    foot = page.locator(".detail-foot")
    expect(foot.get_by_role("link", name="Assets")).to_be_visible()
    page.locator(".hex-digits [data-at='34']").click()
    expect(foot.get_by_role("link", name="Ports")).to_have_attribute("href", re.compile(r"^https://ports.example/\d+$"))
    assert faults_of(person) == []
