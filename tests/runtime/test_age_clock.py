"""Age is time that has passed: a clock that jumps makes nothing old."""

from pathlib import Path

from docket.domain.timewindow import US_PER_S
from docket.runtime.age_clock import LONGEST_AWAY_S, SETTLE_S, TOLERANCE_S, AgeClock
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


def test_a_clock_that_was_wrong_at_the_start_makes_nothing_old() -> None:
    """Its collector waits for a day, unless an earlier one was at work not long ago."""
    clock = TestClock()
    seen_us = clock.now_us() - 30 * DAY_US
    age = AgeClock(clock, seen_us)
    assert age.now_us() == seen_us
    clock.advance(SETTLE_S - 1)
    assert age.now_us() == seen_us + (SETTLE_S - 1) * US_PER_S
    clock.advance(2)
    assert age.now_us() == clock.now_us()
    assert AgeClock(clock, clock.now_us() - LONGEST_AWAY_S * US_PER_S).now_us() == clock.now_us()


def test_records_are_erased_when_they_have_been_kept_long_enough(tmp_path: Path) -> None:
    """Not by a clock that has jumped, and not before the result has gone."""
    with rig(tmp_path, spool_config={"keep_s": 3_600, "keep_records_s": 7_200}) as harness:
        job_id = harness.ask()
        harness.answer(job_id, records("em1", at(1, 2), 100), b"")
        harness.settle()
        harness.pass_time(3_700, step_s=60)
        assert harness.state(job_id) == "expired"
        other = harness.ask()
        harness.settle()
        jumped(harness.clock, 365 * DAY_US)
        harness.pass_time(130)
        assert harness.state(job_id) == "expired"
        jumped(harness.clock, -365 * DAY_US)
        harness.pass_time(6_900, step_s=60)
        assert harness.state(job_id) == "expired"
        harness.pass_time(400, step_s=60)
        assert [job.id for job in harness.reader.jobs().jobs] == [other]


def test_a_collector_that_starts_with_a_wrong_clock_removes_nothing(tmp_path: Path) -> None:
    """Neither the result nor the record of a job that ended before."""
    with rig(tmp_path) as harness:
        job_id = harness.ask()
        harness.answer(job_id, records("em1", at(1, 2), 100), b"")
        harness.settle()
        harness.pass_time(70)
        jumped(harness.clock, 3_650 * DAY_US)
        harness.restart()
        harness.pass_time(3_600, step_s=60)
        assert harness.state(job_id) == "completed"
