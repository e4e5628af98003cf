"""A tool that names a queue in `reply_to` hears of its own jobs there, and of no other."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docket.bus.interface import Delivery
from docket.bus.messages import encode
from docket.bus.replies import DEFAULT_EXCHANGE, check_reply_to
from docket.bus.topology import COLLECTOR_QUEUE, JOBS, REQUEST_KEY, RETRY_KEY, fragment_queue, source_queue
from docket.domain.provenance import Provenance, checked_traceparent
from docket.errors import BusFull, BusLost, MessageError, Unroutable
from docket.workers.collector.reply_publisher import MOST_ATTEMPTS, ReplyPublisher
from tests.services.waiting import wait_until
from tests.workers.collector.collector_harness import Rig
from tests.workers.packet_records import START_US, US, records

MINE = "docket.reply.playbook"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A collector with two sources."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


class Tool:
    """Asks with `reply_to`, and reads its queue."""

    def __init__(self, rig: Rig, queue: str = MINE) -> None:
        self.rig, self.queue = rig, queue
        self.receiver = rig.broker.receiver("tool", [queue], prefetch=99)
        self.receiver.receive(0.0)
        self.publisher = rig.broker.publisher("tool")

    def ask(self, correlation_id: str = "case 7", **facts: Any) -> str:
        request = self.rig.request(**facts)
        more: dict[str, Any] = {"reply_to": self.queue, "correlation_id": correlation_id}
        self.publisher.publish(JOBS, REQUEST_KEY, encode(request), headers={"traceparent": TRACE}, **more)
        self.rig.settle()
        return request.id

    def hears(self, *names: str) -> list[Delivery]:
        """The next messages, in order."""
        heard: list[Delivery] = []
        for name in names:
            delivery = self.receiver.receive(10.0)
            assert delivery is not None, name
            delivery.ack()
            assert delivery.headers["cloudEvents:type"] == f"docket.{name}"
            heard.append(delivery)
        return heard


def test_asker_hears_of_its_own_job(rig: Rig) -> None:
    """That it was accepted, each verdict, and the end, with its correlation id and trace; and of no other job."""
    tool = Tool(rig)
    job_id = tool.ask()
    rig.ask()
    rig.answer(job_id, records("rock01:em1", [START_US + US]), b"")
    rig.settle()
    heard = tool.hears("job.requested", "job.started", "job.source", "job.source", "job.completed")
    assert {delivery.correlation_id for delivery in heard} == {"case 7"}
    assert {delivery.headers["traceparent"] for delivery in heard} == {TRACE}
    assert {delivery.headers["cloudEvents:subject"] for delivery in heard} == {job_id}
    assert tool.receiver.receive(0.0) is None


def test_rejected_request_is_answered(rig: Rig) -> None:
    """Also one that cannot be read, whose asker would otherwise wait for ever."""
    tool = Tool(rig)
    tool.ask(sources=("rock09:em1",))
    assert b"there is no source" in bytes(tool.hears("job.rejected")[0].body)
    tool.publisher.publish(JOBS, REQUEST_KEY, b"{}", reply_to=MINE, correlation_id="broken")
    rig.settle()
    assert tool.hears("job.rejected")[0].correlation_id == "broken"


def test_queue_survives_the_collector(rig: Rig) -> None:
    """What the job's asker wants is in the ledger, so that the next collector goes on."""
    tool = Tool(rig)
    job_id = tool.ask()
    tool.hears("job.requested")
    rig.restart()
    rig.answer(job_id, records("rock01:em1", [START_US + US]), b"")
    rig.settle()
    while (delivery := tool.receiver.receive(10.0)) is not None:
        assert delivery.correlation_id == "case 7"
        if delivery.headers["cloudEvents:type"] == "docket.job.completed":
            return
    raise AssertionError("the end was not told")


def test_first_asker_of_an_id_counts(rig: Rig) -> None:
    """One who knows the id of another's job cannot have its events sent to himself."""
    tool, spy = Tool(rig), Tool(rig, "docket.reply.spy")
    job_id = tool.ask()
    spy.ask(job_id=job_id)
    rig.answer(job_id, records("rock01:em1", [START_US + US]), b"")
    rig.settle()
    tool.hears("job.requested", "job.started")
    assert spy.receiver.receive(0.2) is None


