"""A service that waits for the broker at its start."""

import threading

from docket.bus.embedded import EmbeddedBroker
from docket.cli.assembly import Patient
from docket.errors import BusLost


class Fickle:
    """Loses the bus before it has begun, as often as the list has entries."""

    def __init__(self, losses: list[str]) -> None:
        self._losses = losses

    def run(self, _stop: threading.Event) -> None:
        if self._losses:
            raise BusLost(self._losses.pop())


def test_a_bus_that_goes_away_once_more_is_waited_for() -> None:
    """The broker was there for a moment and is gone when the service begins: a new one is made, until it can."""
    losses = ["first", "second"]
    made: list[Fickle] = []

    def make() -> Fickle:
        made.append(Fickle(losses))
        return made[-1]

    Patient(EmbeddedBroker(), ["rock01:em1"], make).run(threading.Event())
    assert (len(made), losses) == (3, [])
