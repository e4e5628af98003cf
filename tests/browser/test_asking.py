"""Writing a question: fields and text in step, faults at their place, time in every form."""

import re
import time

from playwright.sync_api import Page, expect

from docket.domain.timewindow import format_us, parse_time_us
from tests.browser.conftest import Visit
from tests.browser.held_answers import START, START_US, Held
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.services.waiting import wait_until

MINUTE_US = 60_000_000

COUNTED = re.compile(r"(Exactly [\d,]+ packets? \(.+\) in|No packet in any of) \d+ (of \d+ )?files\.")


def newest(server: Server, query: str) -> dict[str, str]:
    """The newest job with this query, as soon as there is one."""
    found = wait_until(lambda: [job for job in server.jobs() if job["query"] == query], f"a job for {query!r}")
    job: dict[str, str] = found[0]
    return job


def test_fields_become_text_and_text_becomes_fields(person: Person) -> None:
    """Both ways, while typing; the sentence below says what it means."""
    hosts = person.field("Hosts")
    hosts.fill("10.1.2.3")
    hosts.press("Enter")
    person.field("Ports").fill("53,")
    person.field("Ports").press("Enter")
    person.field("Protocol").select_option("udp")
    expect(person.query).to_have_value("host 10.1.2.3 and port 53 and udp")
    expect(person.says).to_contain_text("10.1.2.3")

    person.query.fill("host 2001:db8::1 and (port 80 or port 443) and vlan 7")
    expect(person.page.locator(".field.is-vlan .chip")).to_have_count(1)
    assert [person.chips(kind) for kind in ("host", "port", "vlan")] == [["2001:db8::1"], ["80", "443"], ["7"]]
    expect(person.page.get_by_role("button", name="Ports: any of them; change")).to_be_visible()
    person.page.get_by_role("button", name="Remove Ports 80").click()
    expect(person.query).to_have_value("host 2001:db8::1 and port 443 and vlan 7")


def test_many_values_come_in_by_one_paste(person: Person) -> None:
    """A pasted list becomes one chip each, and any of them is meant."""
    person.paste("10.1.2.3, 10.1.2.4\n10.1.2.5", ".field.is-host input")
    expect(person.query).to_have_value("host 10.1.2.3 or host 10.1.2.4 or host 10.1.2.5")
    assert person.chips("host") == ["10.1.2.3", "10.1.2.4", "10.1.2.5"]


def test_text_that_fields_cannot_say_is_kept(person: Person) -> None:
    """The fields rest, the text is asked as it stands."""
    person.query.fill("(host 10.1.2.3 and port 53) or icmp")
    expect(person.page.locator(".fields-hint")).to_be_visible()
    expect(person.field("Hosts")).to_be_disabled()
    expect(person.says).to_contain_text("ICMP")
    expect(person.ask_button).to_be_enabled()


def test_a_filter_of_another_program_is_read(person: Person) -> None:
    """The sentence says in plain words what Wireshark's text means here, and a hint when nothing can match."""
    person.query.fill("ip.src == 10.1.2.3 && !(tcp.port == 443)")
    expect(person.says).to_contain_text("Packets from 10.1.2.3, but not with TCP port 443.")
    expect(person.ask_button).to_be_enabled()
    person.query.fill("tcp and udp")
    expect(person.says).to_contain_text("nothing can match")


def test_a_fault_offers_the_right_text(person: Person) -> None:
    """One click takes it over."""
    person.query.fill("host 10.1.2.3 port 80,443")
    person.page.get_by_role("button", name="Use host 10.1.2.3 and port 80,443").click()
    expect(person.query).to_have_value("host 10.1.2.3 and port 80,443")
    person.page.get_by_role("button", name="Use host 10.1.2.3 and (port 80 or port 443)").click()
    expect(person.query).to_have_value("host 10.1.2.3 and (port 80 or port 443)")
    expect(person.ask_button).to_be_enabled()


def test_fault_is_marked_at_its_place_while_typing(person: Person) -> None:
    """The wrong word is underlined, named, and gone to by one click; the question cannot be asked."""
    person.query.press_sequentially("host 10.1.2.3 and prot 53")
    expect(person.page.locator(".query-marks mark")).to_have_text(["prot"])
    expect(person.says).to_contain_text("at character 19")
    expect(person.query).to_have_attribute("aria-invalid", "true")
    expect(person.ask_button).to_be_disabled()
    person.page.get_by_role("button", name="at character 19").click()
    assert person.page.evaluate("getSelection().toString()") == "prot"
    person.page.keyboard.type("port")
    expect(person.page.locator(".query-marks mark")).to_have_count(0)
    expect(person.ask_button).to_be_enabled()


