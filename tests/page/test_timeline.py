"""The arithmetic of the timeline: holes, and packets over time."""

import pytest

from tests.page.conftest import Call

pytestmark = pytest.mark.browser

US_PER_S = 1_000_000
HOUR_US = 3_600 * US_PER_S
VIEW = {"from": 0, "to": HOUR_US}


def gap(begins_s: int, until_s: int) -> dict[str, str]:
    return {
        "from": f"1970-01-01T00:{begins_s // 60:02}:{begins_s % 60:02}Z",
        "until": f"1970-01-01T00:{until_s // 60:02}:{until_s % 60:02}Z",
        "reason": "x",
    }


def holes(call: Call, *sources: list[dict[str, str]]) -> list[tuple[float, float]]:
    """Begin and end in seconds."""
    found = call("ask/holes.js", "holesOf", [{"name": str(n), "gaps": gaps} for n, gaps in enumerate(sources)], VIEW)
    return [(hole["from"] / US_PER_S, hole["to"] / US_PER_S) for hole in found]


def test_holes_of_several_sources_are_drawn_once(call: Call) -> None:
    """Those that overlap, or are too near to be told apart, are one."""
    assert holes(call, [gap(60, 600)], [gap(300, 900), gap(1800, 2400)]) == [(60, 900), (1800, 2400)]
    assert holes(call, [gap(60, 120), gap(121, 600)]) == [(60, 600)]
    assert holes(call, []) == []


def test_short_hole_is_wide_enough_to_be_seen(call: Call) -> None:
    """A four-hundredth of the view."""
    assert holes(call, [gap(60, 61)]) == [(60, 69)]


def test_clock_does_not_move_what_is_asked_for(call: Call) -> None:
    """A view that goes with the time is asked for on whole steps, a minute or longer."""
    asked = [
        call("ask/traffic.js", "stretchOf", {"from": at * US_PER_S, "to": at * US_PER_S + HOUR_US}) for at in (3, 8, 13)
    ]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0]["after"] <= 3 * US_PER_S
    assert asked[0]["before"] >= 13 * US_PER_S + HOUR_US
    short = call("ask/traffic.js", "stretchOf", {"from": 0, "to": 90 * US_PER_S})
    assert short == {"after": 0, "before": 120 * US_PER_S}


def test_busy_minutes_stand_higher(call: Call) -> None:
    """By the square root of their packets; what is outside of the view is not drawn."""
    buckets = [{"us": 0, "packets": 100}, {"us": HOUR_US // 2, "packets": 25}, {"us": 2 * HOUR_US, "packets": 9}]
    path = call("ask/traffic.js", "pathOf", {"length": 60 * US_PER_S, "buckets": buckets}, VIEW)
    assert path == "M0.0 100V0.0H16.7V100zM500.0 100V50.0H516.7V100z"
