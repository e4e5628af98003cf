"""Receivers and publishers on a real RabbitMQ that restarts, cuts connections, blocks, or is declared differently."""

import threading
from collections.abc import Callable
from threading import Event

import kombu
import pytest

from docket.bus import topology
from docket.bus.interface import Consumer, Delivery, Publisher
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.errors import BusFull, BusLost, TopologyMismatch, Unroutable
from tests.bus.bus_actions import attach, publishing, receiving, settle_now, take, take_bodies
from tests.bus.conftest import SOURCE
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker as RabbitMQ
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

Fault = Callable[[RabbitMQ], object]
FAULTS: dict[str, Fault] = {
    "restart": lambda broker: broker.restart(),
    "closed": lambda broker: broker.close_connections(),
    "cut": lambda broker: broker.close_connections(abruptly=True),
}


class Stream:
    """Publishes numbered job messages in a thread until told to stop."""

    def __init__(self, publisher: Publisher) -> None:
        self.confirmed = 0
        self._publisher = publisher
        self._stop = Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._publisher.publish(topology.JOBS, "job.request", b"%d" % self.confirmed, wait_s=60)
            self.confirmed += 1

    def stop(self) -> int:
        """End after the message under way; the number of messages that were confirmed."""
        self._stop.set()
        self._thread.join()
        return self.confirmed


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_confirmed_message_is_lost(
    amqp_bus: AmqpBroker, broker: RabbitMQ, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens in mid-stream, each confirmed message is received; both sides log the outage, not each retry."""
    stream_through(amqp_bus, lambda: fault(broker))
    outages = [
        record.getMessage().split(" lost")[0] for record in caplog.records if "lost the broker" in record.message
    ]
    # A publisher may reach a broker that is not ready to confirm yet, and so lose it twice.
    assert (set(outages), len(outages) <= 3) == ({"tests publisher", "tests receiver"}, True)


def test_no_confirmed_message_is_lost_by_a_power_cut(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """A broker that is killed in mid-stream loses no confirmed message."""
    # RabbitMQ 3.10 writes down that a quorum queue exists only some seconds after it was declared: killed before,
    # it comes back with a queue that never elects a leader.
    broker.restart()

    def power_cut() -> None:
        broker.kill()
        broker.start()

    stream_through(amqp_bus, power_cut)


def stream_through(bus: AmqpBroker, fault: Callable[[], object]) -> None:
    """Let a fault happen while messages flow, and see that all that were confirmed arrive."""
    seen: set[int] = set()
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        attach(receiver)
        stream = Stream(publisher)
        collect(receiver, seen, lambda: len(seen) >= 50)
        fault()
        before = len(seen)
        collect(receiver, seen, lambda: len(seen) >= before + 50)
        confirmed = stream.stop()
        collect(receiver, seen, lambda: len(seen) >= confirmed)
        assert (seen >= set(range(confirmed)), receiver.generation, receiver.connected) == (True, 2, True)


def collect(receiver: Consumer, seen: set[int], enough: Callable[[], bool]) -> None:
    """Take and acknowledge until there is enough."""

    def step() -> bool:
        delivery = receiver.receive(0.1)
        if delivery is not None:
            seen.add(int(delivery.body))
            delivery.ack()
        return enough()

    wait_until(step, "enough messages", timeout_s=60, step_s=0.0)


def test_settling_an_old_delivery_does_nothing(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """A delivery of a lost connection cannot settle the message that came again under the same number."""
    with publishing(amqp_bus) as publisher, receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"again")
        old = take(receiver)
        broker.close_connections()
        new = take(receiver)
        old.ack()
        settle_now(receiver)
        assert (old.generation, new.generation, new.body, new.count) == (1, 2, b"again", 2)
        broker.close_connections()
        assert take(receiver).count == 3


def test_receive_returns_while_the_broker_is_away(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """While the broker is down `receive` keeps to its time-out, `wake` ends it, and `connected` says no."""
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        attach(receiver)
        broker.stop()
        wait_until(lambda: receiver.receive(0.05) is None and not receiver.connected, "the loss to be noticed")
        answers: list[Delivery | None] = []
        thread = threading.Thread(target=lambda: answers.append(receiver.receive(3600)))
        thread.start()
        receiver.wake()
        thread.join(30)
        assert answers == [None]


def test_publisher_raises_bus_lost_when_its_time_is_up(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """Without a broker a publish raises BusLost in time, at once when told to give up, and works again afterwards."""
    give_up = Event()
    give_up.set()
    with publishing(amqp_bus) as publisher:
        publisher.publish(topology.JOBS, "job.request", b"1")
        broker.stop()
        with pytest.raises(BusLost):
            publisher.publish(topology.JOBS, "job.request", b"2", wait_s=0.5)
        with pytest.raises(BusLost):
            publisher.publish(topology.JOBS, "job.request", b"2", wait_s=3600, give_up=give_up)
        broker.start()
        publisher.publish(topology.JOBS, "job.request", b"3")


def test_memory_alarm_is_bus_full(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """While the broker blocks publishers a publish raises BusFull in time; receiving goes on; after it all works."""
    with publishing(amqp_bus) as publisher, receiving(amqp_bus, [topology.COLLECTOR_QUEUE], prefetch=1) as receiver:
        for body in (b"1", b"2"):
            publisher.publish(topology.JOBS, "job.request", body)
        assert take(receiver).body == b"1"
        broker.set_memory_alarm(True)

        def is_blocked() -> bool:
            """A connection hears of the alarm a moment after it was raised, and takes what came before."""
            try:
                publisher.publish(topology.JOBS, "job.request", b"held", wait_s=0.5)
            except BusFull as error:
                return "blocks" in str(error)
            return False

        wait_until(is_blocked, "the alarm to reach the publisher")
        with pytest.raises(BusFull, match="blocks"):
            publisher.publish(topology.JOBS, "job.request", b"held", wait_s=0.5)
        broker.set_memory_alarm(False)
        publisher.publish(topology.JOBS, "job.request", b"3")
        assert receiver.generation == 1


def test_alarm_ends_while_a_publisher_waits(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """A publisher that waits for the end of an alarm goes on by itself, with a big message too."""
    done = Event()

    def publish_all(publisher: Publisher) -> None:
        for _ in range(4):
            publisher.publish(topology.FRAGMENTS, "0", bytes(1024 * 1024), wait_s=60)
        done.set()

    with publishing(amqp_bus) as publisher:
        broker.set_memory_alarm(True)
        thread = threading.Thread(target=publish_all, args=[publisher])
        thread.start()
        assert not done.wait(0.5)
        broker.set_memory_alarm(False)
        thread.join(30)
    assert done.is_set()


def test_queue_deleted_under_a_receiver(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """If its queue is deleted the receiver loses its connection, waits for the queue and goes on."""
    with publishing(amqp_bus) as publisher, receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        attach(receiver)
        with kombu.Connection(amqp_url) as other:
            other.channel().queue_delete(topology.COLLECTOR_QUEUE)
        wait_until(lambda: receiver.receive(0.05) is None and not receiver.connected, "the loss to be noticed")
        amqp_bus.declare([SOURCE])
        publisher.publish(topology.JOBS, "job.request", b"after")
        assert take(receiver).body == b"after"


def test_missing_queue_is_named_in_the_log(amqp_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver of a queue that is not there says so once, with its name."""
    bus = AmqpBroker(parse_address(amqp_url, {}), "tests")
    with receiving(bus, ["docket.source.rock09:em9"]) as receiver:
        assert [receiver.receive(0.3) for _ in range(3)] == [None, None, None]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (len(warnings), "no queue 'docket.source.rock09:em9'" in warnings[0]) == (1, True)


def test_other_exchange_is_a_mismatch(amqp_url: str) -> None:
    """An exchange of the same name and another type makes `declare` raise and name it."""
    with kombu.Connection(amqp_url) as other:
        kombu.Exchange(topology.EVENTS, "fanout")(other).declare()
    bus = AmqpBroker(parse_address(amqp_url, {}))
    with pytest.raises(TopologyMismatch, match=r"exchange docket\.events is declared differently"):
        bus.declare([])
    bus.close()


def test_user_who_may_not_declare(amqp_bus: AmqpBroker, broker: RabbitMQ, vhost: str) -> None:
    """A user without the right to configure may start on a declared bus; what is missing there is named."""
    broker.add_user("modest", "secret")
    broker.set_permissions("modest", vhost, configure="^$")
    try:
        bus = AmqpBroker(parse_address(broker.url(vhost, "modest", "secret"), {}))
        bus.declare([SOURCE])
        with pytest.raises(TopologyMismatch, match=r"docket\.source\.rock03:em1 is not there"):
            bus.declare(["rock03:em1"])
        bus.close()
    finally:
        broker.drop_user("modest")
    assert amqp_bus.depth(topology.source_queue(SOURCE)).consumers == 0


@pytest.mark.usefixtures("amqp_bus")
def test_user_who_may_not_publish(broker: RabbitMQ, vhost: str) -> None:
    """Publishing without the right to is refused at once, with the broker's words."""
    broker.add_user("mute", "secret")
    broker.set_permissions("mute", vhost, write="^$")
    try:
        bus = AmqpBroker(parse_address(broker.url(vhost, "mute", "secret"), {}))
        with publishing(bus) as publisher, pytest.raises(Unroutable, match="ACCESS_REFUSED"):
            publisher.publish(topology.JOBS, "job.request", b"x")
    finally:
        broker.drop_user("mute")


@pytest.mark.parametrize("user", ["guest:wrong", "nobody:secret"])
def test_wrong_password_is_bus_lost(broker: RabbitMQ, user: str) -> None:
    """A login that the broker refuses is told in its words, without the password."""
    bus = AmqpBroker(parse_address(f"amqp://{user}@127.0.0.1:{broker.port}", {}))
    with pytest.raises(BusLost, match="ACCESS_REFUSED") as caught:
        bus.declare([])
    assert user.split(":")[1] not in str(caught.value)


def test_no_broker_is_bus_lost() -> None:
    """Declaring and asking without a broker raise BusLost with the address."""
    bus = AmqpBroker(parse_address(f"amqp://127.0.0.1:{free_port()}", {}))
    with pytest.raises(BusLost, match=r"127\.0\.0\.1"):
        bus.declare([])
    with pytest.raises(BusLost, match="refused"):
        bus.depth(topology.COLLECTOR_QUEUE)


def test_control_connection_is_replaced(amqp_bus: AmqpBroker, broker: RabbitMQ) -> None:
    """Asking for a depth works after the idle connection was closed."""
    before = amqp_bus.depth(topology.COLLECTOR_QUEUE)
    broker.close_connections()
    assert amqp_bus.depth(topology.COLLECTOR_QUEUE) == before


def test_sender_is_told_where_the_publisher_set_it(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """`user_id` is that of the message; the broker refuses a forged one."""
    with confirming(amqp_url) as other:
        publish = kombu.Producer(other.channel()).publish
        publish(b"mine", exchange=topology.JOBS, routing_key="job.request", user_id="guest", content_type="a/b")
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        delivery = take(receiver)
        assert (delivery.body, delivery.user_id) == (b"mine", "guest")


def confirming(url: str) -> kombu.Connection:
    """A stranger's connection that waits for its confirms: a quorum queue declared just now may lose all others."""
    return kombu.Connection(url, transport_options={"confirm_publish": True})


def test_foreign_encodings_are_left_alone(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """What a publisher claims about encoding or compression never changes the bytes or breaks the receiver."""
    with confirming(amqp_url) as other:
        producer = kombu.Producer(other.channel())
        for encoding, headers in (("utf-8", {}), ("no-such", {}), ("binary", {"compression": "gzip"})):
            producer.publish(
                b"{}\xff",
                exchange=topology.JOBS,
                routing_key="job.request",
                content_type="application/json",
                content_encoding=encoding,
                headers=headers,
            )
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert take_bodies(receiver, 3) == [b"{}\xff"] * 3


def test_dead_letter_goes_back_if_it_cannot_be_published(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """While docket.dead is missing a dead message stays in its queue; it is moved as soon as the exchange is there."""
    with publishing(amqp_bus) as publisher, receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"broken")
        with kombu.Connection(amqp_url) as other:
            other.channel().exchange_delete(topology.DEAD)
        take(receiver).dead("first try")
        again = take(receiver)
        assert again.count == 2
        amqp_bus.declare([SOURCE])
        again.dead("second try")
        settle_now(receiver)
    with receiving(amqp_bus, [topology.DEAD_QUEUE]) as graveyard:
        letter = take(graveyard)
        letter.ack()
        assert (letter.headers["x-docket-reason"], letter.count) == ("second try", 1)
