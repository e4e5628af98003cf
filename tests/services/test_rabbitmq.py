"""The private RabbitMQ does what the tests of the bus and of the faults ask of it."""

import socket

import amqp
import pika
import pytest
from kombu.connection import Connection
from kombu.entity import Queue

from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq


def _publish(url: str, queue: Queue, body: bytes) -> None:
    with Connection(url, transport_options={"confirm_publish": True}) as connection:
        connection.Producer().publish(body, routing_key=queue.name, declare=[queue], delivery_mode=2)


def test_vhost_is_fresh(broker: Broker, vhost: str) -> None:
    """A test's vhost exists, and nothing is in it."""
    assert (vhost in broker.vhosts(), broker.queue_depths(vhost)) == (True, {})


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_message_is_counted_and_survives_a_restart(broker: Broker, vhost: str, amqp_url: str, kind: str) -> None:
    """A durable message is in the queue's depth, before and after the broker was restarted."""
    _publish(amqp_url, Queue("durable", queue_arguments={"x-queue-type": kind}), b"kept")
    wait_until(lambda: broker.queue_depths(vhost) == {"durable": 1}, "the depth to be 1")

    broker.restart()

    wait_until(lambda: broker.queue_depths(vhost) == {"durable": 1}, "the depth to be 1 again")


def test_killed_broker_comes_back_on_its_address(broker: Broker, vhost: str, amqp_url: str) -> None:
    """After kill and start the same address works and the vhost is still there."""
    broker.kill()
    refused = amqp_url.partition("@")[2].partition("/")[0].split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((refused[0], int(refused[1])), timeout=1.0)

    broker.start()

    with Connection(amqp_url) as connection:
        connection.connect()
        assert vhost in broker.vhosts()


@pytest.mark.parametrize("abruptly", [False, True])
def test_connections_are_closed_on_demand(broker: Broker, amqp_url: str, abruptly: bool) -> None:
    """A client whose connection the test closes hears of it at its next read."""
    with Connection(amqp_url) as connection:
        connection.connect()
        assert broker.close_connections(abruptly=abruptly) == 1
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=5.0)


def test_memory_alarm_blocks_publishers(broker: Broker, amqp_url: str) -> None:
    """While the alarm is on a publisher is told that it is blocked; after it, publishing works."""
    parameters = pika.URLParameters(amqp_url)
    parameters.blocked_connection_timeout = 0.2
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    broker.set_memory_alarm(True)

    def publish() -> None:
        # Each connection learns of the alarm in its own time, and takes what comes before.
        for _ in range(10_000):
            channel.basic_publish("", "nobody", b"held")

    with pytest.raises(pika.exceptions.ConnectionBlockedTimeout):
        publish()

    broker.set_memory_alarm(False)

    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as again:
        channel = again.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.UnroutableError):
            channel.basic_publish("", "nobody", b"through", mandatory=True)


def test_permissions_of_a_user_hold(broker: Broker, vhost: str) -> None:
    """A user may do what the permissions say, and is refused the rest with 403."""
    broker.add_user("narrow", "secret")
    broker.set_permissions("narrow", vhost, configure="^mine$", write="^$", read="^mine$")
    expected = {"configure": "^mine$", "write": "^$", "read": "^mine$"}
    try:
        assert broker.permissions(vhost)["narrow"] == expected
        with Connection(broker.url(vhost, "narrow", "secret")) as connection:
            Queue("mine", durable=False)(connection).declare()
            with pytest.raises(amqp.exceptions.AccessRefused):
                Queue("other", durable=False)(connection).declare()
    finally:
        broker.drop_user("narrow")


def test_definitions_are_imported(broker: Broker, vhost: str) -> None:
    """What a definitions file declares is there afterwards."""
    broker.import_definitions(
        {"queues": [{"name": "from-file", "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}]}
    )
    assert broker.queue_depths(vhost) == {"from-file": 0}


def test_refused_order_is_an_error(broker: Broker) -> None:
    """An order that the broker cannot carry out raises and names the order."""
    with pytest.raises(RuntimeError, match="rabbit_vhost:delete"):
        broker.drop_vhost("never-made")
