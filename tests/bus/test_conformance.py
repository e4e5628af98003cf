"""What the face of the bus promises, on both brokers: the same tests for RabbitMQ and for the embedded one."""

import threading
from threading import Event

import pytest

from docket.bus import dead_letters, topology
from docket.bus.interface import Broker, Delivery, Publication, Publisher, QueueDepth
from docket.errors import BusFull, Unroutable
from tests.bus.bus_actions import attach, publishing, receiving, settle_now, take, take_bodies
from tests.bus.conftest import SOURCE
from tests.services.waiting import wait_until

SOURCE_QUEUE = topology.source_queue(SOURCE)
BLOCK = b"\0" * (1024 * 1024)


def fill(publisher: Publisher, shard: str, *, give_up: Event | None) -> None:
    """Publish until the fragment queue is full: for two seconds, or for as long as nobody says to give up."""
    wait_s = 2.0 if give_up is None else 3600
    for _ in range(200):
        try:
            publisher.publish(topology.FRAGMENTS, shard, BLOCK, persistent=False, wait_s=wait_s, give_up=give_up)
        except BusFull:
            return
    raise AssertionError("the queue took 200 MiB and was not full")


def test_message_arrives_with_its_facts(bus: Broker) -> None:
    """Body, headers, routing key and queue come out as they went in; the first delivery counts 1."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"question", headers={"number": 7, "text": "é"})
        delivery = take(receiver)
        facts = (delivery.body, delivery.headers["number"], delivery.headers["text"], delivery.routing_key)
        assert facts == (b"question", 7, "é", "job.request")
        assert (delivery.queue, delivery.count, delivery.user_id) == (topology.COLLECTOR_QUEUE, 1, delivery.account)
        delivery.ack()


def test_request_reaches_collector_and_source(bus: Broker) -> None:
    """A job.request is put into the collector's queue and into the queue of each source."""
    with publishing(bus) as publisher:
        publisher.publish(topology.JOBS, topology.REQUEST_KEY, b"1", mandatory=True)
        publisher.publish(topology.JOBS, topology.CANCEL_KEY, b"2", mandatory=True)
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as collector, receiving(bus, [SOURCE_QUEUE]) as worker:
        assert take_bodies(collector, 2) == [b"1", b"2"]
        assert take_bodies(worker, 1) == [b"1"]


def test_declaring_twice_keeps_the_messages(bus: Broker) -> None:
    """Declaring what is there already changes nothing."""
    with publishing(bus) as publisher:
        publisher.publish(topology.JOBS, "job.request", b"kept")
        bus.declare([SOURCE, "rock02:em1"])
        with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
            assert take_bodies(receiver, 1) == [b"kept"]


def test_order_is_kept(bus: Broker) -> None:
    """Messages of one publisher come out of a queue in the order in which they went in."""
    with publishing(bus) as publisher, receiving(bus, [topology.fragment_queue(1)], prefetch=3) as receiver:
        bodies = [b"%d" % number for number in range(50)]
        for body in bodies:
            publisher.publish(topology.FRAGMENTS, "1", body, persistent=False)
        assert take_bodies(receiver, 50) == bodies


def test_many_are_published_together(bus: Broker) -> None:
    """More than are under way at once, and larger than what is: each arrives once, in order, with its facts."""
    bodies = [b"%d" % number for number in range(150)] + [BLOCK, BLOCK, b"last"]
    messages = [Publication(topology.JOBS, "job.request", body, {"size": len(body)}) for body in bodies]
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE], prefetch=200) as receiver:
        publisher.publish_all([])
        publisher.publish_all(messages)
        publisher.publish(topology.JOBS, "job.request", b"after")
        arrived = [take(receiver) for _ in range(len(bodies) + 1)]
    assert [one.body for one in arrived] == [*bodies, b"after"]
    assert [one.headers["size"] for one in arrived[:-1]] == [len(body) for body in bodies]


def test_what_a_full_queue_refuses_of_many_follows(bus: Broker) -> None:
    """Those of a full queue wait until there is room, and raise BusFull when the time is up; all others are taken."""
    many = [Publication(topology.FRAGMENTS, shard, BLOCK, persistent=False) for shard in ("1", "3", "1")]
    with publishing(bus) as filler, publishing(bus) as publisher:
        fill(filler, "1", give_up=None)
        with pytest.raises(BusFull, match="is full"):
            publisher.publish_all(many, wait_s=0.5)
        with receiving(bus, [topology.fragment_queue(1)], prefetch=10) as receiver:
            thread = threading.Thread(target=publisher.publish_all, args=(many,))
            thread.start()
            while thread.is_alive():
                if (delivery := receiver.receive(0.1)) is not None:
                    delivery.ack()
            thread.join()


