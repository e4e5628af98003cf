"""What the collector says about itself every few seconds, for the web app's health and `docket status`. Pure."""

from __future__ import annotations

import msgspec

HEARTBEAT_S = 5
"""The collector writes this often; a heartbeat that is three times as old means that it does not live."""


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
    set_aside: int = 0
    """What lay in the spool, stood in no record and could not be verified: it waits in `aside/` for a decision."""
