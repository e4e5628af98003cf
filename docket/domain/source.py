"""A source as everybody shows it: its state, what it holds, and where it has gaps. Pure."""

from __future__ import annotations

import msgspec


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
