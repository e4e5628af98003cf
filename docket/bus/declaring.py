"""What a service needs of the broker at its start, when that may not be there yet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from docket.bus.interface import Broker
from docket.bus.retry import BrokerBackoff
from docket.errors import BusError, BusLost, NotDeclared

log = logging.getLogger(__name__)


def until_broker(attempt: Callable[[], object], stop: threading.Event) -> bool:
    """Make the attempt until the broker is there and lets it through; False if asked to stop before that.

    Raises what the attempt raises but BusLost and NotDeclared.
    """
    backoff = BrokerBackoff()
    known: type[BusError] | None = None
    while not stop.is_set():
        try:
            attempt()
            return True
        except (BusLost, NotDeclared) as error:
            # One line per outage: the rest of the attempts say nothing new.
            log.log(logging.DEBUG if known is type(error) else logging.WARNING, "waiting for the broker: %s", error)
            known = type(error)
            stop.wait(backoff.next_s(error))
    return False


def declare_when_possible(broker: Broker, sources: Sequence[str], role: str, stop: threading.Event) -> bool:
    """Declare the topology; False if asked to stop before that. Raises TopologyMismatch."""
    return until_broker(lambda: broker.declare(sources, role), stop)
