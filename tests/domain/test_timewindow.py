"""Times, durations and windows: what is read, what is refused, and that no microsecond is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docket.domain.timewindow import (
    US_PER_S,
    Window,
    format_human,
    format_length,
    format_us,
    make_window,
    parse_duration_us,
    parse_time_us,
)
from docket.errors import InvalidRequest

NOON_US = 1_795_521_600_000_000
"""2026-11-24T12:00:00Z."""
MINUTE_US = 60 * US_PER_S
DAY_US = 86_400 * US_PER_S
CASES = 4_000


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90s", 90_000_000),
        ("15m", 900_000_000),
        ("3h30m", 12_600_000_000),
        ("3.5h", 12_600_000_000),
        ("2w1d", 15 * DAY_US),
        ("2d", 2 * DAY_US),
        ("250ms", 250_000),
        ("7us", 7),
        ("7µs", 7),
        ("1m1ms", 60_001_000),
        ("0.1s", 100_000),
        ("0.0000019s", 1),
        ("1.s", 1_000_000),
        ("3H 30M", 12_600_000_000),
        (" 5m ", 300_000_000),
        ("0s", 0),
        ("007s", 7_000_000),
    ],
)
def test_a_duration_is_read_exactly(text: str, us: int) -> None:
    """Units add up, fractions are exact, case and spaces do not matter."""
    assert parse_duration_us(text) == us


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "m",
        "5x",
        "5min",
        "-5m",
        "+5m",
        "5m-",
        "1e3s",
        "٣h",
        "5ſ",
        "1h\0",
        "1..5h",
        ".5h",
        "5 5m",
        "9" * 5000 + "s",
    ],
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    """With a sentence, and without reading thousands of digits."""
    with pytest.raises(ValueError, match=r"is not a duration|longer than any window"):
        parse_duration_us(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-24T14:02:00Z", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24t14:02:00z", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24 14:02:00Z", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24 14:02:00", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24T14:02", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000000Z"),
        ("2026-11-24T14:02:00+02:00", "2026-11-24T12:02:00.000000Z"),
        ("2026-11-24T14:02:00-0330", "2026-11-24T17:32:00.000000Z"),
        ("2026-11-24T00:30:00+05:45", "2026-11-23T18:45:00.000000Z"),
        ("2026-11-24T14:02:00.5Z", "2026-11-24T14:02:00.500000Z"),
        ("2026-11-24T14:02:00.000001Z", "2026-11-24T14:02:00.000001Z"),
        ("2026-11-24T14:02:00.9999999Z", "2026-11-24T14:02:00.999999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
        ("  2026-11-24  ", "2026-11-24T00:00:00.000000Z"),
        ("15m", "2026-11-24T11:45:00.000000Z"),
        ("1d12h", "2026-11-23T00:00:00.000000Z"),
        ("1us", "2026-11-24T11:59:59.999999Z"),
    ],
)
def test_a_time_is_read_to_the_microsecond(text: str, written: str) -> None:
    """RFC 3339 with every offset, dates, times without offset as UTC, and durations back from the moment given."""
    assert format_us(parse_time_us(text, NOON_US)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1700000000",
        "2026-13-01",
        "2026-02-30",
        "2026-11-24T24:00:00Z",
        "2026-11-24T14:60:00Z",
        "2026-11-24T14:02:61Z",
        "2026-11-24T14:02:00+24:00",
        "2026-11-24T14:02:00+01:60",
        "2026-11-24T14:02:00 UTC",
        "2026-11-24Z",
        "24.11.2026",
        "٢٠٢٦-11-24",
        "2026-11-24T14:02:00Z\0",
        "0000-01-01",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "5000w5000w5000w1000000d",
        "9" * 5000 + "d",
        "\ud800",
    ],
)
def test_what_is_not_a_time_is_refused(text: str) -> None:
    """Also a time that RFC 3339 could not write."""
    with pytest.raises(ValueError, match=r"'.* (is not|there is no|lies outside|longer than)|there is no such|''"):
        parse_time_us(text, NOON_US)


def test_a_duration_needs_a_moment_to_count_from() -> None:
    """There is no clock in here."""
    with pytest.raises(ValueError, match="moment of asking"):
        parse_time_us("15m", None)


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
@settings(max_examples=CASES, deadline=None, database=None)
def test_a_written_time_is_read_as_the_same_microsecond(us: int) -> None:
    """From the year 1 to the year 9999."""
    assert parse_time_us(format_us(us), None) == us


@given(st.text(max_size=30) | st.text("0123456789-:TZ+. hmsduw\u0660\0", max_size=30))
@settings(max_examples=CASES, deadline=None, database=None)
def test_any_text_is_a_time_that_can_be_written_or_a_value_error(text: str) -> None:
    """No input ends in another exception, now or when the time is shown."""
    try:
        us = parse_time_us(text, NOON_US)
    except ValueError:
        return
    assert parse_time_us(format_us(us), None) == us


@pytest.mark.parametrize("us", [-62_135_596_800_000_001, 253_402_300_800_000_000, 10**30])
def test_a_time_that_cannot_be_written_is_a_value_error(us: int) -> None:
    """And not an overflow."""
    with pytest.raises(ValueError, match="years 1 to 9999"):
        format_us(us)


def test_a_time_for_people_has_a_space_and_says_utc() -> None:
    """As in the sentences of verdicts."""
    assert format_human(NOON_US + 999_999) == "2026-11-24 12:00:00 UTC"


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (0, "0 s"),
        (1, "0.000001 s"),
        (1_500_000, "1.5 s"),
        (59_000_000, "59 s"),
        (MINUTE_US, "1 min"),
        (130 * MINUTE_US, "2 h 10 min"),
        (DAY_US + MINUTE_US, "1 d 1 min"),
        (DAY_US + 61 * MINUTE_US, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(us: int, words: str) -> None:
    """Short enough for a sentence."""
    assert format_length(us) == words


def test_a_window_holds_its_first_instant_and_not_its_last() -> None:
    """So two windows that touch share no packet and miss none."""
    window = Window(NOON_US, NOON_US + 2)
    assert [window.contains(NOON_US + step) for step in (-1, 0, 1, 2)] == [False, True, True, False]
    assert window.length_us == 2


def test_a_window_says_every_digit_that_matters() -> None:
    """Its sentence is exact."""
    window = Window(NOON_US, NOON_US + 8 * MINUTE_US + 1)
    assert window.sentence() == "from 2026-11-24 12:00:00 UTC until just before 2026-11-24 12:08:00.000001 UTC, 8 min"


@pytest.mark.parametrize(
    ("after", "before", "window"),
    [
        (None, None, Window(NOON_US - DAY_US, NOON_US)),
        ("", " ", Window(NOON_US - DAY_US, NOON_US)),
        ("15m", None, Window(NOON_US - 15 * MINUTE_US, NOON_US)),
        ("15m", "5m", Window(NOON_US - 15 * MINUTE_US, NOON_US - 5 * MINUTE_US)),
        (None, "5m", Window(NOON_US - 5 * MINUTE_US - DAY_US, NOON_US - 5 * MINUTE_US)),
        ("2026-11-24T11:00:00Z", "2026-11-24T14:00:00+02:00", Window(NOON_US - 60 * MINUTE_US, NOON_US)),
        ("2026-11-24T12:00:00.000001Z", "2026-11-24T12:00:00.000002Z", Window(NOON_US + 1, NOON_US + 2)),
    ],
)
def test_a_window_is_made_of_what_was_said(after: str | None, before: str | None, window: Window) -> None:
    """The end is now and the length is the default where nothing was said."""
    assert make_window(after, before, NOON_US, DAY_US) == window


@pytest.mark.parametrize(
    ("after", "before", "faults"),
    [
        ("5m", "5m", [("empty-window", "before")]),
        ("5m", "15m", [("reversed-window", "before")]),
        ("1970-01-01", None, [("absurd-time", "after"), ("absurd-window", "after")]),
        (
            "1989-12-31",
            "1989-12-30",
            [("absurd-time", "before"), ("absurd-time", "after"), ("reversed-window", "before")],
        ),
        (None, "2037-01-01", [("absurd-time", "before")]),
        ("1990-01-01", "2036-01-01", []),
        ("soon", "never", [("bad-time", "before"), ("bad-time", "after")]),
        ("soon", None, [("bad-time", "after")]),
        ("5m", "never", [("bad-time", "before")]),
    ],
)
def test_a_window_with_faults_names_all_of_them(after: str, before: str, faults: list[tuple[str, str]]) -> None:
    """Each with the field that has to be mended."""
    if not faults:
        assert make_window(after, before, NOON_US, DAY_US).length_us > 0
        return
    with pytest.raises(InvalidRequest) as caught:
        make_window(after, before, NOON_US, DAY_US)
    assert [(fault.code, fault.field) for fault in caught.value.faults] == faults


@pytest.mark.parametrize(
    ("after", "before", "faults"),
    [
        (None, None, [("missing-time", "before")]),
        ("2026-11-24", None, [("missing-time", "before")]),
        ("15m", "2026-11-24", [("bad-time", "after")]),
        ("2026-11-24", "2101-01-01", [("absurd-time", "before"), ("absurd-window", "after")]),
    ],
)
def test_a_window_without_a_moment_of_asking_must_be_absolute(
    after: str | None, before: str | None, faults: list[tuple[str, str]]
) -> None:
    """Nobody can know what "now" was."""
    with pytest.raises(InvalidRequest) as caught:
        make_window(after, before, None, DAY_US)
    assert [(fault.code, fault.field) for fault in caught.value.faults] == faults


@given(st.none() | st.text(max_size=12), st.none() | st.text("0123456789-:TZ.smhdw ", max_size=25))
@settings(max_examples=CASES, deadline=None, database=None)
def test_any_two_texts_are_a_window_or_an_invalid_request(after: str | None, before: str | None) -> None:
    """And a window that is made is in order."""
    try:
        window = make_window(after, before, NOON_US, DAY_US)
    except InvalidRequest as error:
        good = {fault.field for fault in error.faults} <= {"after", "before"}
    else:
        good = window.after_us < window.before_us
    assert good
