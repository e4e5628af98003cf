"""The jobs that one source has in hand: those that are read, and those that wait, in shares per owner.

For `job_runner`, under its lock. A job that waits is a few kilobytes here; one that has begun costs a thread. So jobs
begin only as there are places, and no owner has all of them: each may hold at most half of what the others leave. A job
whose window lies in the future takes no place before that has passed.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

from docket.bus.interface import Delivery
from docket.domain.request import Request

PLACES = 64
"""Jobs of one source that have begun: most of them wait for packets to be written, or for their turn to read."""
MOST_JOBS = 8_000
MOST_BYTES = 32 * 1024 * 1024
"""What may wait at one source. Beyond either, the owner who holds most gives up the newest of his."""

T = TypeVar("T")


class Ending(Enum):
    """Why a job is no longer read here."""

    DONE = auto()
    FINAL = auto()
    """The job is closed or cancelled: its packets are not wanted."""
    SUPERSEDED = auto()
    """A later attempt of the same job came."""
    LATE = auto()
    """The deadline has come; the collector says so."""
    LEAVING = auto()
    """This worker stops: the next one reads it again."""


@dataclass(eq=False)
class ActiveJob:
    """A job that has begun or waits to. Under the lock of its `JobRunner`, but for `stop`."""

    request: Request
    base: int
    """The attempt that the message asked for; redeliveries of the same message have the same."""
    attempt: int
    deliveries: list[Delivery]
    """The message, once per time it was delivered; those of lost connections settle to nothing."""
    answered: bool = False
    """The whole answer is on the bus; the message need not come again, even if this worker leaves. Without it, the
    message goes only when the job waits for no answer any more."""
    owner: str = ""
    """Whose share of the source it takes."""
    stop: threading.Event = field(default_factory=threading.Event)
    ending: Ending = Ending.DONE
    thread: threading.Thread | None = None


class Place(NamedTuple):
    """What a job waits for."""

    own_ahead: int
    """Jobs of the same owner that begin before it."""
    others: int
    """Other owners with jobs that wait."""


@dataclass(slots=True)
class _Waiting(Generic[T]):
    item: T
    owner: str
    size_bytes: int
    due_us: int


class WaitingJobs(Generic[T]):
    """Jobs by id, per owner in the order in which they came."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._by_owner: dict[str, dict[str, _Waiting[T]]] = {}
        self._owner_of: dict[str, str] = {}
        self._bytes: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._turn: dict[str, int] = {}
        """When each owner's latest job began, as a running number."""
        self._turns = 0

    def __len__(self) -> int:
        return len(self._owner_of)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._owner_of

    def put(self, job_id: str, item: T, *, owner: str, size_bytes: int, due_us: int) -> T | None:
        """Let a job wait; gives one that has no room any more, which may be this one."""
        self._by_owner.setdefault(owner, {})[job_id] = _Waiting(item, owner, size_bytes, due_us)
        self._owner_of[job_id] = owner
        self._bytes[owner] += size_bytes
        if len(self) <= MOST_JOBS and self._bytes.total() <= MOST_BYTES:
            return None
        greedy = max(
            self._by_owner, key=lambda one: self._bytes[one] / MOST_BYTES + len(self._by_owner[one]) / MOST_JOBS
        )
        return self.discard(next(reversed(self._by_owner[greedy])))

    def discard(self, job_id: str) -> T | None:
        """Take a job out; None if it does not wait."""
        owner = self._owner_of.pop(job_id, None)
        if owner is None:
            return None
        waiting = self._by_owner[owner].pop(job_id)
        self._bytes[owner] -= waiting.size_bytes
        if not self._by_owner[owner]:
            del self._by_owner[owner], self._bytes[owner]
        return waiting.item

    def begin(self, now_us: int) -> T | None:
        """Take out the job that begins next, and give its owner a place; None if none can begin now."""
        if self._begun.total() >= self._places:
            return None
        for owner in sorted(self._by_owner, key=lambda one: (self._begun[one], self._turn.get(one, 0))):
            if self._begun[owner] >= self._share(owner):
                continue
            due = next((job_id for job_id, one in self._by_owner[owner].items() if one.due_us <= now_us), None)
            if due is not None:
                self._turns += 1
                self._begun[owner] += 1
                self._turn[owner] = self._turns
                return self.discard(due)
        return None

    def end(self, owner: str) -> None:
        """A job of this owner that had begun is over."""
        self._begun[owner] -= 1
        if self._begun[owner] <= 0:
            del self._begun[owner]
            self._turn.pop(owner, None)

    def place(self, job_id: str, now_us: int) -> Place | None:
        """What a job waits for beside its time; None for one that does not wait, or not for others."""
        owner = self._owner_of.get(job_id)
        if owner is None or self._by_owner[owner][job_id].due_us > now_us:
            return None
        own = self._by_owner[owner]
        ahead = 0
        for other, waiting in own.items():
            if other == job_id:
                break
            ahead += waiting.due_us <= now_us
        return Place(ahead, len(self._by_owner) - 1)

    def _share(self, owner: str) -> int:
        others = self._begun.total() - self._begun[owner]
        return max((self._places - others) // 2, 1)
