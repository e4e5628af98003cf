"""A service that waits for the broker at its start."""

import threading

from docket.cli.service_factory import RetryUntilBroker
from docket.errors import BusError, BusLost, NotDeclared


class Fickle:
    """Fails to join the bus before it has begun, as often as the list has entries."""

    def __init__(self, losses: list[BusError]) -> None:
        self._losses = losses

    def run(self, _stop: threading.Event) -> None:
        if self._losses:
            raise self._losses.pop()


def test_a_bus_that_goes_away_once_more_is_waited_for() -> None:
    """The broker is gone when the service begins, or a queue is not there yet: a new one is made, until it can."""
    losses: list[BusError] = [NotDeclared("no queue yet"), BusLost("gone")]
    made: list[Fickle] = []

    def make() -> Fickle:
        made.append(Fickle(losses))
        return made[-1]

    RetryUntilBroker(make).run(threading.Event())
    assert (len(made), losses) == (3, [])
