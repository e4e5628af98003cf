"""A whole sensor on RabbitMQ whose two sources hold their answers half-way, as long as a test wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docket.bus import topology
from docket.bus.factory import open_broker
from docket.bus.messages import encode
from docket.domain.event import EventMessage
from docket.domain.timewindow import format_us
from tests.browser.server import Server
from tests.faults.certificates import Authority
from tests.faults.halfway import Authenticator
from tests.faults.packets import udp
from tests.faults.stand_in import StandIn
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

START_US = 1_790_000_000_000_000
PACKETS = 3_000
STEP_US = 5_000
END_US = START_US + 2 * PACKETS * STEP_US
START, END = format_us(START_US), format_us(END_US)
MOST_BYTES = "50MB"
SOURCES = ("rock01:em1", "rock01:em2")


@dataclass
class Held:
    """Web, collector and workers are processes of their own; the sources are stand-ins for stenographer."""

    sensor: Sensor
    server: Server
    gate: Authenticator
    sources: dict[str, StandIn]
    bus_url: str

    def hold(self) -> None:
        """From now on, answers stop half-way."""
        for name, source in self.sources.items():
            source.script = self.gate.script(name)
        self.gate.close()

    def release(self) -> None:
        self.gate.opened.set()

    def settle(self) -> None:
        """Let every answer go on to its end, so that the next test finds the sources idle."""
        self.release()
        idle = "the sources have no more queries"
        wait_until(lambda: not any(source.open_queries for source in self.sources.values()), idle, timeout_s=30.0)

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Ask for everything; returns once both sources are half-way and the first packets are told."""
        before = len(self.gate.waiting)
        job = self.server.ask(**self._question(fields))
        wait_until(lambda: len(self.gate.waiting) == before + 2, "both sources are half-way", timeout_s=30.0)
        wait_until(lambda: self.server.job(job["id"])["packets"] > 0, "the first packets are told", timeout_s=30.0)
        return job

    def finished(self, **fields: Any) -> dict[str, Any]:
        """Ask for everything and wait for the end, which must not be held up."""
        return self.server.finished(**self._question(fields))

    def _question(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"query": "udp", "after": START, "before": END, "sources": list(SOURCES), **fields}


def publish(held: Held, event: EventMessage) -> None:
    """Say something on the bus, as anybody with access to it can."""
    broker = open_broker(held.bus_url, {})
    try:
        publisher = broker.publisher("hostile")
        publisher.publish(topology.EVENTS, event.event.value, encode(event), persistent=False)
        publisher.close()
    finally:
        broker.close()


@contextmanager
def running_sensor(directory: Path, bus_url: str) -> Iterator[Held]:
    """Two sources with every second packet each."""
    packets = [udp(START_US + number * STEP_US, size=60 + number % 900) for number in range(2 * PACKETS)]
    gate = Authenticator()
    authority = Authority(directory / "ca")
    client = authority.issue("client")
    with StandIn(packets[::2], authority) as one, StandIn(packets[1::2], authority) as two:
        sources = dict(zip(SOURCES, (one, two), strict=True))
        entries = [
            {
                "name": name,
                "kind": "stenographer",
                "url": source.url,
                "cert": str(client.cert),
                "key": str(client.key),
                "ca": str(authority.ca.cert),
                "flush_lag": "0s",
            }
            for name, source in sources.items()
        ]
        sensor = Sensor(
            directory, bus_url, entries, jobs={"max_bytes": MOST_BYTES}, web={"trusted_proxies": ["127.0.0.1"]}
        )
        server = Server(sensor.url)
        try:
            sensor.start_all()
            yield Held(sensor, server, gate, sources, bus_url)
        finally:
            gate.opened.set()
            sensor.stop()
            server.http.close()
