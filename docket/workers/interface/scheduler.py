"""Turns to read from one source: who reads next, and a guess of who is quick. For `interface`.

Readers compete with the capture for the sensor's disk, so only a few may read at once. Small questions pass big
ones: they wait in a lane of their own, and where two or more may read at once, one place is theirs alone. Within a
lane owners take turns, however many questions each of them has. Where what is read is not the sensor's disk, a turn
that lasts long lets another owner's begin beside it.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from docket.domain.query.planning import for_stenographer
from docket.domain.request import Request
from docket.domain.timewindow import US_PER_S
from docket.workers.interface.reader import Stopped

QUICK_S = 3.0
"""A reading that should take no longer than this waits in the quick lane."""
QUICK_IN_A_ROW = 8
"""After so many quick ones in a row a slow one that could begin does, so that it is not passed for ever."""
LONG_S = 5.0
"""A turn that has lasted for so long no longer keeps another owner waiting, if more may read."""
TELL_S = 1.0
"""How often the place in the queue is reported, if it has changed."""
LEARN = 0.3
"""Weight of the newest reading in the average of its kind."""

_FIRST_GUESS_S_PER_S = {"all": 0.05, "broad": 0.005, "host": 0.001, "narrow": 0.0005}
"""Seconds of reading per second of window, before anything was learned: 3 minutes for everything in an hour."""

_TERM = re.compile(r"\b(host|net|port|vlan|mpls|proto|tcp|udp|icmp)\b")


class CostModel:
    """How long readings of one source take, by how narrow the question is. Learns; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._s_per_s = dict(_FIRST_GUESS_S_PER_S)

    def guess_s(self, request: Request) -> float:
        with self._lock:
            return _window_s(request) * self._s_per_s[_kind(request)]

    def learn(self, request: Request, took_s: float) -> None:
        kind = _kind(request)
        with self._lock:
            seen = took_s / _window_s(request)
            self._s_per_s[kind] += LEARN * (seen - self._s_per_s[kind])


@dataclass(eq=False, frozen=True, slots=True)
class _Ticket:
    owner: str


class Scheduler:
    """Turns to read. A turn is held by one thread, for as long as it is inside `turn`."""

    def __init__(self, at_once: int, most: int = 0) -> None:
        """`at_once` read at once, and up to `most` where some of them have read for long; each further one is of an
        owner who reads nothing else."""
        self._at_once = at_once
        self._most = max(at_once, most)
        self._condition = threading.Condition()
        self._quick: list[_Ticket] = []
        self._slow: list[_Ticket] = []
        self._since_s: dict[_Ticket, float] = {}
        """When each that reads began."""
        self._reading_of: Counter[str] = Counter()
        self._latest: dict[str, int] = {}
        """When each owner that reads or waits began to read last, as a running number."""
        self._turns = 0
        self._reading_quick = 0
        self._reading_slow = 0
        self._quick_in_a_row = 0

    @property
    def reading(self) -> int:
        with self._condition:
            return self._reading_quick + self._reading_slow

    @property
    def waiting(self) -> int:
        with self._condition:
            return len(self._quick) + len(self._slow)

    @contextmanager
    def turn(self, *, quick: bool, stop: Event, on_place: Callable[[int], None], owner: str = "") -> Iterator[None]:
        """Wait for a turn and hold it. `on_place` gets the place in the queue, 1 for the next. Raises Stopped."""
        ticket = _Ticket(owner)
        self._wait(ticket, quick, stop, on_place)
        try:
            yield
        finally:
            with self._condition:
                del self._since_s[ticket]
                if quick:
                    self._reading_quick -= 1
                else:
                    self._reading_slow -= 1
                self._reading_of[owner] -= 1
                self._forget_idle(owner)
                self._condition.notify_all()

    def wake(self) -> None:
        """Let those who wait look whether they were stopped."""
        with self._condition:
            self._condition.notify_all()

    def _wait(self, ticket: _Ticket, quick: bool, stop: Event, on_place: Callable[[int], None]) -> None:
        lane = self._quick if quick else self._slow
        said, said_s = 0, -TELL_S
        with self._condition:
            lane.append(ticket)
        try:
            while True:
                with self._condition:
                    if stop.is_set():
                        raise Stopped("stopped while it was waiting for its turn")
                    if self._may_begin(ticket, quick):
                        self._begin(ticket, quick)
                        return
                    place = said
                    if time.monotonic() - said_s >= TELL_S:
                        place = self._order(lane).index(ticket) + 1 + (0 if quick else len(self._quick))
                    tell = place != said
                    if not tell:
                        self._condition.wait(TELL_S)
                if tell:  # outside the lock: it may wait for the bus
                    said, said_s = place, time.monotonic()
                    on_place(place)
        finally:
            with self._condition:
                if ticket in lane:
                    lane.remove(ticket)
                self._forget_idle(ticket.owner)
                self._condition.notify_all()

    def _order(self, lane: list[_Ticket]) -> list[_Ticket]:
        """Owners in turn: the one with the fewest that read or come before; of several, the one that waits longest."""
        ahead = self._reading_of.copy()
        ranked: list[tuple[int, int, int]] = []
        for index, ticket in enumerate(lane):
            ranked.append((ahead[ticket.owner], self._latest.get(ticket.owner, 0), index))
            ahead[ticket.owner] += 1
        return [lane[index] for _, _, index in sorted(ranked)]

    def _forget_idle(self, owner: str) -> None:
        waits = any(ticket.owner == owner for lane in (self._quick, self._slow) for ticket in lane)
        if not waits and self._reading_of[owner] <= 0:
            del self._reading_of[owner]
            self._latest.pop(owner, None)

    def _may_begin(self, ticket: _Ticket, quick: bool) -> bool:
        beside = self._may_read_beside(ticket)
        if len(self._since_s) >= self._at_once and not beside:
            return False
        kept_free = self._at_once > 1 and self._reading_slow >= self._at_once - 1
        slow_may = bool(self._slow) and (not kept_free or (beside and not quick))
        overdue = slow_may and self._quick_in_a_row >= QUICK_IN_A_ROW
        if quick:
            return not overdue and self._order(self._quick)[0] is ticket
        return slow_may and (overdue or beside or not self._quick) and self._order(self._slow)[0] is ticket

    def _may_read_beside(self, ticket: _Ticket) -> bool:
        """Whether so many have read for long that one more is let in, of an owner who reads nothing."""
        if self._reading_of[ticket.owner] or len(self._since_s) >= self._most:
            return False
        now_s = time.monotonic()
        recent = sum(1 for since_s in self._since_s.values() if now_s - since_s < LONG_S)
        return recent < self._at_once and self._most > self._at_once

    def _begin(self, ticket: _Ticket, quick: bool) -> None:
        self._turns += 1
        self._since_s[ticket] = time.monotonic()
        self._latest[ticket.owner] = self._turns
        self._reading_of[ticket.owner] += 1
        if quick:
            self._quick.remove(ticket)
            self._reading_quick += 1
            self._quick_in_a_row += 1
        else:
            self._slow.remove(ticket)
            self._reading_slow += 1
            self._quick_in_a_row = 0


def _window_s(request: Request) -> float:
    return max(request.window.length_us / US_PER_S, 1.0)


def _kind(request: Request) -> str:
    """How narrow a question is to an index, from the text that one is asked: `or` widens, a further term narrows."""
    text = for_stenographer(request.parsed_query).asked.canonical
    words = _TERM.findall(text)
    if not words:
        return "all"
    if " or " in text:
        return "host" if set(words) == {"host"} else "broad"
    if "host" in words:
        return "narrow" if len(words) > 1 else "host"
    return "broad"