def test_memoryview_and_empty_body(bus: Broker) -> None:
    """A memoryview is published as it is at that moment; an empty body is empty bytes."""
    buffer = bytearray(b"before")
    with publishing(bus) as publisher, receiving(bus, [topology.fragment_queue(0)]) as receiver:
        publisher.publish(topology.FRAGMENTS, "0", memoryview(buffer))
        buffer[:] = b"after!"
        publisher.publish(topology.FRAGMENTS, "0", b"")
        assert take_bodies(receiver, 2) == [b"before", b""]


def test_unroutable_message_is_told_with_mandatory(bus: Broker) -> None:
    """With `mandatory` nobody's message raises; without it is gone; the publisher goes on working after both."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        with pytest.raises(Unroutable, match=r"no\.such\.key"):
            publisher.publish(topology.JOBS, "no.such.key", b"lost", mandatory=True)
        publisher.publish(topology.JOBS, "no.such.key", b"lost")
        publisher.publish(topology.JOBS, "job.request", b"found", mandatory=True)
        assert take_bodies(receiver, 1) == [b"found"]


def test_unknown_exchange_is_unroutable(bus: Broker) -> None:
    """An exchange that does not exist raises at once, and the publisher goes on working."""
    with publishing(bus) as publisher:
        with pytest.raises(Unroutable, match=r"docket\.elsewhere"):
            publisher.publish("docket.elsewhere", "job.request", b"lost")
        publisher.publish(topology.JOBS, "job.request", b"found", mandatory=True)


def test_full_queue_raises_bus_full(bus: Broker) -> None:
    """A full fragment queue refuses further messages until the publisher's time is up."""
    with publishing(bus) as publisher:
        fill(publisher, "2", give_up=None)
    assert bus.depth(topology.fragment_queue(2)).messages in (15, 16, 63, 64)


def test_waiting_publisher_goes_on_when_there_is_room(bus: Broker) -> None:
    """A publisher that waits at a full queue gets its message in as soon as somebody takes one out; none is lost."""
    numbers: list[int] = []

    def publish_all() -> None:
        with publishing(bus) as publisher:
            for number in range(100):
                publisher.publish(topology.FRAGMENTS, "3", BLOCK, headers={"number": number}, persistent=False)

    thread = threading.Thread(target=publish_all)
    thread.start()
    with receiving(bus, [topology.fragment_queue(3)], prefetch=4) as receiver:
        while len(numbers) < 100:
            delivery = take(receiver, timeout_s=30)
            numbers.append(delivery.headers["number"])
            delivery.ack()
    thread.join()
    assert numbers == list(range(100))


def test_publisher_gives_up_when_told(bus: Broker) -> None:
    """A publisher that waits at a full queue ends at once when `give_up` is set."""
    give_up = Event()
    outcome: list[str] = []

    def publish_for_ever() -> None:
        with publishing(bus) as publisher:
            fill(publisher, "2", give_up=give_up)
            outcome.append("gave up")

    thread = threading.Thread(target=publish_for_ever)
    thread.start()
    wait_until(lambda: bus.depth(topology.fragment_queue(2)).messages >= 10, "the queue to fill", timeout_s=30)
    give_up.set()
    thread.join(30)
    assert outcome == ["gave up"]


def test_receive_times_out(bus: Broker) -> None:
    """Without a message `receive` returns None, and the receiver is connected."""
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert (receiver.receive(0.05), receiver.connected) == (None, True)


def test_wake_ends_a_waiting_receive(bus: Broker) -> None:
    """`wake` from another thread makes a long `receive` return None at once."""
    answers: list[Delivery | None] = []
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        attach(receiver)
        thread = threading.Thread(target=lambda: answers.append(receiver.receive(3600)))
        thread.start()
        receiver.wake()
        thread.join(10)
    assert answers == [None]


