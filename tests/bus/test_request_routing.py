"""A request comes to the queues of the sources that its headers name, and to all where they name none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Event, Thread

import kombu
import msgspec
import pytest

from docket.bus import topology
from docket.bus.addressing import HEADER, address
from docket.bus.interface import Broker, Publication
from docket.bus.messages import Order, Retry
from docket.bus.permissions import WEB, WORKER, user_definitions
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import Request
from tests.bus.bus_actions import opened, publishing, receiving, take_bodies
from tests.services.rabbitmq import Broker as RabbitMQ
from tests.services.waiting import wait_until

SENSORS = tuple(f"rock01:em{number}" for number in range(1, 6))
EM1, EM2 = SENSORS[:2]
ALL = (*SENSORS, SPOOL_SOURCE)
REQUEST = Request(id="0", query="", asked="", after_us=0, before_us=1, requested_at_us=0, sources=(EM1,))
PASSWORD = "secret"
EXCHANGES_OF_TODAY = (topology.REQUESTS, topology.UNROUTED)


def for_sources(*names: str) -> dict[str, str]:
    """The headers of a request for these sources."""
    return address(msgspec.structs.replace(REQUEST, sources=names))


def reached(bus: Broker, headers: Mapping[str, str], key: str = topology.REQUEST_KEY) -> set[str]:
    """The sources in whose queues one message arrives."""
    before = {name: bus.depth(topology.source_queue(name)).messages for name in ALL}
    asked = bus.depth(topology.COLLECTOR_QUEUE).messages
    with publishing(bus) as publisher:
        publisher.publish(topology.JOBS, key, b"{}", headers=headers, mandatory=True)
    wait_until(lambda: bus.depth(topology.COLLECTOR_QUEUE).messages == asked + 1, "the collector's copy")
    return {name for name in ALL if bus.depth(topology.source_queue(name)).messages > before[name]}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (for_sources(EM1), {EM1}),
        (for_sources(EM1, EM2), {EM1, EM2}),
        (for_sources(SPOOL_SOURCE), {SPOOL_SOURCE}),
        (for_sources(EM1, "rock09:em1"), {EM1}),
        (for_sources("rock09:em1"), set(ALL)),
        ({}, set(ALL)),
        ({HEADER: EM1}, set(ALL)),
        ({topology.source_header(EM1): "0"}, set(ALL)),
    ],
    ids=["one", "two", "spool", "one is unknown", "all unknown", "a tool", "an older version", "another value"],
)
def test_headers_say_which_queues_a_request_comes_to(
    bus: Broker, headers: Mapping[str, str], expected: set[str]
) -> None:
    """The collector always gets it; what no header routes comes to every source, which reads the message itself."""
    bus.declare(ALL)
    assert reached(bus, headers) == expected


def test_only_the_source_that_is_asked_gets_messages(bus: Broker) -> None:
    """A hundred requests for one of twenty sources are a hundred messages in all of their queues, not two thousand."""
    names = [f"rock{number:02}:em1" for number in range(20)]
    bus.declare(names)
    with publishing(bus) as publisher:
        message = Publication(topology.JOBS, topology.REQUEST_KEY, b"{}", for_sources(names[7]))
        publisher.publish_all([message] * 100)
    counts = [bus.depth(topology.source_queue(name)).messages for name in names]
    assert counts == [100 if number == 7 else 0 for number in range(20)]


def test_an_order_to_read_again_comes_to_those_that_fell_short(bus: Broker) -> None:
    """The collector's retry names in its headers whom it orders to read; a cancellation comes to no source."""
    bus.declare(ALL)
    order = Retry(id="0", order=Order(request=REQUEST, attempts={EM2: 2}))
    assert reached(bus, address(order), topology.RETRY_KEY) == {EM2}
    assert reached(bus, {}, topology.CANCEL_KEY) == set()


@pytest.fixture
def earlier(amqp_url: str) -> Iterator[AmqpBroker]:
    """The bus as versions before `docket.requests` declared it: every source is bound to `docket.jobs`."""
    with opened(amqp_url) as bus:
        bus.declare(ALL)
        with kombu.Connection(amqp_url) as other:
            channel = other.channel()
            for binding in topology.earlier_bindings(ALL):
                channel.queue_bind(binding.queue, binding.exchange, binding.key)
            for exchange in EXCHANGES_OF_TODAY:
                channel.exchange_delete(exchange)
        assert reached(bus, for_sources(EM1)) == set(ALL)
        yield bus


