"""Messages that no client library would send: they must end in docket.dead and must not end a service."""

import struct
from datetime import datetime
from decimal import Decimal

import amqp
import pytest

from docket.bus import topology
from docket.bus.dead_letters import REASON_HEADER, dead_headers
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.rabbitmq.consumer import _count
from tests.bus.bus_actions import publishing, receiving, settle_now, take

pytestmark = pytest.mark.rabbitmq


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(*entries: bytes) -> bytes:
    content = b"".join(entries)
    return struct.pack(">I", len(content)) + content


def nested(depth: int) -> bytes:
    """A header that is a table in a table in a table …"""
    value = b"V"
    for _ in range(depth):
        value = b"F" + table(short(b"n") + value)
    return short(b"deep") + value


HEADERS_FLAG = 1 << 13
CONTENT_TYPE_FLAG = 1 << 15

PROPERTIES = {
    "time out of range": (HEADERS_FLAG, table(short(b"t") + b"T" + struct.pack(">Q", 2**62))),
    "text that is not UTF-8": (HEADERS_FLAG, table(short(b"s") + b"S" + struct.pack(">I", 2) + b"\xff\xfe")),
    "name that is not UTF-8": (HEADERS_FLAG, table(short(b"\xff\xfe") + b"V")),
    "content type that is not UTF-8": (CONTENT_TYPE_FLAG, short(b"\xff/\xfe")),
    "tables in tables": (HEADERS_FLAG, table(nested(1500))),
    "many kinds": (
        HEADERS_FLAG,
        table(
            short(b"d") + b"D" + struct.pack(">Bi", 200, -5),
            short(b"f") + b"f" + struct.pack(">f", 1.5),
            short(b"x") + b"x" + struct.pack(">I", 3) + b"\0\xff\0",
            short(b"a") + b"A" + struct.pack(">I", 2) + b"t\1",
            short(b"t") + b"T" + struct.pack(">Q", 1),
        ),
    ),
    "huge": (HEADERS_FLAG, table(short(b"s") + b"S" + struct.pack(">I", 120_000) + b"x" * 120_000)),
}


def publish_raw(url: str, key: bytes, flags: int, properties: bytes) -> None:
    """Publish frame by frame to docket.jobs, without any library's checks, and see that the broker bears it."""
    host, _, vhost = url.partition("@")[2].partition("/")
    connection = amqp.Connection(host=host, userid="guest", password="guest", virtual_host=vhost)
    connection.connect()
    channel = connection.channel()
    body = b'{"id": "strange"}'
    method = struct.pack(">HHH", 60, 40, 0) + short(topology.JOBS.encode()) + short(key) + b"\0"
    header = struct.pack(">HHQH", 60, 0, len(body), flags) + properties
    for kind, payload in ((1, method), (2, header), (3, body)):
        connection.transport.write(struct.pack(">BHI", kind, channel.channel_id, len(payload)) + payload + b"\xce")
    # Answered only after the message was taken.
    channel.basic_qos(0, 1, False)
    connection.close()


@pytest.mark.parametrize("name", PROPERTIES)
def test_strange_properties(amqp_bus: AmqpBroker, amqp_url: str, name: str) -> None:
    """A message with strange properties arrives, can be buried, and the receiver goes on with the next."""
    flags, properties = PROPERTIES[name]
    publish_raw(amqp_url, b"job.request", flags, properties)
    with publishing(amqp_bus) as publisher, receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        take(receiver).dead("strange")
        settle_now(receiver)
        publisher.publish(topology.JOBS, "job.request", b"next")
        assert (take(receiver).body, receiver.generation) == (b"next", 1)
    with receiving(amqp_bus, [topology.DEAD_QUEUE]) as graveyard:
        letter = take(graveyard)
        assert (letter.body, letter.headers[REASON_HEADER]) == (b'{"id": "strange"}', "strange")


def test_strange_routing_key(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """A routing key that is not UTF-8 arrives with question marks, and its message can be buried."""
    publish_raw(amqp_url, b"job.\xff\xfe!", 0, b"")
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        delivery = take(receiver)
        delivery.dead("strange")
        settle_now(receiver)
        assert (delivery.routing_key, receiver.generation) == ("job.??!", 1)
    assert amqp_bus.depth(topology.DEAD_QUEUE).messages == 1


def test_how_often_a_message_came_is_the_brokers_word() -> None:
    """A publisher that says so of a new message is not believed: attempts are counted by it."""
    forged = {"x-delivery-count": 2**40}
    assert [_count(forged, False), _count({}, True), _count({"x-delivery-count": 4}, True)] == [1, 2, 5]


def test_dead_letter_headers_are_plain() -> None:
    """Values that are no JSON become texts; too many headers are left out, the reason never."""
    facts = {"reason": "r" * 5000, "exchange": "e", "routing_key": "k", "queue": "q"}
    plain = dead_headers({"t": datetime(2026, 1, 2), "d": [Decimal("1.5"), {"x": b"\xff"}]}, **facts)
    assert (plain["t"], plain["d"], len(plain[REASON_HEADER])) == (
        "2026-01-02 00:00:00",
        ["1.5", {"x": "b'\\xff'"}],
        2000,
    )
    assert "big" not in dead_headers({"big": "x" * 50_000}, **facts)
