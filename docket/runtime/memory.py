"""How the C library deals with memory that is given back: kept for the next block, not returned to the kernel.

A service that moves packets takes and gives back blocks of a megabyte, thousands of times for each gigabyte. glibc
would map each again, or cut its heap after each, and the kernel clears every page again: up to 200,000 page faults for
each gigabyte. For the services' host, before it starts threads.
"""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), as malloc.h numbers them."""

_KEPT_BYTES = 64 << 20
"""Free memory at the end of the heap that is kept. What a service needs at its busiest stays its own."""
_LARGEST_BLOCK_BYTES = 16 << 20
"""Larger ones have a mapping of their own."""


def keep_freed_memory() -> None:
    """Have it so, where the C library can."""
    with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
        # Kept memory is kept once, not once for each thread that ever took some.
        mallopt(_ARENA_MAX, 1)
