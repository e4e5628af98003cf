"""The time by which results grow old: the machine's clock, unless that has jumped. For the collector.

A clock that is set three days ahead for a minute would have everything removed that is to be kept for two. So age goes
on as the time that has really passed, until the new time has stood for a day. A collector that starts more than a day
after the last heartbeat in the ledger cannot know whether it was away so long, and waits for that day, too.
"""

from __future__ import annotations

import logging

from docket.domain.clock import Clock
from docket.domain.timewindow import US_PER_S

log = logging.getLogger(__name__)

TOLERANCE_S = 300
"""Clocks are slewed, and machines sleep for a moment; what changes by less is no jump."""
SETTLE_S = 86_400
LONGEST_AWAY_S = 86_400


class AgeClock:
    """Asked at least once a minute."""

    def __init__(self, clock: Clock, seen_us: int | None = None) -> None:
        """`seen_us`: the latest time that an earlier collector has written down."""
        self._clock = clock
        self._offset_us = self._apart_us()
        """The trusted time less the time since the machine's start."""
        self._jumped: tuple[int, float] | None = None
        """The offset after a jump, and since when it is seen."""
        if seen_us is not None and clock.now_us() - seen_us > LONGEST_AWAY_S * US_PER_S:
            log.warning("the last heartbeat is more than a day old: nothing grows too old before another day")
            self._jumped = self._offset_us, clock.monotonic_s()
            self._offset_us -= clock.now_us() - seen_us

    def now_us(self) -> int:
        apart_us, now_s = self._apart_us(), self._clock.monotonic_s()
        if _near(apart_us, self._offset_us):
            if self._jumped is not None:
                log.warning("the clock is right again; results are removed for their age as before")
            self._offset_us, self._jumped = apart_us, None
        elif self._jumped is None or not _near(apart_us, self._jumped[0]):
            jump_s = (apart_us - self._offset_us) / US_PER_S
            log.warning(
                "the clock jumped by %+.0f s: until it has stood for a day, age is time that has passed", jump_s
            )
            self._jumped = apart_us, now_s
        elif now_s - self._jumped[1] >= SETTLE_S:
            log.warning("the clock has stood for a day and is trusted again")
            self._offset_us, self._jumped = apart_us, None
        return self._offset_us + int(now_s * US_PER_S)

    def _apart_us(self) -> int:
        return self._clock.now_us() - int(self._clock.monotonic_s() * US_PER_S)


def _near(one_us: int, other_us: int) -> bool:
    return abs(one_us - other_us) <= TOLERANCE_S * US_PER_S
