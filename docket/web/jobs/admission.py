"""Lets questions in, users in turn, and slows down a user whose questions the collector has not read yet.

A user with a thousand questions that wait must not have his own looked up and published before the one of another.
And what waits on the bus waits in the order in which it came, so it is better left here. For the event loop only.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

AT_ONCE = 16
"""Questions that are looked up and published at once. A user has half of what the others leave."""
MOST_UNREAD = 32
"""Questions of one user on the bus that the collector has not read."""
LONGEST_WAIT_S = 1.0
"""Then a question goes on as it is: the collector may be away, and what it has not read is bounded elsewhere."""

_Line = deque[asyncio.Future[None]]


class Admission:
    """One per process."""

    def __init__(self, unread: Callable[[str], int]) -> None:
        """`unread` tells how many questions of a user the collector has not read."""
        self._unread = unread
        self._inside: Counter[str] = Counter()
        self._lines: dict[str, _Line] = {}
        """Who waits, per user; the user whose turn it is comes first."""

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it within the block."""
        if user in self._lines or not self._may_enter(user):
            await self._wait(user)
        else:
            self._inside[user] += 1
        try:
            yield
        finally:
            self._leave(user)

    def look(self) -> None:
        """Let in who may come in now. To be called when the collector has read something."""
        admitted = bool(self._lines)
        while admitted:
            admitted = False
            for user in [user for user in self._lines if self._may_enter(user)]:
                if self._may_enter(user):
                    self._admit(user)
                    admitted = True

    async def _wait(self, user: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(user, deque()).append(turn)
        try:
            # Not wait_for: a turn that comes together with the time-out would be lost.
            await asyncio.wait((turn,), timeout=LONGEST_WAIT_S)
        except asyncio.CancelledError:
            if turn.done():
                self._leave(user)
            else:
                self._forget(user, turn)
            raise
        if not turn.done():
            self._forget(user, turn)
            self._inside[user] += 1

    def _admit(self, user: str) -> None:
        line = self._lines.pop(user)
        line.popleft().set_result(None)
        self._inside[user] += 1
        if line:
            self._lines[user] = line

    def _forget(self, user: str, turn: asyncio.Future[None]) -> None:
        line = self._lines[user]
        line.remove(turn)
        if not line:
            del self._lines[user]

    def _leave(self, user: str) -> None:
        self._inside[user] -= 1
        if not self._inside[user]:
            del self._inside[user]
        self.look()

    def _may_enter(self, user: str) -> bool:
        inside, own = self._inside.total(), self._inside[user]
        share = max((AT_ONCE - (inside - own)) // 2, 1)
        return inside < AT_ONCE and own < share and own + self._unread(user) < MOST_UNREAD
