"""What the collector says about itself every few seconds, for the web app's health and `docket status`. Pure."""

from __future__ import annotations

import msgspec

from docket.domain.timewindow import US_PER_S, parse_time_us

HEARTBEAT_S = 5
"""The collector writes this often."""
SILENCE_S = 3 * HEARTBEAT_S
"""A heartbeat that is older means that it does not live."""


class CollectorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat. Times are RFC 3339 UTC."""

    at: str
    started_at: str
    version: str
    open_jobs: int
    free_bytes: int
    free_inodes: int | None
    used_bytes: int
    """What results and parts take up."""
    max_bytes: int
    min_free_bytes: int
    trouble: str = ""
    """What is wrong right now, in a sentence; empty when all is well."""
    queues: dict[str, tuple[int, int]] = {}
    """Messages and consumers of the queues that it may look at, as far as it has seen them."""
    set_aside: int = 0
    """What lay in the spool, stood in no record and could not be verified: it waits in `aside/` for a decision."""

    def silent_s(self, now_us: int) -> float:
        """How long nothing was heard of it; not below 0."""
        return max(0.0, (now_us - parse_time_us(self.at, None)) / US_PER_S)
