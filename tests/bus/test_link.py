"""What the link promises to Tornado's loop, on both brokers, and how the AMQP one lives through faults."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from docket.bus import topology
from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import Broker, QueueDepth
from docket.bus.memory.memory_async_client import MemoryAsyncClient
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.async_client import AmqpAsyncClient
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.errors import BusFull, BusLost, Unroutable
from tests.bus.bus_actions import publishing, receiving, take, take_bodies
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker as RabbitMQ

BLOCK = b"\0" * (1024 * 1024)


class Station:
    """A link and everything that it told."""

    def __init__(self, link: AsyncBusClient) -> None:
        self.link = link
        self.heard: list[tuple[str, bytes]] = []
        self.changes: list[bool] = []
        link.on_change(self.changes.append)

    def on_event(self, routing_key: str, body: bytes) -> None:
        self.heard.append((routing_key, body))

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Let the loop run until the condition holds; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def started(link: AsyncBusClient) -> AsyncIterator[Station]:
    """A link that is started, and stopped at the end."""
    station = Station(link)
    await link.start()
    try:
        yield station
    finally:
        await link.stop()


def link_to(bus: Broker, url: str | None) -> AsyncBusClient:
    if isinstance(bus, MemoryBroker):
        return MemoryAsyncClient(bus)
    assert url is not None
    return AmqpAsyncClient(parse_address(url, {}), "tests link")


@pytest.fixture
def make_link(bus: Broker, request: pytest.FixtureRequest) -> Callable[[], AsyncBusClient]:
    """Makes links to the bus; call it inside the loop."""
    url = None if isinstance(bus, MemoryBroker) else request.getfixturevalue("amqp_url")
    return lambda: link_to(bus, url)


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene()

    asyncio.run(main())


def send(bus: Broker, *events: tuple[str, bytes]) -> None:
    with publishing(bus) as publisher:
        for key, body in events:
            publisher.publish(topology.EVENTS, key, body, persistent=False)


def test_published_message_is_in_the_queue(bus: Broker, make_link: Callable[[], AsyncBusClient]) -> None:
    """What the link published is in the collector's queue, in order."""

    async def scene() -> None:
        async with started(make_link()) as station:
            for body in (b"1", b"2", b"3"):
                await station.link.publish(topology.JOBS, "job.request", body, mandatory=True, timeout_s=5)

    run(scene)
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert take_bodies(receiver, 3) == [b"1", b"2", b"3"]


