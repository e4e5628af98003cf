"""A source as everybody shows it: its state, what it holds, and where it has gaps. Pure."""

from __future__ import annotations

import msgspec

from docket.domain.timewindow import Window, format_us, parse_time_us


class GapStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time for which a source shows no sign of recording, `[from, until)`, RFC 3339 UTC."""

    begins: str = msgspec.field(name="from")
    until: str
    reason: str
    """How that is known."""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source as HTTP and WebSocket show it."""

    name: str
    kind: str
    state: str
    """`online` or `offline`."""
    oldest: str | None = None
    readable_until: str | None = None
    last_seen: str
    error: str | None = None
    stats: dict[str, int] = {}
    look_inside: bool = False
    """Plain words of a query mean every layer of a packet here, those in tunnels too."""
    gaps: tuple[GapStatus, ...] = ()
    """Stretches for which it shows no sign of recording, in order of time; the newest hundred."""


def gaps_within(status: SourceStatus, window: Window) -> tuple[GapStatus, ...]:
    """The part of each gap of the source that lies in the window."""
    cut = (
        (
            max(parse_time_us(gap.begins, None), window.after_us),
            min(parse_time_us(gap.until, None), window.before_us),
            gap,
        )
        for gap in status.gaps
    )
    return tuple(
        GapStatus(begins=format_us(after_us), until=format_us(before_us), reason=gap.reason)
        for after_us, before_us, gap in cut
        if after_us < before_us
    )
