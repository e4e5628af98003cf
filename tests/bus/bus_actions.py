"""What the tests of the bus do with a broker: take messages, and close everything they opened."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from docket.bus.interface import Broker, Consumer, Delivery, Publisher
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from tests.services.waiting import wait_until


@contextmanager
def opened(url: str) -> Iterator[AmqpBroker]:
    """A service's connection to the RabbitMQ at this address, closed at the end."""
    bus = AmqpBroker(parse_address(url, {}))
    try:
        yield bus
    finally:
        bus.close()


@contextmanager
def receiving(
    bus: Broker, queues: Sequence[str], *, prefetch: int = 10, listen: Sequence[str] = (), name: str = "receiver"
) -> Iterator[Consumer]:
    """A receiver that is connected and consumes, closed at the end."""
    receiver = bus.receiver(name, queues, prefetch=prefetch, listen=listen)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def publishing(bus: Broker, name: str = "publisher") -> Iterator[Publisher]:
    """A publisher, closed at the end."""
    publisher = bus.publisher(name)
    try:
        yield publisher
    finally:
        publisher.close()


def take(receiver: Consumer, timeout_s: float = 10.0) -> Delivery:
    """The next message; fails if none comes."""
    delivery = wait_until(lambda: receiver.receive(0.2), "a message", timeout_s=timeout_s, step_s=0.0)
    assert delivery is not None
    return delivery


def take_bodies(receiver: Consumer, count: int) -> list[bytes]:
    """Take and acknowledge so many messages; their bodies in order."""
    bodies = []
    for _ in range(count):
        delivery = take(receiver)
        bodies.append(delivery.body)
        delivery.ack()
    return bodies


def settle_now(receiver: Consumer) -> None:
    """Let the receiver carry out what was settled; expects that no further message is there."""
    assert receiver.receive(0.0) is None


def attach(receiver: Consumer) -> None:
    """Make a receiver consume and listen before anything is published; expects empty queues."""
    wait_until(lambda: receiver.receive(0.0) is None and receiver.connected, "the receiver to be connected")