def test_prefetch_bounds_what_is_in_hand(bus: Broker) -> None:
    """At most `prefetch` messages per queue are in hand; the next comes when one was settled."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE], prefetch=2) as receiver:
        for body in (b"1", b"2", b"3"):
            publisher.publish(topology.JOBS, "job.request", body)
        first, second = take(receiver), take(receiver)
        assert ([first.body, second.body], receiver.receive(0.3)) == ([b"1", b"2"], None)
        first.ack()
        assert take(receiver).body == b"3"


def test_prefetch_counts_per_queue(bus: Broker) -> None:
    """A queue whose messages are all in hand does not keep those of another queue away."""
    queues = [topology.COLLECTOR_QUEUE, topology.fragment_queue(0)]
    with publishing(bus) as publisher, receiving(bus, queues, prefetch=1) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"job")
        assert take(receiver).body == b"job"
        publisher.publish(topology.FRAGMENTS, "0", b"fragment")
        assert take(receiver).body == b"fragment"


def test_settling_from_other_threads(bus: Broker) -> None:
    """Messages may be acknowledged by any thread, also while the receiver waits."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE], prefetch=5) as receiver:
        for number in range(20):
            publisher.publish(topology.JOBS, "job.request", b"%d" % number)
        bodies = []
        threads = []
        for _ in range(20):
            delivery = take(receiver)
            bodies.append(delivery.body)
            threads.append(threading.Timer(0.01, delivery.ack))
            threads[-1].start()
        for thread in threads:
            thread.join()
        settle_now(receiver)
    assert (sorted(map(int, bodies)), bus.depth(topology.COLLECTOR_QUEUE).messages) == (list(range(20)), 0)


def test_settling_twice_is_once(bus: Broker) -> None:
    """The second settlement of the same delivery does nothing, and the receiver goes on."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"1")
        delivery = take(receiver)
        delivery.ack()
        delivery.ack()
        delivery.requeue()
        settle_now(receiver)
        publisher.publish(topology.JOBS, "job.request", b"2")
        assert take_bodies(receiver, 1) == [b"2"]
        assert receiver.generation == 1


@pytest.mark.parametrize(
    ("exchange", "key", "queue"),
    [
        (topology.JOBS, "job.request", topology.COLLECTOR_QUEUE),
        (topology.FRAGMENTS, "0", topology.fragment_queue(0)),
    ],
    ids=["quorum", "classic"],
)
def test_requeued_message_comes_again_and_counts(bus: Broker, exchange: str, key: str, queue: str) -> None:
    """A message that was given back is delivered again, as number 2."""
    with publishing(bus) as publisher, receiving(bus, [queue]) as receiver:
        publisher.publish(exchange, key, b"again")
        first = take(receiver)
        first.requeue()
        second = take(receiver)
        second.ack()
        assert [(d.body, d.count) for d in (first, second)] == [(b"again", 1), (b"again", 2)]


def test_unsettled_messages_go_back_when_the_receiver_closes(bus: Broker) -> None:
    """What a receiver leaves unsettled is delivered to the next one, in order, counted once more."""
    with publishing(bus) as publisher:
        for body in (b"1", b"2", b"3"):
            publisher.publish(topology.JOBS, "job.request", body)
    with receiving(bus, [topology.COLLECTOR_QUEUE], prefetch=3) as receiver:
        first = take(receiver)
        take(receiver)
        take(receiver)
        first.ack()
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        again = [take(receiver) for _ in range(2)]
        assert [(delivery.body, delivery.count) for delivery in again] == [(b"2", 2), (b"3", 2)]


def test_settlement_before_close_counts(bus: Broker) -> None:
    """What was acknowledged right before `close` does not come again."""
    with publishing(bus) as publisher:
        publisher.publish(topology.JOBS, "job.request", b"done")
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        take(receiver).ack()
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert receiver.receive(0.3) is None


def test_dead_letter_carries_reason_and_origin(bus: Broker) -> None:
    """A message declared dead is in docket.dead with the reason, its origin and its own headers, and not here."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"broken", headers={"own": "kept"})
        take(receiver).dead("it is not JSON")
        settle_now(receiver)
        with receiving(bus, [topology.DEAD_QUEUE]) as graveyard:
            letter = take(graveyard)
            letter.ack()
    expected = {
        "own": "kept",
        dead_letters.REASON_HEADER: "it is not JSON",
        dead_letters.EXCHANGE_HEADER: topology.JOBS,
        dead_letters.ROUTING_KEY_HEADER: "job.request",
        dead_letters.QUEUE_HEADER: topology.COLLECTOR_QUEUE,
    }
    assert (letter.body, dict(letter.headers)) == (b"broken", expected)
    assert bus.depth(topology.COLLECTOR_QUEUE).messages == 0


