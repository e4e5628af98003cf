"""Age is time that has passed: a clock that jumps makes nothing old."""

from pathlib import Path

from docket.domain.timewindow import US_PER_S
from docket.workers.collector.age_clock import SETTLE_S, TOLERANCE_S, AgeClock
from tests.workers.collector.collector_harness import TestClock, at, rig
from tests.workers.packet_records import records

DAY_US = 86_400 * US_PER_S


def jumped(clock: TestClock, by_us: int) -> None:
    clock.wall_us += by_us


def test_results_outlive_a_clock_that_is_days_ahead(tmp_path: Path) -> None:
    """Three days ahead for 70 s, and a year: what is kept for 48 hours is there, and goes when they have passed."""
    with rig(tmp_path) as harness:
        job_id = harness.ask()
        harness.answer(job_id, records("em1", at(1, 2), 100), b"")
        harness.settle()
        for by_us in (3 * DAY_US, 365 * DAY_US):
            jumped(harness.clock, by_us)
            harness.pass_time(70)
            assert harness.state(job_id) == "completed"
            jumped(harness.clock, -by_us)
            harness.pass_time(70)
            assert harness.state(job_id) == "completed"
        harness.pass_time(48 * 3_600, step_s=600)
        assert harness.state(job_id) == "expired"


def test_a_time_that_stands_for_a_day_is_trusted() -> None:
    """A clock that was wrong and was put right makes results old at last."""
    clock = TestClock()
    age = AgeClock(clock)
    first_us = age.now_us()
    jumped(clock, 30 * DAY_US)
    assert age.now_us() == first_us
    clock.advance(SETTLE_S - 1)
    assert age.now_us() == first_us + (SETTLE_S - 1) * US_PER_S
    clock.advance(2)
    assert age.now_us() == clock.now_us()


def test_a_clock_that_is_slewed_is_followed() -> None:
    clock = TestClock()
    age = AgeClock(clock)
    for _ in range(10):
        jumped(clock, (TOLERANCE_S - 1) * US_PER_S)
        assert age.now_us() == clock.now_us()
