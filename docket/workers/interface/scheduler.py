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
from dataclasses import dataclass, field
from itertools import chain, count
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
"""How often the place in the queue is reported, if it has changed; the first time when so much has passed."""
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


@dataclass(eq=False, slots=True)
class _Ticket:
    """One that waits for a turn or has it."""

    owner: str
    quick: bool
    stop: Event
    number: int
    """In the order in which they came."""
    called: Event = field(default_factory=Event)
    """Set when it has its turn, or has to look whether it was stopped."""
    begun: bool = False


class _Line:
    """Who waits in one lane, per owner in the order in which they came."""

    def __init__(self) -> None:
        self.of: dict[str, dict[_Ticket, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    def __iter__(self) -> Iterator[_Ticket]:
        return chain.from_iterable(self.of.values())

    def add(self, ticket: _Ticket) -> None:
        self.of.setdefault(ticket.owner, {})[ticket] = None

    def remove(self, ticket: _Ticket) -> None:
        own = self.of[ticket.owner]
        del own[ticket]
        if not own:
            del self.of[ticket.owner]


class Scheduler:
    """Turns to read. A turn is held by one thread, for as long as it is inside `turn`.

    Who gives a turn back chooses the next, and wakes that thread alone: choosing takes as long as there are owners, not
    readings that wait.
    """

    def __init__(self, at_once: int, most: int = 0) -> None:
        """`at_once` read at once, and up to `most` where some of them have read for long; each further one is of an
        owner who reads nothing else."""
        self._at_once = at_once
        self._most = max(at_once, most)
        self._lock = threading.Lock()
        self._quick, self._slow = _Line(), _Line()
        self._since_s: dict[_Ticket, float] = {}
        """When each that reads began."""
        self._reading_of: Counter[str] = Counter()
        self._latest: dict[str, int] = {}
        """When each owner that reads or waits began to read last, as a running number."""
        self._turns = 0
        self._numbers = count()
        self._reading_slow = 0
        self._quick_in_a_row = 0

    @property
    def reading(self) -> int:
        with self._lock:
            return len(self._since_s)

    @property
    def waiting(self) -> int:
        with self._lock:
            return len(self._quick) + len(self._slow)

    @contextmanager
    def turn(self, *, quick: bool, stop: Event, on_place: Callable[[int], None], owner: str = "") -> Iterator[None]:
        """Wait for a turn and hold it. `on_place` gets the place in the queue, 1 for the next, now and then.

        Raises Stopped, and what `on_place` raises.
        """
        ticket = _Ticket(owner, quick, stop, next(self._numbers))
        try:
            self._wait(ticket, on_place)
            yield
        finally:
            with self._lock:
                self._leave(ticket)
                self._call_next()

    def wake(self) -> None:
        """Let those who wait look whether they were stopped."""
        with self._lock:
            for ticket in chain(self._quick, self._slow):
                if ticket.stop.is_set():
                    ticket.called.set()

    def _wait(self, ticket: _Ticket, on_place: Callable[[int], None]) -> None:
        line = self._quick if ticket.quick else self._slow
        said = 0
        with self._lock:
            line.add(ticket)
        while True:
            with self._lock:
                if not ticket.begun and ticket.stop.is_set():
                    raise Stopped("stopped while it was waiting for its turn")
                self._call_next()
                if ticket.begun:
                    return
                ticket.called.clear()
            # Nearly all have their turn soon, and a place costs messages.
            if ticket.called.wait(TELL_S):
                continue
            with self._lock:
                place = 0 if ticket.begun else self._place(ticket)
            if place and place != said:  # outside the lock: it may wait for the bus
                said = place
                on_place(place)

    def _leave(self, ticket: _Ticket) -> None:
        """It waits no more, or its turn is over. Under the lock."""
        if ticket.begun:
            del self._since_s[ticket]
            self._reading_slow -= not ticket.quick
            self._reading_of[ticket.owner] -= 1
        else:
            (self._quick if ticket.quick else self._slow).remove(ticket)
        owner = ticket.owner
        if self._reading_of[owner] <= 0:
            del self._reading_of[owner]
            if owner not in self._quick.of and owner not in self._slow.of:
                self._latest.pop(owner, None)

    def _place(self, ticket: _Ticket) -> int:
        """How many come before it in its lane, and one. Under the lock."""
        line = self._quick if ticket.quick else self._slow
        ranks = (self._rank(owner, ahead, one) for owner, own in line.of.items() for ahead, one in enumerate(own))
        own_rank = self._rank(ticket.owner, list(line.of[ticket.owner]).index(ticket), ticket)
        before = sum(rank <= own_rank for rank in ranks)
        return before + (0 if ticket.quick else len(self._quick))

    def _rank(self, owner: str, ahead: int, ticket: _Ticket) -> tuple[int, int, int]:
        """Owners in turn: the one with the fewest that read or come before; of several, the one that waits longest."""
        return self._reading_of[owner] + ahead, self._latest.get(owner, 0), ticket.number

    def _head(self, line: _Line) -> _Ticket | None:
        firsts = ((owner, next(iter(own))) for owner, own in line.of.items())
        return min((ticket for _, ticket in firsts), key=lambda one: self._rank(one.owner, 0, one), default=None)

    def _call_next(self) -> None:
        """Give out the turns that there are. Under the lock."""
        while ticket := self._next():
            self._begin(ticket)
            ticket.called.set()

    def _next(self) -> _Ticket | None:
        """Who may begin now."""
        quick, slow = self._head(self._quick), self._head(self._slow)
        if quick is not None and self._may_begin(quick, slow):
            return quick
        if slow is not None and self._may_begin(slow, slow):
            return slow
        return None

    def _may_begin(self, ticket: _Ticket, slow: _Ticket | None) -> bool:
        """Whether one of the two that come first may; `slow` is the one of the slow lane."""
        beside = self._may_read_beside(ticket)
        if len(self._since_s) >= self._at_once and not beside:
            return False
        kept_free = self._at_once > 1 and self._reading_slow >= self._at_once - 1
        slow_may = slow is not None and (not kept_free or (beside and not ticket.quick))
        overdue = slow_may and self._quick_in_a_row >= QUICK_IN_A_ROW
        if ticket.quick:
            return not overdue
        return slow_may and (overdue or beside or not self._quick.of)

    def _may_read_beside(self, ticket: _Ticket) -> bool:
        """Whether so many have read for long that one more is let in, of an owner who reads nothing."""
        if self._most <= self._at_once or self._reading_of[ticket.owner] or len(self._since_s) >= self._most:
            return False
        now_s = time.monotonic()
        recent = sum(1 for since_s in self._since_s.values() if now_s - since_s < LONG_S)
        return recent < self._at_once

    def _begin(self, ticket: _Ticket) -> None:
        self._turns += 1
        ticket.begun = True
        self._since_s[ticket] = time.monotonic()
        self._latest[ticket.owner] = self._turns
        self._reading_of[ticket.owner] += 1
        (self._quick if ticket.quick else self._slow).remove(ticket)
        self._reading_slow += not ticket.quick
        self._quick_in_a_row = self._quick_in_a_row + 1 if ticket.quick else 0


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
