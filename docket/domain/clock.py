"""What time it is, as all of Docket writes it; and the two clocks of a service, which tests replace."""

from __future__ import annotations

import time

from docket.domain.timewindow import format_us


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
