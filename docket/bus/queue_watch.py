"""How full the queues are, a few of them at each look: for the collector, whose heartbeat carries it to the web app.

Its rights show it every queue, those of the web app none (RabbitMQ 4.2.6 and later). Each heartbeat looks at a few
queues in turn, so that many sources do not hold up the collector.
"""

from __future__ import annotations

from collections.abc import Iterable

from docket.bus import topology
from docket.bus.interface import Broker
from docket.errors import BusLost, QueueHidden

MOST_AT_ONCE = 12
"""A look takes the broker a millisecond or two. A sensor of a few interfaces is seen whole with every heartbeat."""


class QueueWatch:
    """Remembers what it saw."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: dict[str, tuple[int, int]] = {}
        self._waiting: list[str] = []
        """The queues whose turn is still to come."""

    def look(self, sources: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Messages and consumers of each queue that was seen. Empty while the bus is away."""
        wanted = [queue.name for queue in topology.queues(sources)]
        self._waiting = [name for name in self._waiting if name in wanted] or wanted
        turn, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        for name in turn:
            self._known.pop(name, None)
            try:
                depth = self._broker.depth(name)
            except QueueHidden:
                continue
            except BusLost:
                self._known.clear()
                break
            self._known[name] = (depth.messages, depth.consumers)
        self._known = {name: self._known[name] for name in wanted if name in self._known}
        return dict(self._known)
