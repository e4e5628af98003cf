"""What hits a running Docket, at random. One thread deals all blows: the services die with the one that starts them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from tests.chaos.questions import NAMES
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor

WORKERS = tuple(f"worker:{name}" for name in NAMES)


class Blows:
    """Deals blows and counts them. `hard` ones, on the broker, take several seconds each."""

    def __init__(self, sensor: Sensor, broker: Broker, chance: random.Random) -> None:
        self.dealt: Counter[str] = Counter()
        self._sensor = sensor
        self._broker = broker
        self._chance = chance
        self._down: list[str] = []
        self._light: list[tuple[int, str, Callable[[], None]]] = [
            (4, "worker killed", lambda: self._kill(chance.choice(WORKERS))),
            (2, "worker stopped", lambda: self._stop(chance.choice(WORKERS))),
            (3, "collector killed", lambda: self._kill("collector")),
            (1, "collector stopped", lambda: self._stop("collector")),
            (3, "web killed", lambda: self._kill("web")),
            (2, "inspector killed", lambda: self._kill("inspector")),
            (1, "two killed at once", lambda: self._kill("collector", chance.choice(WORKERS))),
            (1, "connections cut", self._cut),
        ]

    def light(self) -> None:
        """One on a service, or on connections."""
        weights = [weight for weight, _, _ in self._light]
        [(_, name, deal)] = self._chance.choices(self._light, weights)
        self.dealt[name] += 1
        deal()

    def hard(self, name: str) -> None:
        """One on the broker: "broker restarted" or "broker killed"."""
        self.dealt[name] += 1
        if name == "broker killed":
            self._broker.kill()
        else:
            self._broker.stop()
        self._broker.start()

    def raise_some(self) -> None:
        """Start what is down, mostly; else it lies for a round longer."""
        if self._chance.random() < 0.8:
            self.raise_all()

    def raise_all(self) -> None:
        """Start whatever is down."""
        for service in self._down:
            self._sensor.start(service)
        self._down.clear()

    def _kill(self, *services: str) -> None:
        for service in services:
            if service in self._sensor.children:
                self._sensor.kill(service)
                self._down.append(service)

    def _stop(self, service: str) -> None:
        if service in self._sensor.children:
            self._sensor.children.pop(service).stop()
            self._down.append(service)

    def _cut(self) -> None:
        self._broker.close_connections(abruptly=self._chance.random() < 0.5)
