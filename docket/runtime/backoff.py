"""How long to wait before the next attempt at something that is away. The one back-off. Pure."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` to `most_s`; each wait is shortened by up to half at random, so that services that lost
    the same thing together do not come back together."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The wait before the next attempt, in seconds."""
        chosen_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, self._most_s)
        return chosen_s

    def reset(self) -> None:
        """Begin again, after an attempt that worked."""
        self._next_s = self._first_s
