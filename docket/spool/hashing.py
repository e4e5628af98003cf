"""SHA-256 of bytes that pass by, taken in a thread beside: hashing needs a processor, and no lock of Python's.

For the collector, whose one thread would otherwise spend a fifth of its time on it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

_MOST_WAITING = 8
"""Updates not hashed yet: each keeps its bytes in memory, about a megabyte."""

_beside = ThreadPoolExecutor(1, thread_name_prefix="sha256")


class BackgroundHash:
    """One SHA-256. For one thread; bytes that were given must not change afterwards."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._waiting: deque[Future[None]] = deque()

    def update(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Add the pieces. Returns at once, unless too much is waiting to be hashed."""
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(_beside.submit(self._add, tuple(pieces)))

    def hexdigest(self) -> str:
        """Of everything that was added; waits until it is hashed."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._sha256.hexdigest()

    def _add(self, pieces: tuple[bytes | memoryview, ...]) -> None:
        for piece in pieces:
            self._sha256.update(piece)