def test_restarted_reading_carries_the_trace(rig: Rig) -> None:
    """The collector's own orders to the workers belong to the trace of the request."""
    tool = Tool(rig)
    job_id = tool.ask()
    rig.answer(job_id, records("rock01:em1", [START_US + US]))
    rig.reading(job_id, 1).begin().skip().end()
    rig.settle()
    orders = rig.broker.receiver("orders", [source_queue("rock01:em2")], prefetch=99)
    keys = {}
    while (delivery := orders.receive(0.2)) is not None:
        keys[delivery.routing_key] = delivery.headers.get("traceparent")
    assert keys == {REQUEST_KEY: TRACE, RETRY_KEY: TRACE}


@pytest.mark.parametrize(
    "name",
    [
        COLLECTOR_QUEUE,
        "docket.inspector",
        "docket.dead",
        "docket.audit",
        "Docket.Collector",
        "docket.listen.web.0123",
        "docket.reply.",
        fragment_queue(0),
        source_queue("rock01:em1"),
        "amq.rabbitmq.trace",
        "amq.gen-",
        "a\nb",
        "x" * 256,
        "\udc00",
    ],
)
def test_queue_that_is_not_a_tools_is_refused(rig: Rig, name: str) -> None:
    """The collector may write to each queue; nobody shall have it write to one of Docket's."""
    with pytest.raises(MessageError, match="reply_to"):
        check_reply_to(name)
    job_id = str(uuid.uuid4())
    body = encode(rig.request(job_id=job_id))
    rig.publish(REQUEST_KEY, b"{}")
    rig.settle()
    before = rig.broker.depth("docket.dead").messages
    rig.broker.publisher("attacker").publish(JOBS, REQUEST_KEY, body, reply_to=name)
    rig.settle()
    assert rig.reader.job(job_id) is None
    assert rig.broker.depth("docket.dead").messages == before + 1


@pytest.mark.parametrize("name", ["", MINE, "amq.gen-Xa7", "amq.rabbitmq.reply-to.g2dkABNy", "soar-answers"])
def test_queue_of_a_tool_is_taken(name: str) -> None:
    """Exclusive ones that the broker names, direct replies, and names of the tool's own."""
    assert check_reply_to(name) == name


class Refusing:
    """A publisher that the broker gives one answer."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.tries = error, 0

    def publish(self, exchange: str, *_: object, **__: object) -> None:
        assert exchange == DEFAULT_EXCHANGE
        self.tries += 1
        if self.error is not None:
            raise self.error

    def publish_all(self, *_: object, **__: object) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("error", "tries"), [(None, 1), (BusFull("full"), 1), (Unroutable("gone"), 1), (BusLost("away"), MOST_ATTEMPTS)]
)
def test_reply_that_cannot_be_sent_holds_nothing_up(error: Exception | None, tries: int) -> None:
    """A full queue and one that is gone lose it at once; a broker that is away is tried again, not for ever."""
    publisher = Refusing(error)
    replies = ReplyPublisher(publisher)
    replies.send(7, Provenance(reply_to=MINE), b"{}", {})
    done: list[int] = []
    wait_until(lambda: done.extend(replies.take_done()) or done, "the reply was settled")  # type: ignore[func-returns-value]
    assert done == [7]
    replies.close()
    assert publisher.tries == tries
    assert not [thread for thread in threading.enumerate() if thread.name == "replies"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (TRACE, True),
        (f"{TRACE}-more", False),
        (f"01{TRACE[2:]}-more", True),
        (f"ff{TRACE[2:]}", False),
        (TRACE.upper(), False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", False),
        (b"00", False),
        (None, False),
    ],
)
def test_traceparent_is_as_w3c_has_it(text: object, right: bool) -> None:
    """Anything else is ignored, so that no text of a stranger gets into headers and logs."""
    assert checked_traceparent(text) == (text if right else "")
