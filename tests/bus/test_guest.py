"""RabbitMQ's own user: who uses it, and whether a broker lets it in."""

import pytest

from docket.bus.rabbitmq.guest import guest_enters, is_local, uses_guest
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("amqp://guest:guest@127.0.0.1:5672/%2F", True),
        ("amqp://", True),
        ("amqp://guest:another@127.0.0.1/", False),
        ("amqp://docket:secret@127.0.0.1/docket", False),
    ],
)
def test_known_password_is_seen(url: str, used: bool) -> None:
    """Also where the address names no user; guest with another password is no secret that everybody knows."""
    assert uses_guest(url, {}) is used


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("[::1]", True), ("localhost", True), ("broker.example", False)],
)
def test_broker_of_this_machine(host: str, local: bool) -> None:
    """The loopback, by address or by name."""
    assert is_local(f"amqp://a:b@{host}/", {}) is local


@pytest.mark.rabbitmq
def test_guest_is_tried(broker: Broker) -> None:
    """It enters a broker with its usual password, whatever the vhost; not one where no one answers."""
    assert guest_enters(broker.url("/", "docket", "secret"), {})
    assert guest_enters(broker.url("no-such-vhost", "docket", "secret"), {})
    assert not guest_enters(f"amqp://docket:secret@127.0.0.1:{free_port()}/", {})
