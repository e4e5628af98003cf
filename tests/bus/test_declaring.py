"""What each service declares on a real RabbitMQ: with all rights, with the least, and beside what others left."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import kombu
import pytest

from docket.bus import topology
from docket.bus.declaring import declare_when_possible
from docket.bus.permissions import COLLECTOR, INSPECTOR, WEB, WORKER, user_definitions
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.rabbitmq.replacement import SENT_BY_HEADER
from docket.errors import BusLost, BusRefused, QueueHidden, TopologyMismatch
from tests.bus.bus_actions import attach, opened, publishing, receiving, take
from tests.bus.conftest import SOURCE
from tests.services.rabbitmq import Broker as RabbitMQ
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

PASSWORD = "secret"
SHARD = topology.fragment_queue(0)
OLD_ARGUMENTS = {"x-queue-type": "classic", "x-max-length-bytes": 1_000_000, "x-overflow": "reject-publish"}


@pytest.fixture
def before(amqp_bus: AmqpBroker, amqp_url: str) -> AmqpBroker:
    """The bus as another version left it: one shard has another bound, and three messages."""
    with kombu.Connection(amqp_url, transport_options={"confirm_publish": True}) as other:
        channel = other.channel()
        channel.queue_delete(SHARD)
        channel.queue_declare(SHARD, durable=True, auto_delete=False, arguments=OLD_ARGUMENTS)
        channel.queue_bind(SHARD, topology.FRAGMENTS, "0")
        for number in range(3):
            body = b"%d" % number
            kombu.Producer(channel).publish(body, exchange=topology.FRAGMENTS, routing_key="0", headers={"n": number})
    return amqp_bus


def contents(bus: AmqpBroker, queue: str, count: int) -> list[tuple[bytes, object]]:
    with receiving(bus, [queue]) as receiver:
        deliveries = [take(receiver) for _ in range(count)]
        for delivery in deliveries:
            delivery.ack()
        assert receiver.receive(0.2) is None
        return [(delivery.body, delivery.headers["n"]) for delivery in deliveries]


def test_reader_replaces_a_queue_of_another_version(before: AmqpBroker, amqp_url: str) -> None:
    """The service that reads the queue gives it its new arguments at its start, and every message is still in it."""
    with opened(amqp_url) as bus:
        bus.declare([SOURCE], COLLECTOR)
        bus.declare([SOURCE], COLLECTOR)
    with publishing(before) as publisher:
        publisher.publish(topology.FRAGMENTS, "0", b"3", headers={"n": 3}, mandatory=True)
    assert contents(before, SHARD, 4) == [(b"%d" % number, number) for number in range(4)]
    with kombu.Connection(amqp_url) as other:
        new = next(queue for queue in topology.queues([]) if queue.name == SHARD)
        other.channel().queue_declare(SHARD, durable=True, auto_delete=False, arguments=new.arguments)


def test_collector_replaces_the_queue_that_no_service_reads(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """Others use it as it is; the collector gives it the bounds of its version, and the dead letters stay in it."""
    new = next(queue for queue in topology.queues([]) if queue.name == topology.DEAD_QUEUE)
    with kombu.Connection(amqp_url, transport_options={"confirm_publish": True}) as other:
        channel = other.channel()
        channel.queue_delete(new.name)
        channel.queue_declare(new.name, durable=True, auto_delete=False, arguments=new.arguments | {"x-max-length": 9})
        channel.queue_bind(new.name, topology.DEAD, "")
        kombu.Producer(channel).publish(b"0", exchange=topology.DEAD, routing_key="", headers={"n": 0})
    for role in (WORKER, WEB, COLLECTOR):
        with opened(amqp_url) as bus:
            bus.declare([SOURCE], role)
    with kombu.Connection(amqp_url) as other:
        other.channel().queue_declare(new.name, durable=True, auto_delete=False, arguments=new.arguments)
    assert contents(amqp_bus, new.name, 1) == [(b"0", 0)]


def test_moved_messages_are_what_they_were(amqp_bus: AmqpBroker, amqp_url: str, broker: RabbitMQ, vhost: str) -> None:
    """Key, sender and headers are the same, whoever moved them: a request stays one, and a fragment is believed."""
    broker.add_user("before", PASSWORD)
    broker.set_permissions("before", vhost, ".*", ".*", ".*")
    queue = topology.Queue(topology.source_queue(SOURCE), {"x-queue-type": "quorum", "x-delivery-limit": 7})
    with kombu.Connection(amqp_url) as other:
        channel = other.channel()
        channel.queue_delete(queue.name)
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
        channel.queue_bind(queue.name, topology.JOBS, "job.request")
    for url, forged in ((amqp_url, ""), (broker.url(vhost, "before", PASSWORD), "docket-web")):
        with opened(url) as bus, publishing(bus) as publisher:
            publisher.publish(
                topology.JOBS, "job.request", b"{}", headers={"n": 1, SENT_BY_HEADER: forged} if forged else {"n": 1}
            )
    with opened(amqp_url) as bus:
        bus.declare([SOURCE], WORKER)
    with receiving(amqp_bus, [queue.name]) as receiver:
        came = [take(receiver) for _ in range(2)]
        found = [(one.routing_key, one.user_id, one.headers["n"], one.account) for one in came]
        for one in came:
            one.ack()
    own = found[0][3]
    assert found == [("job.request", own, 1, own), ("job.request", "before", 1, own)]
    broker.drop_user("before")


@pytest.mark.parametrize("role", [WORKER, INSPECTOR])
def test_others_use_it_as_it_is(before: AmqpBroker, amqp_url: str, role: str) -> None:
    """A service that does not read the queue starts, and leaves it alone."""
    with opened(amqp_url) as bus:
        bus.declare([SOURCE], role)
    assert contents(before, SHARD, 3) == [(b"%d" % number, number) for number in range(3)]


def test_queue_that_is_read_is_used_as_it_is(
    before: AmqpBroker, amqp_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While another process reads it, it is not replaced; the log says so, and `docket topology` refuses."""
    with receiving(before, [SHARD]) as receiver, opened(amqp_url) as bus:
        attach(receiver)
        bus.declare([SOURCE], COLLECTOR)
        with pytest.raises(TopologyMismatch, match="stop the service that reads it"):
            bus.declare([SOURCE])
    assert "used as it is" in caplog.text


