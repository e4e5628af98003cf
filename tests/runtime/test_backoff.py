"""Waits double up to the longest one, and no two services wait in step."""

from docket.bus.retry import FIRST_S, MOST_S, REFUSED_FIRST_S, BrokerBackoff
from docket.errors import BusRefused
from docket.runtime.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    """Each wait is at most twice the one before, at least half of what it may be, and never above the longest."""
    backoff = Backoff(0.5, 3.0)
    waits_s = [backoff.next_s() for _ in range(6)]
    allowed_s = (0.5, 1.0, 2.0, 3.0, 3.0, 3.0)
    assert all(most_s / 2 <= wait_s <= most_s for wait_s, most_s in zip(waits_s, allowed_s, strict=True))


def test_waits_begin_again_after_success() -> None:
    """After a reset the first wait comes again."""
    backoff = Backoff(0.5, 60.0)
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_refusals_wait_longer_than_outages() -> None:
    """A refusal is for a person to mend; a broker that is away may be back at once, also after refusals."""
    backoff = BrokerBackoff()
    assert backoff.next_s(BusRefused("no such user")) >= REFUSED_FIRST_S / 2 > MOST_S / 8
    assert backoff.next_s() <= FIRST_S