def test_every_fault_is_told_at_once(person: Person) -> None:
    """Two wrong values, two marks, two sentences; wrong chips are marked as well."""
    person.query.fill("host 10.1.2.300 and port 99999")
    expect(person.page.locator(".query-marks mark")).to_have_text(["10.1.2.300", "99999"])
    expect(person.says.locator(".fault")).to_have_count(2)
    expect(person.page.locator(".chip.is-faulty")).to_have_count(2)


def test_asked_with_fields_is_answered(person: Person, demo: Server) -> None:
    """Fields, a quick range, one source, a limit and a note reach the job as they were set."""
    person.last("1 h")
    person.field("Ports").fill("53")
    person.field("Ports").press("Enter")
    person.page.locator(".tick-row", has_text="demo:em2").click()
    person.page.get_by_role("button", name="Limits, deadline, note").click()
    person.field("Packet limit").fill("1,000")
    person.field("Deadline").fill("5m")
    person.field("Note").fill("ticket 4711")
    person.ask_button.click()
    expect(person.toast("Asked.")).to_be_visible()
    expect(person.row("ticket 4711")).to_contain_text("Complete")
    job = demo.job(newest(demo, "port 53")["id"])
    assert [source["name"] for source in job["sources"]] == ["demo:em1"]
    assert (job["limits"]["packets"], job["note"], job["packets"] > 100) == (1_000, "ticket 4711", True)
    assert parse_time_us(job["before"], None) - parse_time_us(job["after"], None) == 60 * MINUTE_US
    assert parse_time_us(job["deadline"], None) - parse_time_us(job["created_at"], None) == 5 * MINUTE_US


def test_the_same_question_again_is_the_same_job(person: Person) -> None:
    """Who asks twice is led to the job that is there already."""
    begin_s = int(time.time()) - 1800
    for word in ("Asked.", "This was asked already"):
        person.field("From").fill(str(begin_s))
        person.field("To").fill(str(begin_s + 300))
        person.query.fill("port 4711")
        person.ask_button.click()
        expect(person.toast(word)).to_be_visible()
    expect(person.row("port 4711")).to_have_count(1)


def test_faults_that_only_asking_shows_stand_at_their_fields(person: Person) -> None:
    """Nothing is sent; each fault is told beside its field."""
    person.page.get_by_role("button", name="Limits, deadline, note").click()
    person.field("Byte limit").fill("a lot")
    person.field("Deadline").fill("soon")
    person.ask_button.click()
    expect(person.page.locator(".more-fields .fault")).to_have_text(
        [re.compile("byte limit is a size"), re.compile("deadline is a duration")]
    )
    expect(person.field("Byte limit")).to_have_attribute("aria-invalid", "true")


def test_zone_is_shown_and_remembered(visit: Visit, demo: Server) -> None:
    """Times are written in the zone that was chosen, and read in it, also after a reload."""
    person = visit(demo.url, timezone_id="Europe/Berlin").open()
    person.field("From").fill("2026-01-15 10:00:00")
    person.field("To").fill("2026-01-15 10:30:00")
    person.page.get_by_role("button", name="Local").click()
    expect(person.field("From")).to_have_value("2026-01-15 11:00:00")
    expect(person.page.locator(".window-length")).to_have_text("30 min UTC+01:00")
    person.page.reload()
    expect(person.field("From")).to_have_value("2026-01-15 11:00:00")
    person.field("From").fill("2026-01-15 11:15")
    person.query.fill("port 4712")
    person.ask_button.click()
    job = newest(demo, "port 4712")
    assert (job["after"], job["before"]) == ("2026-01-15T10:15:00.000000Z", "2026-01-15T10:30:00.000000Z")


