"""Commands that wait to be carried out, with turns for their senders. For the collector.

Taking a job up costs milliseconds, so of a thousand questions of one user those of all others would be late by seconds.
Here they wait as they came, for a few microseconds each, and senders take turns. Commands about one job stay in order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from docket.bus.interface import Delivery
from docket.bus.senders import sender
from docket.domain.decoding import prepare

PREFETCH = 4_096
"""Commands in hand."""
MOST_TAKEN = 16
"""Carried out in one turn at most, beside the fragments."""
MOST_BYTES = 16 * 1024 * 1024
"""Beyond this, no more is taken in before some of it was carried out."""


class _Heading(msgspec.Struct):
    """What must be known of a command to put it in its place."""

    id: str = ""
    owner: str | None = None


class CommandQueue:
    """A line per sender."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[tuple[str, Delivery]]] = {}
        """The sender whose turn it is comes first."""
        self._line_of: dict[str, str] = {}
        """The sender in whose line a job is, for the jobs whose commands wait."""
        self._commands: Counter[str] = Counter()
        """How many commands wait about each job."""
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        return self._bytes > MOST_BYTES or len(self) >= PREFETCH

    def put(self, delivery: Delivery) -> None:
        heading = _heading(bytes(delivery.body))
        name = self._line_of.setdefault(heading.id, sender(delivery.user_id, heading.owner or "", delivery.account))
        self._lines.setdefault(name, deque()).append((heading.id, delivery))
        self._commands[heading.id] += 1
        self._count += 1
        self._bytes += len(delivery.body)

    def next(self, generation: int) -> Delivery | None:
        """Take the next one out; those that the broker has taken back are forgotten."""
        while self._lines:
            name, line = next(iter(self._lines.items()))
            job_id, delivery = line.popleft()
            del self._lines[name]
            if line:
                self._lines[name] = line
            self._bytes -= len(delivery.body)
            self._commands[job_id] -= 1
            self._count -= 1
            if not self._commands[job_id]:
                del self._commands[job_id], self._line_of[job_id]
            if delivery.generation == generation:
                return delivery
        return None

    def take(self, generation: int, *, one_each: bool = False) -> Iterator[Delivery]:
        """Take some out, in turn; with `one_each` no more than one of each sender.

        That is for while answers wait: jobs that are nearly done come before more of the jobs of one user.
        """
        for _ in range(min(len(self._lines), MOST_TAKEN) if one_each else MOST_TAKEN):
            delivery = self.next(generation)
            if delivery is None:
                return
            yield delivery

    def of_job(self, job_id: str, generation: int) -> list[Delivery]:
        """Take out what waits about a job, in order."""
        name = self._line_of.pop(job_id, None)
        if name is None:
            return []
        line = self._lines.pop(name)
        taken = [delivery for other, delivery in line if other == job_id]
        rest = deque(item for item in line if item[0] != job_id)
        if rest:
            self._lines[name] = rest
        self._bytes -= sum(len(delivery.body) for delivery in taken)
        self._count -= self._commands.pop(job_id)
        return [delivery for delivery in taken if delivery.generation == generation]


def _heading(body: bytes) -> _Heading:
    """What cannot be read waits with what names no sender, and is refused when its turn comes."""
    try:
        return msgspec.json.decode(body, type=_Heading)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Heading()


prepare(_Heading)
