"""How long to wait before the next attempt to reach the broker. Pure."""

from __future__ import annotations

import time

from docket.errors import BusRefused, QueueHidden
from docket.runtime.backoff import Backoff

FIRST_S = 0.2
MOST_S = 10.0

REFUSED_FIRST_S = 5.0
REFUSED_MOST_S = 60.0
"""After a refusal: only a person can mend it, and RabbitMQ writes each attempt into its log as an error."""

UNSEEN_S = 600.0
"""For how long a queue that this user may not look at is not looked at again."""


class BrokerBackoff:
    """Two back-offs: one for a broker that is away, and a slower one after a refusal."""

    def __init__(self) -> None:
        self._away = Backoff(FIRST_S, MOST_S)
        self._refused = Backoff(REFUSED_FIRST_S, REFUSED_MOST_S)

    def next_s(self, error: BaseException | None = None) -> float:
        """The wait before the next attempt, in seconds."""
        return (self._refused if isinstance(error, BusRefused) else self._away).next_s()

    def reset(self) -> None:
        """Begin again, after an attempt that worked."""
        self._away.reset()
        self._refused.reset()


class Unseen:
    """Queues that this user may not look at: each is asked for again only after UNSEEN_S."""

    def __init__(self) -> None:
        self._until_s: dict[str, tuple[float, str]] = {}

    def check(self, queue: str) -> None:
        """Raises QueueHidden, with the words of last time, where it is too early to ask again."""
        until_s, why = self._until_s.get(queue, (0.0, ""))
        if time.monotonic() < until_s:
            raise QueueHidden(why)

    def add(self, queue: str, error: QueueHidden) -> None:
        self._until_s[queue] = time.monotonic() + UNSEEN_S, str(error)
