"""A source as everybody shows it: its state, what it holds, and where it has gaps. Pure."""

from __future__ import annotations

import itertools

import msgspec

from docket.domain.plain_text import shortened
from docket.domain.request import SOURCE_NAME
from docket.domain.timewindow import Window, format_us, parse_time_us

MOST_STATS = 500
MOST_GAPS = 100
LONGEST_WORD = 100
"""Of the name of a figure, and of a kind."""
LONGEST_TEXT = 2_000
"""Of an error, and of the reason of a gap."""
_LARGEST = (1 << 63) - 1


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


def fitted(status: SourceStatus) -> SourceStatus:
    """The status with no more in it than is kept and shown: what a store or a worker says of itself has no bound, and
    goes to every browser every ten seconds. The newest gaps stay."""
    figures = (
        (name, value)
        for name, value in status.stats.items()
        if len(name) <= LONGEST_WORD and -_LARGEST <= value <= _LARGEST
    )
    return msgspec.structs.replace(
        status,
        kind=shortened(status.kind, LONGEST_WORD),
        error=None if status.error is None else shortened(status.error, LONGEST_TEXT),
        stats=dict(itertools.islice(figures, MOST_STATS)),
        gaps=tuple(
            msgspec.structs.replace(gap, reason=shortened(gap.reason, LONGEST_TEXT)) for gap in status.gaps[-MOST_GAPS:]
        ),
    )


def checked(status: SourceStatus) -> SourceStatus:
    """What another process says of a source, fitted. Raises ValueError where name, state or times are none: readers
    count on them."""
    if not SOURCE_NAME.fullmatch(status.name):
        raise ValueError(f"{status.name[:80]!r} is not a sensor:interface name")
    if status.state not in ("online", "offline"):
        raise ValueError(f"{status.name} is neither online nor offline but {status.state[:80]!r}")
    status = fitted(status)
    edges = [edge for gap in status.gaps for edge in (gap.begins, gap.until)]
    for text in (status.oldest, status.readable_until, status.last_seen, *edges):
        if text is not None:
            try:
                parse_time_us(text, None)
            except ValueError as error:
                raise ValueError(f"a time of {status.name}: {error}") from error
    return status


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
