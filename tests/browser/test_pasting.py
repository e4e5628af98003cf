"""Whatever somebody has at hand is pasted, and the form asks for it, with a window around it."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.page_driver import Person

ZEEK = "1795526520.482913\tCHhAvVGS1DHFjwGM9\t10.1.2.3\t51544\t198.51.100.20\t443\ttcp\tssl\t2.500000\t1021\t48213\tSF"
EVE = json.dumps(
    {
        "timestamp": "2026-11-24T14:02:00.482913+0000",
        "event_type": "alert",
        "src_ip": "10.1.2.3",
        "src_port": 51544,
        "dest_ip": "198.51.100.20",
        "dest_port": 443,
        "proto": "TCP",
        "alert": {"signature": "<script>alert(1)</script>"},
    }
)
FAST = (
    "11/24/2026-14:02:00.482913  [**] [1:2019401:9] ET MALWARE x [**] [Classification: A] [Priority: 1] "
    "{TCP} 10.1.2.3:51544 -> 198.51.100.20:443"
)
FLOW = "host 10.1.2.3 and host 198.51.100.20 and port 51544 and port 443 and tcp"

FORMS = {
    "Zeek conn record": (ZEEK, FLOW, "2026-11-24 "),
    "Suricata alert record": (EVE, FLOW, "2026-11-24 14:00:00"),
    "fast alert": (FAST, FLOW, "2026-11-24 14:00:00"),
    "connection": ("10.1.2.3:443 -> …", "host 10.1.2.3 and port 443", None),
    "link of the original Docket": (
        "https://rock01/app/docket/api/uri/host/10.1.2.3/port/80/after/2026-11-24T14:02:00Z/",
        "host 10.1.2.3 and port 80",
        "2026-11-24 14:02:00",
    ),
    "query": (
        "stenoread 'after 2026-11-24T14:02:00Z and (host 10.1.2.3 or port 53)' -w out.pcap",
        "(host 10.1.2.3 or port 53)",
        "2026-11-24 14:02:00",
    ),
}


@pytest.mark.parametrize("kind", FORMS)
def test_pasted_anywhere(person: Person, kind: str) -> None:
    """The query and the window are filled in; a message says from what, and can take it back."""
    text, query, begins = FORMS[kind]
    person.paste(text)
    expect(person.query).to_have_value(query)
    if begins is None:
        expect(person.field("From")).to_have_value("15m ago")
    else:
        expect(person.field("From")).to_have_value(re.compile("^" + begins))
    person.toast(f"Filled in from a {kind}").get_by_role("button", name="Undo").click()
    expect(person.query).to_have_value("")
    expect(person.field("From")).to_have_value("15m ago")


def test_dialog_shows_what_it_reads(person: Person) -> None:
    """From a record: what would be asked is shown before it is filled in."""
    person.page.get_by_role("button", name="From a record").click()
    dialog = person.page.get_by_role("dialog", name="Ask from a record")
    dialog.get_by_role("textbox").fill("no record at all")
    expect(dialog).to_contain_text("No address, net or query was found in this text.")
    expect(dialog.get_by_role("button", name="Fill in")).to_be_disabled()
    dialog.get_by_role("textbox").fill(EVE)
    expect(dialog.locator(".paste-found")).to_contain_text("Suricata alert record")
    dialog.get_by_role("button", name="Fill in").click()
    expect(dialog).to_have_count(0)
    expect(person.query).to_have_value(FLOW)
    expect(person.says).to_contain_text("10.1.2.3")


def test_a_part_pasted_into_a_text_is_only_a_part(person: Person) -> None:
    """An address that is pasted into a query under way does not replace the query."""
    person.page.evaluate("navigator.clipboard.writeText('10.1.2.3')")
    person.query.fill("port 53 and host ")
    for times in (1, 2):  # the second time what reads it is there already
        person.query.press("Control+End")
        person.page.keyboard.press("Control+v")
        expect(person.query).to_have_value("port 53 and host " + times * "10.1.2.3")


def test_text_without_a_question_is_answered(person: Person) -> None:
    """What names no packets says so, and fills in nothing."""
    person.paste("1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
    expect(person.toast("A community id is a hash of a flow")).to_be_visible()
    expect(person.query).to_have_value("")


def test_of_several_records_one_or_all(person: Person) -> None:
    """Pasted anywhere they open the dialog; one of them is chosen, or all."""
    person.paste(f"{FAST}\n{FAST.replace('10.1.2.3', '10.1.2.4')}")
    dialog = person.page.get_by_role("dialog", name="Ask from a record")
    dialog.get_by_role("radio").nth(2).check()
    expect(dialog.locator(".paste-found")).to_contain_text("host 10.1.2.4")
    dialog.get_by_role("radio", name="all 2").check()
    dialog.get_by_role("button", name="Fill in").click()
    expect(person.query).to_have_value(f"({FLOW}) or ({FLOW.replace('10.1.2.3', '10.1.2.4')})")
    expect(person.says.locator(".fault")).to_have_count(0)


def test_filter_of_wireshark(person: Person) -> None:
    """It is translated, and the sentence below says what it means."""
    person.paste("ip.addr == 10.1.2.3 && tcp.port == 443")
    expect(person.query).to_have_value("host 10.1.2.3 and port 443 and tcp")
    expect(person.says).to_contain_text("10.1.2.3")
