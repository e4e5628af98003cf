"""All sources that are known: from the configuration, the ledger and the bus, as of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from docket.config.model import SourceConfig
from docket.domain.source import SourceStatus
from docket.domain.timewindow import US_PER_S, parse_time_us

SILENCE_S = 30
"""Workers speak every 10 s; three missed ones mean that it is gone."""

NEVER_HEARD = "no worker has announced this source yet"


def known_sources(
    configured: Iterable[SourceConfig],
    recorded: Iterable[SourceStatus],
    heard: Mapping[str, SourceStatus],
    now_us: int,
) -> list[SourceStatus]:
    """One status per source, by name: the latest word of each, offline if it is too long ago."""
    latest = {one.name: _never_heard(one) for one in configured}
    for status in (*recorded, *heard.values()):
        known = latest.get(status.name)
        # Times of one form compare as texts.
        if known is None or status.last_seen >= known.last_seen:
            latest[status.name] = status
    return [_as_of(latest[name], now_us) for name in sorted(latest)]


def _never_heard(source: SourceConfig) -> SourceStatus:
    return SourceStatus(
        name=source.name,
        kind=source.kind,
        state="offline",
        last_seen="",
        error=NEVER_HEARD,
        look_inside=source.look_inside,
    )


def _as_of(status: SourceStatus, now_us: int) -> SourceStatus:
    """The status, taken as offline once it is too old: its worker may be gone without a message."""
    if status.state != "online" or now_us - parse_time_us(status.last_seen, None) <= SILENCE_S * US_PER_S:
        return status
    return msgspec.structs.replace(
        status, state="offline", error=status.error or f"nothing was heard since {status.last_seen}"
    )
