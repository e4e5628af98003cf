"""Replies on the real RabbitMQ: the example of the documentation, and RabbitMQ's direct reply."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pika
import pytest

from docket.bus.rabbitmq.broker import AmqpBroker
from docket.config.model import CaptureFilesConfig, Config, SpoolConfig
from docket.workers.collector.service import Collector
from tests.bus.conftest import SOURCE
from tests.bus.test_docs import DOCUMENTED_URL, example

pytestmark = pytest.mark.rabbitmq

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collecting(amqp_bus: AmqpBroker, tmp_path: Path) -> Iterator[None]:
    """A collector that knows one source, of which no worker runs."""
    sources = (CaptureFilesConfig(name=SOURCE, path=tmp_path),)
    config = Config(sources=sources, spool=SpoolConfig(path=tmp_path / "spool", min_free_bytes=0))
    stop = threading.Event()
    thread = threading.Thread(target=Collector(config, amqp_bus).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("collecting")
def test_documented_example_hears_of_its_job(amqp_url: str) -> None:
    """Accepted, the verdict of the source, and the end, each with the correlation id."""
    code = example("python", "Hear of your own job alone").replace(DOCUMENTED_URL, amqp_url)
    quick = code.replace('"after": "15m"', '"after": "15m", "deadline_s": 1')
    done = subprocess.run([sys.executable, "-c", quick], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(line.startswith("playbook 7, step 2 job.") for line in lines)
    assert [line.split()[4] for line in lines] == ["job.requested", "job.source", "job.failed"]


@pytest.mark.usefixtures("collecting")
def test_direct_reply_is_answered(amqp_url: str) -> None:
    """RabbitMQ's own way, without a queue; also a request that cannot be read is answered."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    answers = channel.consume("amq.rabbitmq.reply-to", auto_ack=True, inactivity_timeout=60)
    how = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="direct")
    next(channel.consume("amq.rabbitmq.reply-to", auto_ack=True, inactivity_timeout=0.01))
    channel.basic_publish("docket.jobs", "job.request", json.dumps({"id": str(uuid.uuid4())}), how)
    _, properties, body = next(answers)
    assert (properties.correlation_id, json.loads(body)["event"]) == ("direct", "job.rejected")
    connection.close()


@pytest.mark.usefixtures("collecting")
def test_trace_goes_with_events_and_replies(amqp_url: str) -> None:
    """The traceparent of a request is in every event of its job and in every reply, up to the end."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    mine, events = (channel.queue_declare("", exclusive=True).method.queue for _ in range(2))
    channel.queue_bind(events, "docket.events", "job.#")
    ask = {"schema": "docket.job.request/1", "id": str(uuid.uuid4()), "query": "port 53", "deadline_s": 1}
    ask |= {"requested_at": datetime.now(UTC).isoformat(), "after": "15m"}
    how = pika.BasicProperties(reply_to=mine, correlation_id="traced", headers={"traceparent": TRACE})
    channel.basic_publish("docket.jobs", "job.request", json.dumps(ask), how)
    for queue in (mine, events):
        for _, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=60):
            assert properties is not None, "no message came"
            assert properties.headers["traceparent"].split("-")[1] == TRACE.split("-")[1]
            if json.loads(body)["event"] == "job.failed":
                break
        channel.cancel()
    connection.close()
