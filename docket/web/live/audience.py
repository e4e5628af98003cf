"""The sockets that one user has open, which are sent the same events. For `web.live.event_feed` alone.

A few of them get each event at once. Many of them get what has come together, so that their number and the rate of
events do not multiply, and leave the event loop to other users' requests for most of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from docket.domain.event import EventMessage
from docket.web.live.send_queue import Run, SendQueue

FEW = 20
"""Sockets that are sent to at once: more than a user's browsers have."""
REST = 2.0
"""How long the loop is left to others after a round of sending, as a multiple of how long the round took."""

Wants = Callable[[EventMessage], bool]


class Audience:
    """Filled by the event feed. All queues belong to one user, so one of them says what is for all."""

    def __init__(self, wants: Wants | None) -> None:
        self.wants = wants
        self._queues: dict[SendQueue, None] = {}
        self._run = Run()
        """What waits for the next round."""
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = 0.0

    def __len__(self) -> int:
        return len(self._queues)

    def __iter__(self) -> Iterator[SendQueue]:
        return iter(tuple(self._queues))

    def add(self, queue: SendQueue) -> None:
        self._queues[queue] = None

    def discard(self, queue: SendQueue) -> None:
        self._queues.pop(queue, None)

    def put(self, seq: int | None, subject: str | None, message: bytes) -> None:
        """Send an event of the ledger, or with no `seq` the latest about the subject."""
        self._run.put(seq, subject, message)
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        if len(self._queues) <= FEW and loop.time() >= self._next_s:
            self._send()
        else:
            self._timer = loop.call_at(max(self._next_s, loop.time()), self._round)

    def _send(self) -> None:
        run, self._run = self._run, Run()
        for queue in self:
            queue.put_run(run)

    def _round(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._timer = None
        self._send()
        # The sockets' tasks write in the next turn of the loop; after that it is known how long all of it took.
        self._next_s = began_s + 1.0
        loop.call_soon(loop.call_soon, self._rest, began_s)

    def _rest(self, began_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        self._next_s = now_s + REST * (now_s - began_s)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(self._next_s, self._round)
