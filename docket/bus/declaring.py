"""Declaring the topology at the start of a service, when the broker may not be there yet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from docket.bus.interface import Broker
from docket.bus.retry import Backoff
from docket.errors import BusLost

log = logging.getLogger(__name__)


def declare_when_possible(broker: Broker, sources: Sequence[str], role: str, stop: threading.Event) -> bool:
    """Declare as soon as the broker is there and lets us in; False if asked to stop before that.

    Raises TopologyMismatch.
    """
    backoff = Backoff()
    known: type[BusLost] | None = None
    while not stop.is_set():
        try:
            broker.declare(sources, role)
            return True
        except BusLost as error:
            # One line per outage: the rest of the attempts say nothing new.
            log.log(logging.DEBUG if known is type(error) else logging.WARNING, "waiting for the broker: %s", error)
            known = type(error)
            stop.wait(backoff.next_s(error))
    return False
