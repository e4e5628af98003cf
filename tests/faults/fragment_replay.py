"""A postman who brings fragments twice, late and in the wrong order. For `disturbances`."""

from __future__ import annotations

import threading
from typing import Any

import amqp

from docket.bus.topology import FRAGMENT_SHARDS, FRAGMENTS, fragment_queue
from tests.services.amqp_client import connect

PAUSE_S = 0.005
MOST_PAUSES = 200
"""After so many in a row nothing more is coming, and what was kept back is handed on."""
REPEAT_EVERY = 3
"""Of so many fragments one is brought twice, and an old one with it."""


class BadPostman:
    """Stands between the workers and the collector, for as long as the context lasts."""

    def __init__(self, url: str) -> None:
        """`url` is the address of the broker and of the vhost."""
        self.swapped = 0
        """Pairs that were handed on the wrong way round: one per shard at most, so that a repetition is spared."""
        self.repeated = 0
        """Fragments that were handed on once more, long after or at once."""
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman")
        self._held: dict[int, Any] = {}
        self._old: list[tuple[int, Any]] = []
        self._swapped_shards: set[int] = set()

    def __enter__(self) -> BadPostman:
        """Bend the bindings; every fragment from now on goes through here."""
        self._connection = connect(self._url)
        self._channel = self._connection.channel()
        self._channel.auto_decode = False
        for shard in range(FRAGMENT_SHARDS):
            self._channel.queue_declare(_bag(shard), durable=False, auto_delete=False)
            self._channel.queue_bind(_bag(shard), FRAGMENTS, str(shard))
            self._channel.queue_unbind(fragment_queue(shard), FRAGMENTS, str(shard))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Bend the bindings back and hand on what is left."""
        self._stop.set()
        self._thread.join(20)
        for shard in range(FRAGMENT_SHARDS):
            self._channel.queue_bind(fragment_queue(shard), FRAGMENTS, str(shard))
            self._channel.queue_unbind(_bag(shard), FRAGMENTS, str(shard))
            while self._carry(shard):
                pass
            self._channel.queue_delete(_bag(shard))
        self._connection.close()

    def _run(self) -> None:
        idle = 0
        while not self._stop.is_set():
            carried = [self._carry(shard) for shard in range(FRAGMENT_SHARDS)]
            idle = 0 if any(carried) else idle + 1
            if idle:
                self._stop.wait(PAUSE_S)
            if idle > MOST_PAUSES:
                for shard in list(self._held):
                    self._hand_on(shard, self._held.pop(shard))

    def _carry(self, shard: int) -> bool:
        """Take one fragment out of the bag and hand it on, or keep it back until the next has gone."""
        message = self._channel.basic_get(_bag(shard), no_ack=True)
        if message is None:
            return False
        self._old.append((shard, message))
        if message.headers.get("kind") == "data" and shard not in self._swapped_shards:
            self._swapped_shards.add(shard)
            self._held[shard] = message
            return True
        self._hand_on(shard, message)
        if shard in self._held:
            self._hand_on(shard, self._held.pop(shard))
            self.swapped += 1
        if len(self._old) % REPEAT_EVERY == 0:
            for earlier in (self._old[len(self._old) // 2], self._old[-1]):
                self._hand_on(*earlier)
                self.repeated += 1
        return True

    def _hand_on(self, shard: int, message: Any) -> None:
        # py-amqp gives an empty body as text, and text would have to have an encoding.
        again = amqp.Message(message.body or b"", **message.properties)
        self._channel.basic_publish(again, exchange="", routing_key=fragment_queue(shard))


def _bag(shard: int) -> str:
    return f"postman.{shard}"