@pytest.mark.rabbitmq
def test_an_upgrade_goes_over_to_it_without_losing_a_request(earlier: AmqpBroker, amqp_url: str) -> None:
    """While requests are published, a service of this version starts: each comes to its source exactly once."""
    published: list[bytes] = []
    is_over, is_half = Event(), Event()

    def publish() -> None:
        with publishing(earlier) as publisher:
            while not is_over.is_set():
                body = b"%d" % len(published)
                publisher.publish(topology.JOBS, topology.REQUEST_KEY, body, headers=for_sources(EM1), mandatory=True)
                published.append(body)
                if len(published) == 20:
                    is_half.set()

    thread = Thread(target=publish)
    thread.start()
    assert is_half.wait(30)
    with opened(amqp_url) as bus:
        bus.declare(ALL, WORKER)
    so_far = len(published)
    wait_until(lambda: len(published) >= so_far + 20, "requests after the change")
    is_over.set()
    thread.join()
    with receiving(earlier, [topology.source_queue(EM1)]) as receiver:
        # The one before was the fixture's.
        assert take_bodies(receiver, len(published) + 1)[1:] == published
        assert receiver.receive(0.2) is None
    assert reached(earlier, for_sources(EM1)) == {EM1}


@pytest.mark.rabbitmq
def test_only_its_reader_takes_earlier_bindings_from_a_queue(earlier: AmqpBroker, amqp_url: str) -> None:
    """A web app that is upgraded first leaves the queues of sources as they are, and the new bindings beside them."""
    with opened(amqp_url) as bus:
        bus.declare(ALL, WEB)
    assert reached(earlier, for_sources(EM1)) == set(ALL)
    with opened(amqp_url) as bus:
        bus.declare([EM2], WORKER)
    assert reached(earlier, for_sources(EM1)) == set(ALL) - {EM2}


@pytest.fixture
def worker_url(earlier: AmqpBroker, broker: RabbitMQ, vhost: str) -> Iterator[str]:
    """The earlier bus, reached with the least rights: a worker may bind its own queues and declare no exchange."""
    assert earlier
    definitions = user_definitions(vhost)
    broker.import_definitions(definitions)
    broker.eval(f'rabbit_auth_backend_internal:change_password(<<"{WORKER}">>, <<"{PASSWORD}">>, <<"tests">>)')
    yield broker.url(vhost, WORKER, PASSWORD)
    for user in definitions["users"]:
        broker.drop_user(user["name"])


@pytest.mark.rabbitmq
def test_with_the_least_rights_the_earlier_bindings_do_until_an_administrator_comes(
    earlier: AmqpBroker, worker_url: str
) -> None:
    """A worker that may not declare exchanges binds a new source as before; `docket topology` then changes all."""
    new = "rock01:em9"
    with opened(worker_url) as bus:
        bus.declare([*SENSORS, new], WORKER)
        assert reached(earlier, for_sources(EM1)) == set(ALL)
        assert earlier.depth(topology.source_queue(new)).messages == 1
        earlier.declare([*ALL, new])
        bus.declare([*SENSORS, new], WORKER)
    assert reached(earlier, for_sources(EM1)) == {EM1}
    assert reached(earlier, {}) == set(ALL)


@pytest.mark.rabbitmq
def test_a_worker_with_the_rights_of_an_earlier_version_goes_on(
    earlier: AmqpBroker, worker_url: str, broker: RabbitMQ, vhost: str
) -> None:
    """It may not bind to `docket.requests` yet: its new source is bound as before, and the broker is asked once."""
    rights = broker.permissions(vhost)[WORKER]
    older = rights["read"].replace(r"docket\.requests|docket\.requests\.unrouted|", "")
    assert older != rights["read"]
    broker.set_permissions(WORKER, vhost, rights["configure"], rights["write"], older)
    earlier.declare(ALL)
    with opened(worker_url) as bus:
        bus.declare(["rock01:em9"], WORKER)
        refused = broker.log().count("access_refused")
        bus.declare(["rock01:em9"], WORKER)
        assert broker.log().count("access_refused") == refused
    reached(earlier, for_sources("rock01:em9"))
    assert earlier.depth(topology.source_queue("rock01:em9")).messages == 1


def test_the_definitions_route_requests() -> None:
    """definitions.json has both exchanges, how they hang together, and the bindings of each source."""
    whole = topology.definitions("/", [EM1])
    alternates = {exchange["name"]: exchange["arguments"] for exchange in whole["exchanges"] if exchange["arguments"]}
    assert alternates == {topology.REQUESTS: {"alternate-exchange": topology.UNROUTED}}
    passages = [
        (one["source"], one["routing_key"]) for one in whole["bindings"] if one["destination"] == topology.REQUESTS
    ]
    assert passages == [(topology.JOBS, topology.REQUEST_KEY), (topology.JOBS, topology.RETRY_KEY)]
    bound = {
        one["source"]: one["arguments"] for one in whole["bindings"] if one["destination"] == topology.source_queue(EM1)
    }
    assert bound == {topology.REQUESTS: {"x-match": "all", topology.source_header(EM1): "1"}, topology.UNROUTED: {}}
