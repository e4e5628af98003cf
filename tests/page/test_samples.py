"""Sixty-seven pasted texts, from conn.log to a sentence: what is asked, when, and what is said of the rest."""

import pytest

from docket.domain.timewindow import parse_time_us
from tests.page.conftest import Call
from tests.page.kin import KIN
from tests.page.samples import SAMPLES, Sample

pytestmark = pytest.mark.browser

DAY = "2026-11-24"
NOW_US = parse_time_us(f"{DAY}T15:00:00Z", None)
CONTEXT = {"nowUs": NOW_US, "zone": "utc"}
WIDEST_US = 10 * 60 * 1_000_000


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_sample_becomes_one_question(call: Call, sample: Sample) -> None:
    """The query is that of the record, and the window holds its time without being wide."""
    answer = call("paste.js", "readAll", sample.text, CONTEXT)
    (record,) = answer["records"]
    assert record["text"] == sample.query
    if sample.at is None:
        assert record.get("when") is None
    else:
        at_us = parse_time_us(f"{DAY}T{sample.at}Z", None)
        when = record["when"]
        assert when["after"] <= at_us < when["before"] <= when["after"] + WIDEST_US


@pytest.mark.parametrize("sample", KIN, ids=[sample.name for sample in KIN])
def test_kin_of_the_samples(call: Call, sample: Sample) -> None:
    """The same records as other versions and other people write them: no port and no half of the day is lost."""
    records = call("paste.js", "readAll", sample.text, CONTEXT)["records"]
    assert [record["text"] for record in records] == [sample.query]
    if sample.at is not None:
        at_us = parse_time_us(f"{DAY}T{sample.at}Z", None)
        assert (
            records[0]["when"]["after"]
            <= at_us
            < records[0]["when"]["before"]
            <= records[0]["when"]["after"] + WIDEST_US
        )


def test_table_of_what_is_understood(call: Call) -> None:
    """At least 55 of 67 are right and none is silent; `pytest -s` shows the table."""
    right = 0
    for sample in SAMPLES:
        answer = call("paste.js", "readAll", sample.text, CONTEXT)
        texts = [record["text"] for record in answer["records"]]
        missed = [words for record in answer["records"] for words in record["missed"]]
        assert texts or answer["note"]
        right += texts == [sample.query]
        print(f"{sample.name:<32} {' | '.join(texts):<90} {'; '.join(missed) or answer['note']}")
    print(f"{right} of {len(SAMPLES)} right")
    assert right >= 55


def test_there_are_sixty_seven() -> None:
    """Each under a name of its own."""
    assert len({sample.name for sample in SAMPLES}) == 67


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello world", "No address"),
        ("1:LQU9qZlK+B5F3KDmev6m5PMibrg=", "community id is a hash"),
        ("https://evil.example/x", "look up the address of evil.example"),
        ("15:04:05 on 12 May", "No address"),
        ('{"a": 1}', "No address"),
        ("tcp.stream eq 5", "No address"),
        ("10.1.2.3-10.1.2.9", "range of addresses"),
    ],
)
def test_text_without_a_question_says_why(call: Call, text: str, words: str) -> None:
    """Nothing that is pasted is passed over in silence."""
    answer = call("paste.js", "readAll", text, CONTEXT)
    assert answer["records"] == []
    assert words in answer["note"]


def test_what_is_not_used_is_named(call: Call) -> None:
    """A time without a zone, a word that sources cannot filter by, further addresses."""
    line = "2026-11-24 14:02:11 10.1.2.3:51544 -> 198.51.100.20:443 via 10.9.9.9"
    (record,) = call("paste.js", "readAll", line, CONTEXT)["records"]
    assert any("names no zone: read as UTC" in text for text in record["missed"])
    assert any("1 more end" in text for text in record["missed"])
    (record,) = call("paste.js", "readAll", 'ip.addr == 10.1.2.3 && http.host contains "x"', CONTEXT)["records"]
    assert record["text"] == "host 10.1.2.3"
    assert any("http.host" in text for text in record["missed"])


def test_several_records_are_one_question_if_wanted(call: Call) -> None:
    """Each line is a record; all of them are asked as alternatives over a window that holds all times."""
    text = "14:02:11 10.1.2.3:1024 -> 10.9.8.7:443\n14:20:00 10.1.2.4:1025 -> 10.9.8.7:443"
    records = call("paste.js", "readAll", text, CONTEXT)["records"]
    assert [record["text"] for record in records] == [
        "host 10.1.2.3 and host 10.9.8.7 and port 1024 and port 443",
        "host 10.1.2.4 and host 10.9.8.7 and port 1025 and port 443",
    ]
    together = call("paste.js", "anyOf", records)
    assert together["text"] == " or ".join(f"({record['text']})" for record in records)
    assert together["when"] == {"after": records[0]["when"]["after"], "before": records[1]["when"]["before"]}


def test_address_beside_a_link_is_a_record_of_its_own(call: Call) -> None:
    """As in a letter that names both; in the log of a proxy they are the two ends of one connection."""
    letter = "please check 198[.]51[.]100[.]20 and hxxp://203.0.113[.]7:8080/x"
    records = call("paste.js", "readAll", letter, CONTEXT)["records"]
    assert [record["text"] for record in records] == ["host 203.0.113.7 and port 8080", "host 198.51.100.20"]
    proxy = f"{DAY} 14:02:11 10.1.2.3 TCP_MISS/200 GET http://203.0.113.7:8080/x"
    (record,) = call("paste.js", "readAll", proxy, CONTEXT)["records"]
    assert record["text"] == "host 10.1.2.3 and host 203.0.113.7 and port 8080"


def test_filter_that_cannot_be_said_asks_for_all_its_addresses(call: Call) -> None:
    """Its conditions are never made narrower in silence: an "or" does not become an "and"."""
    text = 'ip.addr == 10.1.2.3 || (ip.addr == 10.9.8.7 && http.host contains "x")'
    (record,) = call("paste.js", "readAll", text, CONTEXT)["records"]
    assert record["text"] == "host 10.1.2.3 or host 10.9.8.7"
    assert any("cannot be asked of a source as they stand" in words for words in record["missed"])