def test_headers_come_with_the_message(bus: Broker, make_link: Callable[[], AsyncBusClient]) -> None:
    """What a message says of itself without being read."""

    async def scene() -> None:
        async with started(make_link()) as station:
            publish = station.link.publish
            await publish(topology.JOBS, "job.request", b"1", mandatory=True, timeout_s=5, headers={"for": "em1"})

    run(scene)
    with receiving(bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert take(receiver).headers["for"] == "em1"


def test_many_publishes_at_once(bus: Broker, make_link: Callable[[], AsyncBusClient]) -> None:
    """Publishing concurrently puts every message into the queue once."""

    async def scene() -> None:
        async with started(make_link()) as station:
            publish = station.link.publish
            waiting = [
                publish(topology.JOBS, "job.request", b"%d" % n, mandatory=True, timeout_s=5) for n in range(200)
            ]
            await asyncio.gather(*waiting)

    run(scene)
    with receiving(bus, [topology.COLLECTOR_QUEUE], prefetch=50) as receiver:
        assert sorted(map(int, take_bodies(receiver, 200))) == list(range(200))


def test_unroutable_is_told_and_only_to_its_sender(make_link: Callable[[], AsyncBusClient]) -> None:
    """Of two concurrent messages only the one without a queue raises Unroutable."""

    async def scene() -> None:
        async with started(make_link()) as station:
            publish = station.link.publish
            lost = publish(topology.JOBS, "no.such.key", b"lost", mandatory=True, timeout_s=5)
            found = publish(topology.JOBS, "job.request", b"found", mandatory=True, timeout_s=5)
            outcomes = await asyncio.gather(lost, found, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Unroutable, type(None)]
            await station.link.publish(topology.JOBS, "no.such.key", b"gone", mandatory=False, timeout_s=5)

    run(scene)


def test_unknown_exchange_is_unroutable(make_link: Callable[[], AsyncBusClient]) -> None:
    """An exchange that does not exist raises, and the link publishes on afterwards."""

    async def scene() -> None:
        async with started(make_link()) as station:
            with pytest.raises(Unroutable):
                await station.link.publish("docket.elsewhere", "x", b"lost", mandatory=False, timeout_s=5)
            await station.link.publish(topology.JOBS, "job.request", b"found", mandatory=True, timeout_s=5)

    run(scene)


def test_full_queue_is_told_after_the_time_out(make_link: Callable[[], AsyncBusClient]) -> None:
    """Publishing into a full queue raises BusFull when the time is up."""

    async def scene() -> None:
        async with started(make_link()) as station:
            with pytest.raises(BusFull):
                await fill(station.link)

    run(scene)


def test_events_are_heard_in_order_by_pattern(bus: Broker, make_link: Callable[[], AsyncBusClient]) -> None:
    """Each listener hears exactly what matches its patterns, in order; one may be added after the start."""

    async def scene() -> None:
        link = make_link()
        jobs = Station(link)
        late: list[tuple[str, bytes]] = []
        link.listen(["job.*"], jobs.on_event)
        async with started(link):
            link.listen(["source.online", "job.completed"], lambda key, body: late.append((key, body)))
            await link.publish(topology.JOBS, "job.request", b"barrier", mandatory=True, timeout_s=5)
            await jobs.until(lambda: probe(bus, late))
            events = [("job.progress", b"%d" % n) for n in range(50)]
            events += [
                ("job.completed", b"end"),
                ("source.online", b"here"),
                ("source.stats", b"no"),
                ("job.failed", b"last"),
            ]
            await asyncio.to_thread(send, bus, *events)
            await jobs.until(lambda: len(jobs.heard) >= 52)
        assert jobs.heard == [event for event in events if event[0].startswith("job.")]
        assert [event for event in late if event[1] != b"probe"] == [
            ("job.completed", b"end"),
            ("source.online", b"here"),
        ]

    run(scene)


async def fill(link: AsyncBusClient) -> None:
    for _ in range(200):
        await link.publish(topology.FRAGMENTS, "1", BLOCK, mandatory=True, timeout_s=3)


def probe(bus: Broker, late: list[tuple[str, bytes]]) -> bool:
    """Whether a listener added after the start hears already."""
    send(bus, ("source.online", b"probe"))
    return bool(late)


def test_listener_that_raises_disturbs_nobody(
    bus: Broker, make_link: Callable[[], AsyncBusClient], caplog: pytest.LogCaptureFixture
) -> None:
    """What a callback raises is logged; the next event is delivered, and the link stays connected."""

    async def scene() -> None:
        link = make_link()
        station = Station(link)

        def fragile(routing_key: str, body: bytes) -> None:
            station.on_event(routing_key, body)
            if body == b"1":
                raise RuntimeError("the callback failed")

        link.listen(["job.*"], fragile)
        async with started(link):
            await asyncio.to_thread(send, bus, ("job.failed", b"1"), ("job.failed", b"2"))
            await station.until(lambda: len(station.heard) == 2)
            assert (link.connected, station.changes) == (True, [True])

    run(scene)
    assert "the callback failed" in caplog.text


def test_depths(make_link: Callable[[], AsyncBusClient]) -> None:
    """The depths of several queues, also of one that does not exist, and the link stays connected."""

    async def scene() -> None:
        async with started(make_link()) as station:
            await station.link.publish(topology.JOBS, "job.request", b"1", mandatory=True, timeout_s=5)
            queues = ["docket.no.such.queue", topology.DEAD_QUEUE, topology.INSPECTOR_QUEUE]
            depths = await station.link.depths(queues)
            assert depths == dict.fromkeys(queues, QueueDepth(0, 0))
            assert station.link.connected

    run(scene)


def test_changes_are_told(make_link: Callable[[], AsyncBusClient]) -> None:
    """The link tells that it is connected and, when it is stopped, that it is not; stopping twice is once."""

    async def scene() -> None:
        async with started(make_link()) as station:
            await station.until(lambda: station.changes == [True])
            link = station.link
        await link.stop()
        await station.until(lambda: station.changes == [True, False])
        with pytest.raises(BusLost):
            await link.publish(topology.JOBS, "job.request", b"late", mandatory=True, timeout_s=0.2)

    run(scene)


@pytest.mark.rabbitmq
def test_start_returns_when_the_broker_is_away() -> None:
    """Without a broker `start` returns, publishing and asking raise BusLost, and `stop` ends it."""

    async def scene() -> None:
        link = AmqpAsyncClient(parse_address(f"amqp://127.0.0.1:{free_port()}", {}), "tests link")
        async with started(link) as station:
            assert not link.connected
            with pytest.raises(BusLost):
                await link.publish(topology.JOBS, "job.request", b"x", mandatory=True, timeout_s=0.1)
            with pytest.raises(BusLost):
                await link.depths([topology.COLLECTOR_QUEUE])
            assert station.changes == []

    run(scene)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("abruptly", [False, True])
def test_link_comes_back_after_a_cut(
    amqp_bus: AmqpBroker, amqp_url: str, broker: RabbitMQ, abruptly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After its connection was closed the link connects, subscribes again, and publishes; one warning is logged."""

    async def scene() -> None:
        link = AmqpAsyncClient(parse_address(amqp_url, {}), "tests link")
        station = Station(link)
        link.listen(["job.*"], station.on_event)
        async with started(link):
            await asyncio.to_thread(broker.close_connections, abruptly=abruptly)
            await station.until(lambda: station.changes == [True, False, True])
            await asyncio.to_thread(send, amqp_bus, ("job.completed", b"after"))
            await station.until(lambda: station.heard == [("job.completed", b"after")])
            await link.publish(topology.JOBS, "job.request", b"after", mandatory=True, timeout_s=5)

    run(scene)
    warnings = [record for record in caplog.records if record.levelname == "WARNING" and "async_client" in record.name]
    assert len(warnings) == 1


@pytest.mark.rabbitmq
def test_publish_outlives_a_restart(amqp_bus: AmqpBroker, amqp_url: str, broker: RabbitMQ) -> None:
    """A message published while the broker is down arrives after its restart."""

    async def scene() -> None:
        async with started(AmqpAsyncClient(parse_address(amqp_url, {}), "tests link")) as station:
            await asyncio.to_thread(broker.stop)
            await station.until(lambda: not station.link.connected)
            publish = station.link.publish(topology.JOBS, "job.request", b"patient", mandatory=True, timeout_s=60)
            task = asyncio.create_task(publish)
            # Not in another thread: the broker dies with the thread that started it.
            broker.start()
            await task

    run(scene)
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        assert take_bodies(receiver, 1) == [b"patient"]


@pytest.mark.rabbitmq
@pytest.mark.usefixtures("amqp_bus")
def test_memory_alarm_is_bus_full(amqp_url: str, broker: RabbitMQ) -> None:
    """While the broker blocks publishers a publish raises BusFull in time; after the alarm it works again."""

    async def scene() -> None:
        async with started(AmqpAsyncClient(parse_address(amqp_url, {}), "tests link")) as station:
            await asyncio.to_thread(broker.set_memory_alarm, True)
            for _ in range(2):
                with pytest.raises(BusFull, match="blocks"):
                    await station.link.publish(topology.JOBS, "job.request", b"x", mandatory=True, timeout_s=0.5)
            await asyncio.to_thread(broker.set_memory_alarm, False)
            await station.link.publish(topology.JOBS, "job.request", b"x", mandatory=True, timeout_s=10)
            assert station.changes == [True]

    run(scene)


@pytest.mark.rabbitmq
def test_deleted_listening_queue_is_a_lost_connection(
    amqp_bus: AmqpBroker, amqp_url: str, broker: RabbitMQ, vhost: str
) -> None:
    """If its queue of events is deleted, the link connects anew and hears on."""

    async def scene() -> None:
        link = AmqpAsyncClient(parse_address(amqp_url, {}), "tests link")
        station = Station(link)
        link.listen(["job.*"], station.on_event)
        async with started(link):
            name = next(queue for queue in broker.queue_depths(vhost) if queue.startswith("docket.listen."))
            delete = f'rabbit_amqqueue:with(rabbit_misc:r(<<"{vhost}">>, queue, <<"{name}">>), '
            delete += 'fun(Q) -> rabbit_amqqueue:delete(Q, false, false, <<"tests">>), true end)'
            await asyncio.to_thread(broker.eval, delete)
            await station.until(lambda: station.changes == [True, False, True])
            await asyncio.to_thread(send, amqp_bus, ("job.completed", b"after"))
            await station.until(lambda: station.heard == [("job.completed", b"after")])

    run(scene)