def test_day_is_picked_by_keyboard(person: Person) -> None:
    """Arrows, Page Up, Home and Enter; Escape changes nothing; the keyboard comes back to the button."""
    person.field("From").fill("2026-03-31 08:15:00")
    person.field("To").fill("2026-04-30 09:00:00")
    button = person.page.get_by_role("button", name="From: choose a day")
    button.press("Enter")
    calendar = person.page.get_by_role("dialog", name="From: choose a day")
    expect(calendar.get_by_role("button", name="31 March 2026")).to_be_focused()
    person.page.keyboard.press("PageUp")
    expect(calendar.get_by_role("button", name="28 February 2026")).to_be_focused()
    person.page.keyboard.press("Home")
    person.page.keyboard.press("ArrowDown")
    expect(calendar.get_by_role("button", name="2 March 2026", exact=True)).to_be_focused()
    person.page.keyboard.press("Enter")
    expect(calendar).to_have_count(0)
    expect(person.field("From")).to_have_value("2026-03-02 08:15:00")
    expect(button).to_be_focused()
    button.press("Enter")
    person.page.keyboard.press("ArrowLeft")
    person.page.keyboard.press("Escape")
    expect(person.field("From")).to_have_value("2026-03-02 08:15:00")


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the timeline, from one part of its width to another."""
    box = page.locator(".selection").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 20, steps=5)
    page.mouse.up()


def test_window_is_drawn_on_the_timeline(person: Person) -> None:
    """Dragging draws a window, keys move its edges, and the fields say the same."""
    person.last("1 h")
    drag(person.page, 0.05, 0.2)
    expect(person.page.get_by_role("button", name="Last 1 h")).to_have_attribute("aria-pressed", "false")
    begins = person.page.get_by_role("slider", name="Window begins")
    before = int(begins.get_attribute("aria-valuenow") or 0)
    begins.press("ArrowRight")
    expect(begins).not_to_have_attribute("aria-valuenow", str(before))
    text = begins.get_attribute("aria-valuetext")
    assert text is not None
    expect(person.field("From")).to_have_value(text)


def test_coverage_is_told_before_asking(person: Person) -> None:
    """Each source says what it has of the window."""
    person.last("7 d")
    expect(person.page.locator(".tick-row", has_text="demo:em1")).to_contain_text("Has packets from")
    person.field("From").fill("2020-01-01")
    person.field("To").fill("2020-01-02")
    expect(person.page.locator(".tick-row", has_text="demo:em1")).to_contain_text("older than its oldest packet")


def test_estimate_stands_beside_the_button(person: Person) -> None:
    """What the indexes of the captures count, before anything is asked."""
    person.last("1 h")
    person.query.fill("tcp and host 10.1.2.4")
    expect(person.page.locator(".estimate")).to_have_text(COUNTED, timeout=30_000)


def test_far_too_much_is_asked_only_on_insisting(visit: Visit, held: Held) -> None:
    """Above what a job may have, a dialog says how much it may be; Back changes nothing."""
    held.release()
    held.finished()
    person = visit(held.server.url).open()
    person.field("From").fill(START)
    person.field("To").fill(format_us(START_US + 120 * MINUTE_US))
    person.query.fill("udp")
    expect(person.page.locator(".estimate")).to_contain_text("MB in")
    person.ask_button.click()
    dialog = person.page.get_by_role("dialog", name="Really so much?")
    expect(dialog).to_contain_text("a job ends at 50 MB")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_have_count(0)
    expect(person.query).to_have_value("udp")
    person.ask_button.click()
    dialog.get_by_role("button", name="Ask all the same").click()
    expect(person.toast("Asked.")).to_be_visible()
    expect(person.rows.first).to_contain_text("2 h")


def test_draft_outlives_a_change_of_page(person: Person) -> None:
    """What was half written is still there on coming back, and after a reload; Clear can be undone."""
    person.query.fill("host 10.1.2.3 and")
    person.page.get_by_role("link", name="Sources").click()
    person.page.go_back()
    expect(person.query).to_have_value("host 10.1.2.3 and")
    person.page.reload()
    expect(person.query).to_have_value("host 10.1.2.3 and")
    person.page.get_by_role("button", name="Clear").click()
    expect(person.query).to_have_value("")
    person.toast("The form is empty.").get_by_role("button", name="Undo").click()
    expect(person.query).to_have_value("host 10.1.2.3 and")


def test_not_and_direction_by_chips(person: Person) -> None:
    """A press negates a value or binds it to one side; text, chips and the sentence say the same."""
    page = person.page
    person.query.fill("host 10.1.2.3 and port 443")
    page.get_by_role("button", name="Hosts 10.1.2.3: either side").click()
    expect(person.query).to_have_value("src host 10.1.2.3 and port 443")
    page.get_by_role("button", name="Ports 443: not").click()
    expect(person.query).to_have_value("src host 10.1.2.3 and not port 443")
    expect(person.says.locator(".fault")).to_have_count(0)
    expect(person.says).to_contain_text(re.compile("not", re.IGNORECASE))
    person.query.fill("dst port 53 and not host 10.9.9.9")
    expect(page.get_by_role("button", name="Ports 53: destination")).to_be_visible()
    expect(page.get_by_role("button", name="Hosts 10.9.9.9: not")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Ports 53: destination").click()
    expect(person.query).to_have_value("not host 10.9.9.9 and port 53")


def test_direction_of_a_pasted_filter(person: Person) -> None:
    """A filter of Wireshark with sides and a negation becomes chips."""
    person.paste("ip.src == 10.1.2.3 && tcp.dstport == 443 && !(ip.addr == 10.9.9.9)")
    expect(person.query).to_have_value("src host 10.1.2.3 and dst port 443 and tcp and not host 10.9.9.9")
    expect(person.says.locator(".fault")).to_have_count(0)
    assert person.chips("host") == ["10.1.2.3", "10.9.9.9"]
