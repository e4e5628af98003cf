"""Publishers lent for one message at a time, so that there are only as many connections as are used at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from docket.bus.interface import Broker, Publisher


class PublisherPool:
    """For any number of threads. A message that must not overtake another is sent after that one's confirm."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[Publisher] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Publisher]:
        with self._lock:
            publisher = self._idle.pop() if self._idle else None
        if publisher is None:
            publisher = self._broker.publisher(self._name)
        try:
            yield publisher
        finally:
            with self._lock:
                closed = self._closed
                if not closed:
                    self._idle.append(publisher)
            if closed:
                publisher.close()

    def close(self) -> None:
        """Close them all, those that are lent when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for publisher in idle:
            publisher.close()
