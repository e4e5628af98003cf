"""Holds the answers of stand-ins half-way, so that something can be done in mid-job for certain."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.faults.scripts import Asked, serve


@dataclass
class Authenticator:
    """Holds every answer half-way until it is opened."""

    opened: threading.Event = field(default_factory=threading.Event)
    waiting: list[str] = field(default_factory=list)

    def script(self, name: str) -> Callable[[Asked], Iterator[bytes]]:
        """What a stand-in of this name answers."""

        def answer(asked: Asked) -> Iterator[bytes]:
            pieces = serve(asked)
            yield b"".join(itertools.islice(pieces, len(asked.packets) // 2))
            self.waiting.append(name)
            while not self.opened.wait(0.02):
                if asked.gone():
                    return
            yield b"".join(pieces)

        return answer

    def close(self) -> None:
        """Hold what is asked from now on."""
        self.opened.clear()
        self.waiting.clear()
