"""Whatever an analyst has at hand becomes a question: one row per form that people paste."""

import msgspec
import pytest

from docket.domain.timewindow import format_us, parse_time_us
from tests.page.conftest import Call

pytestmark = pytest.mark.browser

NOW_US = parse_time_us("2026-11-24T15:00:00Z", None)
FLOW = "host 10.1.2.3 and host 93.184.216.34 and port 51544 and port 443"
AROUND = ("2026-11-24T14:00:11", "2026-11-24T14:04:12")

ZEEK = "1795528931.123456\tCHhAvVGS1DHFjwGM9\t10.1.2.3\t51544\t93.184.216.34\t443"
EVE = {
    "timestamp": "2026-11-24T14:02:11.123456+0000",
    "event_type": "alert",
    "src_ip": "10.1.2.3",
    "src_port": 51544,
    "dest_ip": "93.184.216.34",
    "dest_port": 443,
    "proto": "TCP",
}
ELASTIC = {
    "@timestamp": "2026-11-24T14:02:11.123Z",
    "source": {"ip": "10.1.2.3", "port": 51544},
    "destination.ip": "93.184.216.34",
    "destination": {"port": 443},
    "network": {"transport": "udp"},
}


def _json(record: object) -> str:
    return msgspec.json.encode(record).decode()


FORMS = [
    ("zeek-conn", f"{ZEEK}\ttcp\tssl\t12.5\t500", f"{FLOW} and tcp", ("2026-11-24T14:01:11", "2026-11-24T14:03:24")),
    ("zeek-spaces", ZEEK.replace("\t", "  ") + " tcp - -", f"{FLOW} and tcp", AROUND),
    ("zeek-other-log", f"{ZEEK}\t1\tGET", FLOW, AROUND),
    (
        "zeek-named-columns",
        "#fields\tts\tuid\tid.resp_h\tid.resp_p\tid.orig_h\tid.orig_p\n"
        "1795528931.123456\tCHhAvVGS1DHFjwGM9\t93.184.216.34\t443\t10.1.2.3\t51544",
        FLOW,
        AROUND,
    ),
    (
        "zeek-json-icmp",
        _json({"ts": 1795528931.12, "id.orig_h": "10.1.2.3", "id.orig_p": 8, "id.resp_h": "10.1.2.4", "proto": "icmp"}),
        "host 10.1.2.3 and host 10.1.2.4 and icmp",
        AROUND,
    ),
    ("suricata", _json(EVE), f"{FLOW} and tcp", AROUND),
    (
        "suricata-flow",
        _json(EVE | {"flow": {"start": "2026-11-24T14:01:00.000000+0000"}}),
        f"{FLOW} and tcp",
        ("2026-11-24T14:00:00", "2026-11-24T14:03:12"),
    ),
    (
        "suricata-icmp6",
        _json(EVE | {"src_ip": "2001:DB8::1", "dest_ip": "2001:db8::2", "proto": "IPv6-ICMP"}),
        "host 2001:db8::1 and host 2001:db8::2 and icmp6",
        AROUND,
    ),
    ("elastic", _json({"_source": ELASTIC}), f"{FLOW} and udp", AROUND),
    (
        "snort",
        "11/24-14:02:11.123456  [**] [1:2013028:4] ET curl [**] {TCP} 10.1.2.3:51544 -> 93.184.216.34:443",
        f"{FLOW} and tcp",
        AROUND,
    ),
    (
        "snort-last-year",
        "12/24-14:02:11.123456  [**] [1:2:4] x [**] {ICMP} 10.1.2.3 -> 10.1.2.4",
        "host 10.1.2.3 and host 10.1.2.4 and icmp",
        ("2025-12-24T14:00:11", "2025-12-24T14:04:12"),
    ),
    (
        "suricata-fast-v6",
        "11/24/2026-14:02:11.123456  [**] [1:2:4] x [**] {UDP} 2001:db8::1:53 -> 2001:db8::2:5353",
        "host 2001:db8::1 and host 2001:db8::2 and port 53 and port 5353 and udp",
        AROUND,
    ),
    ("arrow", "10.1.2.3:51544 -> 93.184.216.34:443", FLOW, None),
    ("arrow-open", "10.1.2.3:443 -> …", "host 10.1.2.3 and port 443", None),
    ("arrow-hosts", "10.1.2.3 → 10.9.8.7", "host 10.1.2.3 and host 10.9.8.7", None),
    (
        "arrow-v6",
        "[2001:db8::1]:443 -> [2001:db8::2]:50000",
        "host 2001:db8::1 and host 2001:db8::2 and port 443 and port 50000",
        None,
    ),
    ("tcpdump", "14:02:11.1 IP 10.1.2.3.51544 > 93.184.216.34.443: Flags [S], seq 1", FLOW, None),
    (
        "arrow-with-time",
        "2026-11-24T14:02:11Z TCP 10.1.2.3 51544 -> 93.184.216.34 443",
        f"{FLOW} and tcp",
        ("2026-11-24T14:00:11", "2026-11-24T14:04:11"),
    ),
    (
        "original-link",
        "https://rock/app/docket/api/uri/host/10.1.2.3/port/51544/host/93.184.216.34/port/443/after/2026-11-24T14:02:11Z/",
        "host 10.1.2.3 and port 51544 and host 93.184.216.34 and port 443",
        ("2026-11-24T14:02:11", "2026-11-24T14:12:11"),
    ),
    ("original-path", "/uri/net/10.1.0.0/16/udp/after/3m/", "net 10.1.0.0/16 and udp", "3m"),
    ("stenographer", "host 10.1.2.3 and port 80 and after 3h ago", "host 10.1.2.3 and port 80", "3h"),
    (
        "stenographer-window",
        "after 2026-11-24T14:00:00Z and before 2026-11-24T14:05:00Z and (host 10.1.2.3 or host 10.1.2.4)",
        "(host 10.1.2.3 or host 10.1.2.4)",
        ("2026-11-24T14:00:00", "2026-11-24T14:05:00"),
    ),
    ("stenoread", "stenoread 'host 10.1.2.3 and after 5m ago' -w x.pcap", "host 10.1.2.3", "5m"),
    ("address", "10.1.2.3", "host 10.1.2.3", None),
    ("list", "10.1.2.3, 10.1.2.4\n10.1.2.5", "host 10.1.2.3 or host 10.1.2.4 or host 10.1.2.5", None),
    ("several-records", "seen today:\n10.1.2.3:51544 -> 93.184.216.34:443\n10.1.2.4 -> 10.1.2.5", FLOW, None),
]


