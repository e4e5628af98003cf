"""Two sources whose answers stop at a point until a test lets them go on, so that a blow falls in mid-job for sure."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from docket.domain.timewindow import US_PER_S
from tests.faults.certificates import Authority
from tests.faults.packets import udp
from tests.faults.scripts import Asked, serve
from tests.faults.stand_in import StandIn

START_US = 1_699_999_980 * US_PER_S
COUNT = 4_000
STEP_US = 20_000
AFTER_US, BEFORE_US = START_US, START_US + COUNT * STEP_US
NAMES = ("rock01:em1", "rock01:em2")


class Authenticator:
    """The sources, and the point at which both wait."""

    def __init__(self, authority: Authority, chance: random.Random) -> None:
        self.packets = [udp(START_US + number * STEP_US, size=60 + number % 900) for number in range(COUNT)]
        """Of both sources; every second one belongs to the first."""
        self._chance = chance
        self._authority = authority
        self._opened = threading.Event()
        self._waiting: set[str] = set()
        self._places: dict[str, int] = {}
        self._running = ExitStack()
        self.stand_ins: list[StandIn] = []

    def __enter__(self) -> Authenticator:
        for number, name in enumerate(NAMES):
            steno = StandIn(self.packets[number :: len(NAMES)], self._authority, script=self._script(name))
            self.stand_ins.append(self._running.enter_context(steno))
        return self

    def __exit__(self, *exc: object) -> None:
        self.open()
        self._running.close()

    def close(self) -> None:
        """Let the next answers wait, each at a random point."""
        self._opened.clear()
        self._waiting.clear()
        self._places = {name: self._chance.randrange(COUNT // len(NAMES)) for name in NAMES}

    def open(self) -> None:
        """Let them go on, and all that come later."""
        self._opened.set()

    @property
    def all_wait(self) -> bool:
        return len(self._waiting) == len(NAMES)

    def sources(self, settings: dict[str, Any]) -> list[dict[str, Any]]:
        """The entries for a configuration."""
        pairs = zip(NAMES, self.stand_ins, strict=True)
        return [settings | {"name": name, "url": steno.url} for name, steno in pairs]

    def _script(self, name: str) -> Callable[[Asked], Iterator[bytes]]:
        def answer(asked: Asked) -> Iterator[bytes]:
            pieces = serve(asked)
            yield b"".join(itertools.islice(pieces, self._places.get(name, 0)))
            self._waiting.add(name)
            while not self._opened.wait(0.02):
                if asked.gone():
                    return
            # In several pieces, so that there are several fragments.
            while piece := b"".join(itertools.islice(pieces, COUNT // 8)):
                yield piece

        return answer
