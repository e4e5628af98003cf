"""Times as other programs write them, read as the instant that they mean."""

from __future__ import annotations

import random
import string
from contextlib import suppress

import pytest

from docket.domain.timewindow import format_us, lacks_zone, parse_time_us, read_time_us

NOW_US = parse_time_us("2026-11-24T15:00:00Z", None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Nov 24, 2026 @ 14:02:33.123", "2026-11-24T14:02:33.123000Z"),
        ("November 24, 2026 at 2:02 PM", "2026-11-24T14:02:00.000000Z"),
        ("11/24/2026:14:02:33", "2026-11-24T14:02:33.000000Z"),
        ("11/24/26 2:02:33.123 PM", "2026-11-24T14:02:33.123000Z"),
        ("11/24/26 12:02:33.000 AM", "2026-11-24T00:02:33.000000Z"),
        ("11/24/2026-14:02:33.123456", "2026-11-24T14:02:33.123456Z"),
        ("11/24/2026-14:02:33.123456+0100", "2026-11-24T13:02:33.123456Z"),
        ("24/Nov/2026:15:02:33 +0100", "2026-11-24T14:02:33.000000Z"),
        ("[24/Nov/2026:15:02:33 -0030]", "2026-11-24T15:32:33.000000Z"),
        ("1795528953.123456", "2026-11-24T14:02:33.123456Z"),
        ("1795528953", "2026-11-24T14:02:33.000000Z"),
        ("1795528953123", "2026-11-24T14:02:33.123000Z"),
        ("1795528953123456", "2026-11-24T14:02:33.123456Z"),
        ("Nov 24 14:02:33", "2026-11-24T14:02:33.000000Z"),
        ("Nov  4 14:02:33", "2026-11-04T14:02:33.000000Z"),
        ("Dec 31 23:59:59", "2025-12-31T23:59:59.000000Z"),
        ("Feb 29 12:00:00", "2024-02-29T12:00:00.000000Z"),
        ("Tue Nov 24 14:02:33 2026", "2026-11-24T14:02:33.000000Z"),
        ("Tue, 24 Nov 2026 14:02:33 GMT", "2026-11-24T14:02:33.000000Z"),
        ("2026-11-24 14:02:33,123", "2026-11-24T14:02:33.123000Z"),
        ("2026/11/24 14:02:33", "2026-11-24T14:02:33.000000Z"),
        ("2026-11-24 14:02:33 UTC", "2026-11-24T14:02:33.000000Z"),
        ("2026-11-24T14:02:33.5+01:00", "2026-11-24T13:02:33.500000Z"),
        ("14:02:33", "2026-11-24T14:02:33.000000Z"),
        ("14:02", "2026-11-24T14:02:00.000000Z"),
        ("15:00:30", "2026-11-24T15:00:30.000000Z"),
        ("15:02", "2026-11-23T15:02:00.000000Z"),
        ("9:15 pm", "2026-11-23T21:15:00.000000Z"),
        ("15:02 +0100", "2026-11-24T14:02:00.000000Z"),
        ("15m", "2026-11-24T14:45:00.000000Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000000Z"),
    ],
)
def test_a_time_of_another_program_is_read(text: str, meant: str) -> None:
    """To the microsecond; what lacks a day or a year is the last such time."""
    assert format_us(read_time_us(text, NOW_US)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "25:00",
        "14:60",
        "14:02:61",
        "13:00 pm",
        "Foo 24 14:02:33",
        "Nov 31 14:02:33",
        "24/Foo/2026:14:02:33",
        "13/24/2026:14:02:33",
        "15:02 +9900",
        "12345",
        "123456789012",
        "soon",
    ],
)
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    """With a sentence, and never with another time."""
    with pytest.raises(ValueError, match=r"\w"):
        read_time_us(text, NOW_US)


def test_a_time_without_a_day_needs_the_moment_of_asking() -> None:
    """In a message without `requested_at` it would mean something else to each reader."""
    with pytest.raises(ValueError, match="names no day"):
        read_time_us("14:02", None)
    with pytest.raises(ValueError, match="names no year"):
        read_time_us("Nov 24 14:02:33", None)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("14:02", True),
        ("Nov 24 14:02:33", True),
        ("2026-11-24 14:02:33", True),
        ("2026-11-24T14:02:33Z", False),
        ("24/Nov/2026:15:02:33 +0100", False),
        ("2026-11-24", False),
        ("15m", False),
        ("1795528953.5", False),
        (None, False),
    ],
)
def test_a_time_of_day_without_a_zone_is_known(text: str | None, lacks: bool) -> None:
    """The check says then that it was read as UTC."""
    assert lacks_zone(text) == lacks


def test_any_text_is_a_time_or_a_value_error() -> None:
    """Random rows of what times are made of."""
    chance = random.Random(3)
    pieces = ["nov", "24", "2026", ":", "/", " ", "-", "14", "02", ".", ",", "pm", "utc", "+0100", "@", "z", "tue"]
    for _ in range(20_000):
        text = "".join(chance.choices(pieces + list(string.printable), k=chance.randrange(12)))
        with suppress(ValueError):
            read_time_us(text, NOW_US)
