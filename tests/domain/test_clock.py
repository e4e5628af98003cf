"""The clock that deadlines are held against: the wall's, but for a day behind one that was set forward."""

from docket.domain.clock import JUMP_US, SETTLE_S, Clock, DeadlineClock

DAY_US = 86_400_000_000


class SetClock(Clock):
    """Goes as it is told."""

    wall_us = 1_795_000_000_000_000
    passed_s = 0.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic_s(self) -> float:
        return self.passed_s

    def passes(self, seconds: float) -> None:
        self.passed_s += seconds
        self.wall_us += int(seconds * 1_000_000)


def test_it_is_the_wall_clock_as_long_as_that_goes_on() -> None:
    """Also where it is slewed a little."""
    clock = SetClock()
    deadlines = DeadlineClock(clock)
    for _ in range(10):
        clock.passes(60)
        clock.wall_us += JUMP_US // 10
        assert deadlines.now_us() == clock.wall_us


def test_clock_that_is_set_forward_makes_nothing_late_for_a_day() -> None:
    """The time that passes counts meanwhile; then the new time is taken."""
    clock = SetClock()
    deadlines, began_us = DeadlineClock(clock), clock.wall_us
    clock.wall_us += 5 * DAY_US
    clock.passes(60)
    assert deadlines.now_us() == began_us + 60_000_000
    clock.passes(SETTLE_S)
    assert deadlines.now_us() == clock.wall_us


def test_clock_that_is_set_back_is_taken_at_once() -> None:
    """And nothing is late when it is right again."""
    clock = SetClock()
    deadlines, began_us = DeadlineClock(clock), clock.wall_us
    clock.wall_us -= 5 * DAY_US
    assert deadlines.now_us() == clock.wall_us
    clock.wall_us += 5 * DAY_US
    assert deadlines.now_us() == began_us - 5 * DAY_US
