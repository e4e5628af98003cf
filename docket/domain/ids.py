"""Ids of jobs and of readings: made here, and what they tell. Pure."""

from __future__ import annotations

import re
import secrets
import time
import uuid

NEW_S = 60.0
"""Longer ago than this, a job is in the ledger or nowhere: a web process that died has been started again by then."""

CLAIM_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")
"""Of a file that a worker hands over: nothing in it could lead out of a directory."""

_VERSION = 7


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ids sort by the time of asking, which keeps indexes small."""
    stamp = (time.time_ns() // 1_000_000) << 80
    random = secrets.randbits(74)
    return str(uuid.UUID(int=stamp | _VERSION << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1))


def new_run() -> str:
    """Names one reading among those with the same attempt; a later one sorts higher."""
    return f"{time.time_ns():016x}-{uuid.uuid4().hex[:8]}"


def is_new(job_id: str) -> bool:
    """Whether the id has a time in it (version 7), and that is within NEW_S of now."""
    try:
        uid = uuid.UUID(job_id)
    except ValueError:
        return False
    return uid.version == _VERSION and abs(time.time() - (uid.int >> 80) / 1_000) <= NEW_S
