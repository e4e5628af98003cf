"""The stream of events on the real RabbitMQ, read as the documentation says."""

import subprocess
import sys

import pytest

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import encode
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.topology import EVENTS, STREAM_QUEUE, stream_queue
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from tests.bus.bus_actions import publishing
from tests.bus.test_docs import DOCUMENTED_URL, example
from tests.services.waiting import wait_until

NOW = "2026-11-24T14:00:00.000000Z"


@pytest.mark.rabbitmq
def test_events_are_read_again_from_the_beginning(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """By each reader, also by the second; progress is not kept. Declaring it again changes nothing."""
    amqp_bus.declare_stream()
    amqp_bus.declare_stream()
    with publishing(amqp_bus) as publisher:
        for seq, name in enumerate((EventName.REQUESTED, EventName.PROGRESS, EventName.COMPLETED)):
            message = EventMessage(event=name, at=NOW, job_id="j", seq=None if name is EventName.PROGRESS else seq)
            publisher.publish(EVENTS, name.value, encode(message))
    wait_until(lambda: amqp_bus.depth(STREAM_QUEUE).messages == 2, "the stream to have both")
    code = example("python", "Catch up after an absence").replace(DOCUMENTED_URL, amqp_url)
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == ["0 0 job.requested j", "1 2 job.completed j"]


def test_stream_is_bounded() -> None:
    """By age and by bytes, or it would fill the broker's disk."""
    arguments = stream_queue().arguments
    assert (arguments["x-max-age"], arguments["x-max-length-bytes"]) == ("7D", 1_000_000_000)


def test_embedded_bus_has_no_stream(embedded_bus: MemoryBroker) -> None:
    """It is gone with the process, and no tool can reach it."""
    embedded_bus.declare_stream()
    assert STREAM_QUEUE not in embedded_bus._queues