def test_interrupted_replacement_is_finished(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """What a replacement left in its spare queue when it was killed comes back with `docket topology`."""
    with kombu.Connection(amqp_url, transport_options={"confirm_publish": True}) as other:
        channel = other.channel()
        spare = f"{SHARD}.moving"
        channel.queue_declare(spare, durable=True, auto_delete=False, arguments={"x-queue-type": "classic"})
        kombu.Producer(channel).publish(b"0", exchange="", routing_key=spare, headers={"n": 0})
        channel.queue_delete(SHARD)
    with opened(amqp_url) as bus:
        bus.declare([SOURCE])
    assert contents(amqp_bus, SHARD, 1) == [(b"0", 0)]
    assert amqp_bus.depth(spare) == (0, 0)


@pytest.fixture
def least(amqp_bus: AmqpBroker, broker: RabbitMQ, vhost: str) -> Iterator[RabbitMQ]:
    """A declared bus, and the shipped users with a password."""
    assert amqp_bus
    definitions = user_definitions(vhost)
    broker.import_definitions(definitions)
    names = [user["name"] for user in definitions["users"]]
    for name in names:
        broker.eval(f'rabbit_auth_backend_internal:change_password(<<"{name}">>, <<"{PASSWORD}">>, <<"tests">>)')
    yield broker
    for name in names:
        broker.drop_user(name)


@pytest.mark.parametrize("role", [COLLECTOR, WORKER, INSPECTOR])
def test_refusal_is_not_repeated(least: RabbitMQ, vhost: str, role: str) -> None:
    """With the shipped rights a service declares as often as it likes, and the broker logs one refusal."""
    queues = {COLLECTOR: topology.source_queue(SOURCE), WORKER: topology.source_queue(SOURCE)}
    before = refusals(least)
    with opened(least.url(vhost, role, PASSWORD)) as bus:
        for _ in range(5):
            bus.declare([SOURCE], role)
            bus.depth(queues.get(role, topology.INSPECTOR_QUEUE))
    assert refusals(least) - before == 1


def refusals(broker: RabbitMQ) -> int:
    return broker.log().count("access_refused")


def test_worker_declares_its_own_new_source(least: RabbitMQ, vhost: str, amqp_bus: AmqpBroker) -> None:
    """A source that the broker has never seen needs no administrator."""
    with opened(least.url(vhost, WORKER, PASSWORD)) as bus:
        bus.declare(["rock01:em7"], WORKER)
    with publishing(amqp_bus) as publisher:
        publisher.publish(topology.JOBS, topology.REQUEST_KEY, b"{}", mandatory=True)
    wait_until(lambda: amqp_bus.depth(topology.source_queue("rock01:em7")).messages == 1, "the request")


def test_hidden_queue_is_asked_for_once(least: RabbitMQ, vhost: str) -> None:
    """What this user may not look at is an error of its own, and the broker is not asked again; old ones allow it."""
    before = refusals(least)
    with opened(least.url(vhost, WEB, PASSWORD)) as bus:
        for _ in range(5):
            with suppress(QueueHidden):
                bus.depth(topology.COLLECTOR_QUEUE)
    assert refusals(least) - before <= 1


@pytest.mark.parametrize("address", ["guest:wrong@127.0.0.1:{port}", "guest:guest@127.0.0.1:{port}/no-such-vhost"])
def test_refused_login_is_waited_for_longer(broker: RabbitMQ, address: str, caplog: pytest.LogCaptureFixture) -> None:
    """A login or vhost that the broker refuses is named once in our log, and tried again only after seconds."""
    stop = threading.Event()
    threading.Timer(2.0, stop.set).start()
    before = broker.log().count("Error on AMQP connection")
    with opened(f"amqp://{address.format(port=broker.port)}") as bus:
        with pytest.raises(BusRefused):
            bus.declare([], COLLECTOR)
        assert not declare_when_possible(bus, [], COLLECTOR, stop)
    warnings = [record.getMessage() for record in caplog.records if "waiting for the broker" in record.getMessage()]
    assert len(warnings) == 1
    assert "ACCESS_REFUSED" in warnings[0] or "NOT_ALLOWED" in warnings[0]
    after = broker.log().count("Error on AMQP connection")
    assert after - before <= 2


def test_other_loss_is_no_refusal(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """A broker that is away is tried again soon."""
    broker.stop()
    with pytest.raises(BusLost) as caught:
        amqp_bus.declare([SOURCE])
    assert not isinstance(caught.value, BusRefused)