@pytest.mark.parametrize(("text", "query", "when"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_pasted_text_becomes_a_question(call: Call, text: str, query: str, when: tuple[str, str] | str | None) -> None:
    """The query is that of the record, and the window lies around it."""
    found = call("paste.js", "readPasted", text, {"nowUs": NOW_US, "zone": "utc"})
    told = found.get("when")
    if isinstance(when, tuple):
        assert (format_us(told["after"])[:19], format_us(told["before"])[:19]) == when
    else:
        assert (told or {}).get("last") == when
    assert found["text"] == query


@pytest.mark.parametrize(
    "text",
    ["", "hello world", '{"a": 1}', "{", "<script>alert(1)</script>", "999.1.2.3", "[**] -> [**]", "1795528931.1\tx"],
)
def test_other_text_is_nothing(call: Call, text: str) -> None:
    """What names no packets fills in nothing."""
    assert call("paste.js", "readPasted", text, {"nowUs": NOW_US, "zone": "utc"}) is None


def test_alert_without_zone_is_read_in_the_zone_of_the_page(call: Call) -> None:
    """14:02 in Berlin in November is 13:02 UTC."""
    line = "11/24/2026-14:02:11.0  [**] [1:2:4] x [**] {TCP} 10.1.2.3:1 -> 10.1.2.4:2"
    found = call("paste.js", "readPasted", line, {"nowUs": NOW_US, "zone": "local"})
    assert format_us(found["when"]["after"])[:19] == "2026-11-24T13:00:11"
