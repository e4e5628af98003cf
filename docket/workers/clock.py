"""The two clocks of a service: what time it is, and how much of it has passed. Tests hand in one of their own."""

from __future__ import annotations

import time

from docket.window import format_us


class Clock:
    """Wall time for what people read; monotonic time for every interval, since wall time may be set back."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    def now(self) -> str:
        """RFC 3339 UTC."""
        return format_us(self.now_us())