def test_message_that_comes_back_too_often_is_dead(bus: Broker) -> None:
    """A message is delivered DELIVERY_LIMIT + 1 times at most, then it is a dead letter."""
    with publishing(bus) as publisher, receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        publisher.publish(topology.JOBS, "job.request", b"poison")
        counts = []
        while not bus.depth(topology.DEAD_QUEUE).messages:
            delivery = receiver.receive(0.05)
            if delivery is not None:
                counts.append(delivery.count)
                delivery.requeue()
        assert counts == list(range(1, topology.DELIVERY_LIMIT + 2))
        with receiving(bus, [topology.DEAD_QUEUE]) as graveyard:
            letter = take(graveyard)
            letter.ack()
    assert (letter.body, letter.headers["x-first-death-reason"]) == (b"poison", "delivery_limit")


def test_events_are_heard_by_pattern(bus: Broker) -> None:
    """A listener hears exactly the events that match, with an empty queue name; acknowledging them is harmless."""
    with publishing(bus) as publisher, receiving(bus, [], listen=["job.completed", "source.*"]) as receiver:
        attach(receiver)
        for key in ("job.progress", "job.completed", "source.online", "source.a.b", "source.stats"):
            publisher.publish(topology.EVENTS, key, key.encode(), persistent=False)
        heard = [take(receiver) for _ in range(3)]
        for delivery in heard:
            delivery.ack()
        settle_now(receiver)
    assert [(d.queue, d.routing_key) for d in heard] == [
        ("", "job.completed"),
        ("", "source.online"),
        ("", "source.stats"),
    ]


def test_every_listener_hears_every_event(bus: Broker) -> None:
    """Two listeners both hear the same event, beside the queues bound to it."""
    with publishing(bus) as publisher, receiving(bus, [], listen=["#"]) as one, receiving(bus, [], listen=["#"]) as two:
        attach(one)
        attach(two)
        publisher.publish(topology.EVENTS, "job.completed", b"event")
        assert (take(one).body, take(two).body, bus.depth(topology.INSPECTOR_QUEUE).messages) == (b"event", b"event", 1)


def test_listener_beside_a_queue(bus: Broker) -> None:
    """One receiver takes work from a queue and hears events at the same time."""
    with publishing(bus) as publisher, receiving(bus, [SOURCE_QUEUE], prefetch=1, listen=["job.cancelled"]) as worker:
        attach(worker)
        publisher.publish(topology.JOBS, "job.request", b"work")
        work = take(worker)
        publisher.publish(topology.EVENTS, "job.cancelled", b"stop")
        heard = take(worker)
        work.ack()
        assert [(d.queue, d.body) for d in (work, heard)] == [(SOURCE_QUEUE, b"work"), ("", b"stop")]


def test_depth_counts_messages_and_consumers(bus: Broker) -> None:
    """The depth of a queue is its waiting messages and its consumers; a queue that is not there has neither."""
    with publishing(bus) as publisher:
        publisher.publish(topology.FRAGMENTS, "0", b"1")
        publisher.publish(topology.FRAGMENTS, "0", b"2")
        before = bus.depth(topology.fragment_queue(0))
        with receiving(bus, [topology.fragment_queue(0)]) as receiver:
            take(receiver).ack()
            during = bus.depth(topology.fragment_queue(0)).consumers
        assert (before, during, bus.depth("docket.no.such.queue")) == (QueueDepth(2, 0), 1, QueueDepth(0, 0))
        wait_until(lambda: bus.depth(topology.fragment_queue(0)).consumers == 0, "the consumer to be gone")


def test_receiver_waits_for_a_queue_that_is_declared_later(bus: Broker) -> None:
    """A receiver of a queue that does not exist yet consumes from it as soon as it does."""
    late = "rock02:em9"
    with publishing(bus) as publisher, receiving(bus, [topology.source_queue(late)]) as receiver:
        assert receiver.receive(0.05) is None
        bus.declare([SOURCE, late])
        publisher.publish(topology.JOBS, "job.request", b"late")
        assert take(receiver).body == b"late"
