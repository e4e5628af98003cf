"""Times as people type and read them."""

import pytest

from docket.domain.timewindow import format_us, parse_time_us
from tests.page.conftest import Call

pytestmark = pytest.mark.browser

NOW_US = parse_time_us("2026-11-24T15:00:00Z", None)


@pytest.mark.parametrize(
    ("typed", "zone", "expected"),
    [
        ("2026-11-24T14:02:00.123456Z", "local", "2026-11-24T14:02:00.123456Z"),
        ("2026-11-24T14:02:00+02:00", "utc", "2026-11-24T12:02:00.000000Z"),
        ("2026-11-24 14:02", "utc", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24 14:02:01.5", "local", "2026-11-24T13:02:01.500000Z"),
        ("2026-07-24 14:02", "local", "2026-07-24T12:02:00.000000Z"),
        ("14:02", "utc", "2026-11-24T14:02:00.000000Z"),
        ("2026-11-24", "utc", "2026-11-24T00:00:00.000000Z"),
        ("3h30m", "utc", "2026-11-24T11:30:00.000000Z"),
        ("15m ago", "utc", "2026-11-24T14:45:00.000000Z"),
        ("1795528931.123456", "utc", "2026-11-24T14:02:11.123456Z"),
        ("now", "utc", "2026-11-24T15:00:00.000000Z"),
    ],
)
def test_typed_time_is_understood(call: Call, typed: str, zone: str, expected: str) -> None:
    """Every usual form is read, in the zone that the page shows."""
    assert format_us(call("time.js", "readTime", typed, zone, NOW_US)) == expected


@pytest.mark.parametrize("typed", ["", "banana", "25:61", "2026-02-31", "2026-13-45 10:00", "12"])
def test_nonsense_is_no_time(call: Call, typed: str) -> None:
    """What cannot be read is not guessed at."""
    assert call("time.js", "readTime", typed, "utc", NOW_US) is None


@pytest.mark.parametrize("text", ["2026-11-24T14:02:00.123456Z", "1970-01-01T00:00:00.000001Z"])
def test_microseconds_survive(call: Call, text: str) -> None:
    """Times go through the page without losing a digit."""
    assert call("time.js", "toRfc", call("time.js", "fromRfc", text)) == text


@pytest.mark.parametrize(
    ("us", "expected"),
    [(1, "1 µs"), (8_000_000 * 60, "8 min"), (5_400_000_000, "1 h 30 min"), (187_200_000_000, "2 d 4 h")],
)
def test_durations_are_short(call: Call, us: int, expected: str) -> None:
    """At most two units."""
    assert call("time.js", "formatDuration", us) == expected


@pytest.mark.parametrize(
    ("bytes_", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.00 kB"),
        (45_900_000, "45.9 MB"),
        (341_000_000, "341 MB"),
        (999_999_999, "1.00 GB"),
    ],
)
def test_sizes_have_three_figures(call: Call, bytes_: int, expected: str) -> None:
    """Sizes are decimal, as the limits of the configuration are."""
    assert call("figures.js", "size", bytes_) == expected


@pytest.mark.parametrize(
    ("typed", "expected"), [("2GB", 2_000_000_000), ("500 MB", 500_000_000), ("1 KiB", 1024), ("7", 7), ("x", None)]
)
def test_typed_size_is_understood(call: Call, typed: str, expected: int | None) -> None:
    """Limits can be typed with a unit."""
    assert call("figures.js", "readSize", typed) == expected
