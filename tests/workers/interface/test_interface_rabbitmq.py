"""The worker on a real RabbitMQ, whose connections are cut and which is restarted in mid-job."""

import threading
from collections.abc import Iterator

import pytest

from docket.bus.factory import open_broker
from docket.bus.interface import Broker
from docket.bus.messages import FragmentKind
from docket.bus.topology import FRAGMENT_SHARDS, fragment_queue, source_queue
from docket.config.model import StenographerConfig
from docket.domain.job import Verdict
from tests.faults import scripts
from tests.faults.certificates import Pair
from tests.faults.packets import Packet, capture
from tests.faults.stand_in import StandIn
from tests.services.rabbitmq import Broker as RabbitMQ
from tests.services.waiting import wait_until
from tests.workers.requests import START_US, US, ask, steno_config
from tests.workers.worker_harness import Office, working

pytestmark = pytest.mark.rabbitmq

WINDOW = (START_US + 60 * US, START_US + 180 * US)
QUEUE = source_queue("rock01:em1")


@pytest.fixture
def bus(amqp_url: str) -> Iterator[Broker]:
    """The broker as Docket sees it."""
    opened = open_broker(amqp_url, {})
    yield opened
    opened.close()


@pytest.fixture
def office(bus: Broker) -> Iterator[Office]:
    with Office(bus, ["rock01:em1"]) as opened:
        yield opened


@pytest.fixture
def config(steno: StandIn, client: Pair) -> StenographerConfig:
    return steno_config(steno, client)


def empty(rabbit: RabbitMQ, vhost: str) -> None:
    """Wait until the source's queue holds nothing, ready or unacknowledged."""
    wait_until(lambda: rabbit.queue_depths(vhost).get(QUEUE) == 0, "the queue to be empty", timeout_s=60.0)


def consumed(rabbit: RabbitMQ, vhost: str) -> None:
    """Wait until the worker and the office listen to their queues (again)."""
    queues = {QUEUE, *map(fragment_queue, range(FRAGMENT_SHARDS))}

    def all_have_one() -> bool:
        consumers = rabbit.queue_consumers(vhost)
        return all(consumers.get(queue) == 1 for queue in queues)

    wait_until(all_have_one, "a consumer at every queue", timeout_s=90.0)


def test_job_over_rabbitmq(
    broker: RabbitMQ, vhost: str, bus: Broker, office: Office, config: StenographerConfig, packets: list[Packet]
) -> None:
    """A request becomes the packets of its window, and is acknowledged."""
    request = ask(*WINDOW)
    with working(bus, [config]):
        office.send(request)
        end = office.ended(request)
        empty(broker, vhost)
    assert end.verdict is Verdict.COMPLETE
    assert office.body(end.run) == capture(packet for packet in packets[::2] if WINDOW[0] <= packet.time_us < WINDOW[1])


@pytest.mark.parametrize("outage", ["cut", "restart"])
def test_reading_goes_on_through_an_outage_of_the_broker(
    broker: RabbitMQ,
    vhost: str,
    bus: Broker,
    office: Office,
    config: StenographerConfig,
    steno: StandIn,
    packets: list[Packet],
    outage: str,
) -> None:
    """The request comes again after the outage; the reading under way is the one that counts, and is the only one."""
    half_way, go_on = threading.Event(), threading.Event()

    def script(asked: scripts.Asked) -> Iterator[bytes]:
        for number, piece in enumerate(scripts.serve(asked)):
            if number == 700:
                half_way.set()
                go_on.wait(60)
            yield piece

    steno.script = script
    request = ask(*WINDOW)
    with working(bus, [config]):
        office.send(request)
        assert half_way.wait(10)
        wait_until(lambda: office.of(request, FragmentKind.DATA), "the first packets")
        if outage == "cut":
            broker.close_connections(abruptly=True)
        else:
            broker.restart()
        consumed(broker, vhost)
        go_on.set()
        end = office.ended(request, timeout_s=90.0)
        empty(broker, vhost)
    assert (end.verdict, end.attempt, len(steno.queries)) == (Verdict.COMPLETE, 1, 1)
    assert office.body(end.run) == capture(packet for packet in packets[::2] if WINDOW[0] <= packet.time_us < WINDOW[1])


def test_worker_waits_for_a_broker_that_comes_later(
    broker: RabbitMQ, vhost: str, bus: Broker, office: Office, config: StenographerConfig
) -> None:
    """A worker that is started before the broker works as soon as that is there."""
    broker.stop()
    request = ask(*WINDOW)
    with working(bus, [config]):
        broker.start()
        consumed(broker, vhost)
        office.send(request)
        assert office.ended(request, timeout_s=90.0).verdict is Verdict.COMPLETE
        empty(broker, vhost)


def test_killed_worker_leaves_its_job_to_the_next(
    broker: RabbitMQ, vhost: str, bus: Broker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """When all of a worker's connections break at once, the request is delivered to another one, as a later attempt."""
    steno.script = scripts.silent(after=3)
    request = ask(*WINDOW)
    with working(bus, [config], given_back=1):
        office.send(request)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
    steno.script = scripts.serve
    with working(bus, [config]):
        end = office.ended(request)
        empty(broker, vhost)
    assert (end.attempt, end.verdict) == (2, Verdict.COMPLETE)
