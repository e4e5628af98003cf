"""Fixtures for the tests of the bus: each broker behind the same face, and helpers that wait."""

from collections.abc import Iterator

import pytest

from docket.bus.interface import Broker
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker

SOURCE = "rock01:em1"


@pytest.fixture
def amqp_bus(amqp_url: str) -> Iterator[AmqpBroker]:
    """A declared topology, with one source, in a vhost of its own on the real RabbitMQ."""
    bus = AmqpBroker(parse_address(amqp_url, {}), "tests")
    bus.declare([SOURCE])
    yield bus
    bus.close()


@pytest.fixture
def embedded_bus() -> Iterator[MemoryBroker]:
    """A declared topology, with one source, in memory."""
    bus = MemoryBroker()
    bus.declare([SOURCE])
    yield bus
    bus.close()


@pytest.fixture(params=["embedded", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def bus(request: pytest.FixtureRequest) -> Broker:
    """Either broker: what is tested with it holds for both."""
    chosen: Broker = request.getfixturevalue(f"{request.param}_bus")
    return chosen
