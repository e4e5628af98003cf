"""What time it is, as all of Docket writes it; and the clocks of a service, which tests replace."""

from __future__ import annotations

import time

from docket.domain.timewindow import format_us

JUMP_US = 300_000_000
"""What a clock gains at once by less is slewing, or a machine that slept for a moment."""
SETTLE_S = 86_400


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


def now_text() -> str:
    """RFC 3339 UTC."""
    return format_us(now_us())


class Clock:
    """Wall time for what people read; monotonic time for every interval, since wall time may be set back."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return now_us()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def now(self) -> str:
        """RFC 3339 UTC."""
        return format_us(self.now_us())


class DeadlineClock:
    """Wall time to hold deadlines against: where the clock was set forward, it stays behind for a day.

    A deadline was written before the clock jumped, and its job is not late for that. Late ones are ended by the
    collector, which counts the time that has passed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = self._apart_us()
        self._ahead_since_s: float | None = None

    def now_us(self) -> int:
        apart_us, now_s = self._apart_us(), self._clock.monotonic_s()
        if apart_us - self._offset_us <= JUMP_US:
            self._offset_us, self._ahead_since_s = apart_us, None
        elif self._ahead_since_s is None:
            self._ahead_since_s = now_s
        elif now_s - self._ahead_since_s >= SETTLE_S:
            self._offset_us, self._ahead_since_s = apart_us, None
        return self._offset_us + int(now_s * 1_000_000)

    def _apart_us(self) -> int:
        return self._clock.now_us() - int(self._clock.monotonic_s() * 1_000_000)
