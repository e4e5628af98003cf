"""What time it is, as the rest of Docket writes it."""

from __future__ import annotations

import time

from docket.window import format_us


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


def now_text() -> str:
    return format_us(now_us())
