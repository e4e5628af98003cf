"""How long to wait before the next attempt to reach the broker. Pure."""

from __future__ import annotations

import random

FIRST_S = 0.2
MOST_S = 10.0


class Backoff:
    """Doubles from FIRST_S to MOST_S; each wait is shortened by up to half at random, so that services that lost
    the broker together do not come back together."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def next_s(self) -> float:
        """The wait before the next attempt, in seconds."""
        chosen_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, MOST_S)
        return chosen_s

    def reset(self) -> None:
        """Begin anew, after an attempt that worked."""
        self._next_s = FIRST_S
