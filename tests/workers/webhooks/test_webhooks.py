"""The service: which events go to which hook, what is tried again, what is given up, and what a restart finds."""

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from prometheus_client import REGISTRY

from docket.bus.factory import open_broker
from docket.bus.interface import Broker
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.memory.memory_consumer import MemoryDelivery
from docket.bus.messages import encode
from docket.bus.topology import EVENTS, WEBHOOKS_QUEUE
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job
from docket.domain.request import check_request
from docket.domain.source import SourceStatus
from docket.errors import ConfigError
from docket.workers.webhooks import delivery_store
from docket.workers.webhooks.delivery_store import DeliveryStore
from docket.workers.webhooks.hook_sender import HookSender
from docket.workers.webhooks.hooks import Hook, WebhooksConfig, read_hooks
from docket.workers.webhooks.service import WebhookService
from tests.services.waiting import wait_until
from tests.workers.requests import SetClock
from tests.workers.webhooks.receiver import Receiver, receiving

AT = "2026-11-24T14:00:00.000000Z"


def event(seq: int, owner: str = "anna", name: EventName = EventName.COMPLETED, tags: tuple[str, ...] = ()) -> bytes:
    asked = {"id": str(uuid.UUID(int=seq)), "query": "port 53", "requested_at": AT, "owner": owner, "tags": list(tags)}
    request = check_request(asked)
    job = Job.opened(request, ["rock01:em1"])
    return encode(EventMessage(event=name, at=AT, seq=seq, job=job, job_id=job.id))


def publish(broker: Broker, *bodies: bytes, key: str = "job.completed") -> None:
    publisher = broker.publisher("collector")
    for body in bodies:
        publisher.publish(EVENTS, key, body)
    publisher.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(f"whsec_{base64.b64encode(b's' * 32).decode()}\n")
    path.chmod(0o600)
    return str(path)


def hook(receiver: Receiver, secret: str, **more: Any) -> Hook:
    given = {"name": "n8n", "networks": ("127.0.0.0/8",), "timeout": "5s"} | more
    return Hook(url=f"http://127.0.0.1:{receiver.port}/{given['name']}", secret=secret, **given)


@contextmanager
def running(folder: Path, broker: Broker, *hooks: Hook, delays_s: tuple[int, ...] = (0, 0)) -> Iterator[None]:
    """The service with its queue declared; stopped at the end of the block."""
    stop = Event()
    service = WebhookService(WebhooksConfig(hooks=hooks, state=str(folder / "state")), broker, delays_s=delays_s)
    thread = Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: broker.depth(WEBHOOKS_QUEUE).consumers > 0, "the service to read its queue")
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def memory() -> MemoryBroker:
    made = MemoryBroker()
    made.declare(())
    return made


def figure(outcome: str, name: str = "n8n") -> float:
    return REGISTRY.get_sample_value("docket_webhook_deliveries_total", {"hook": name, "outcome": outcome}) or 0.0


def test_event_arrives_as_a_cloud_event(tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str) -> None:
    """With the whole job, and once; another kind of event is not for the hook."""
    with running(tmp_path, memory, hook(receiver, secret)):
        publish(memory, event(4, name=EventName.STARTED), key="job.started")
        publish(memory, event(7))
        wait_until(lambda: receiver.received, "the event")
    (got,) = receiver.received
    body = json.loads(got.body)
    assert (body["specversion"], body["type"], body["id"]) == ("1.0", "docket.job.completed", "7")
    assert (body["source"], body["time"]) == ("/docket/collector", AT)
    assert body["data"]["job"]["query"] == "port 53"
    assert body["subject"] == body["data"]["job_id"]
    assert "." not in got.headers["webhook-id"]


def test_forged_word_about_a_source_is_not_sent_on(tmp_path: Path, receiver: Receiver, secret: str) -> None:
    """A worker of another sensor says nothing to receivers about this one's source."""
    memory = MemoryBroker()
    memory.declare(())
    service = WebhookService(WebhooksConfig(hooks=(hook(receiver, secret, events=("source.online",)),)), memory)
    store = DeliveryStore(tmp_path / "state")
    status = SourceStatus(name="rock01:em1", kind="x", state="online", last_seen=AT)
    body = encode(EventMessage(event=EventName.SOURCE_ONLINE, at=AT, source=status))
    sender = HookSender(hook(receiver, secret), store, SetClock(0))
    for user, kept in (("docket-worker-rock02", 0), ("docket-worker-rock01", 1)):
        delivery = delivered(memory, body, "source.online")
        delivery.user_id, delivery.account = user, "docket-webhooks"
        assert service._keep(delivery, store, {"n8n": sender})
        assert store.count("n8n", dead=False) == kept
    store.close()


def delivered(memory: MemoryBroker, body: bytes, key: str) -> MemoryDelivery:
    """As a receiver gets it."""
    ears = memory.receiver("ears", [], prefetch=1, listen=[key])
    publish(memory, body, key=key)
    delivery = ears.receive(5.0)
    assert isinstance(delivery, MemoryDelivery)
    ears.close()
    return delivery


def test_hooks_get_what_is_for_them(tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str) -> None:
    """By owner and by tag; a receiver that hangs holds up no other one."""
    receiver.answer = lambda one: receiver.released.wait(60) if one.path == "/all" else Receiver.ok(one)
    hooks = (
        hook(receiver, secret, name="all"),
        hook(receiver, secret, name="bert", owners=("bert",)),
        hook(receiver, secret, name="tagged", tags=("rule:grave",)),
    )
    with running(tmp_path, memory, *hooks):
        publish(memory, event(1), event(2, "bert"), event(3, tags=("rule:grave",)))
        wait_until(lambda: len(receiver.received) == 3, "one for each")
        receiver.released.set()
    assert {(got.path, json.loads(got.body)["id"]) for got in receiver.received} >= {("/bert", "2"), ("/tagged", "3")}


def test_failed_delivery_is_tried_again(tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str) -> None:
    """With the same id and a new signature, until it is taken."""
    before = figure("failed"), figure("delivered")
    receiver.answer = 500
    with running(tmp_path, memory, hook(receiver, secret), delays_s=(0,) * 1000):
        publish(memory, event(7))
        wait_until(lambda: len(receiver.received) > 1, "the second attempt")
        receiver.answer = 200
        wait_until(lambda: figure("delivered") > before[1], "it to be taken")
    assert figure("failed") > before[0]
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1


def test_what_is_given_up_is_shown(tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str) -> None:
    """With the reason; it can be tried again, and a restart forgets neither it nor what waits."""
    receiver.answer = 500
    with running(tmp_path, memory, hook(receiver, secret)):
        publish(memory, event(7))
        store = DeliveryStore(tmp_path / "state")
        wait_until(store.dead_ones, "it to be given up")
        wait_until(lambda: REGISTRY.get_sample_value("docket_webhook_dead", {"hook": "n8n"}) == 1, "the figure")
    (dead,) = store.dead_ones()
    assert (dead.hook, dead.event, dead.attempts, dead.last_failure) == (
        "n8n",
        "docket.job.completed",
        3,
        "answered 500",
    )
    receiver.answer = 200
    assert store.again(0) == 1
    with running(tmp_path, memory, hook(receiver, secret)):
        wait_until(lambda: len(receiver.received) == 4, "it to be sent")
        wait_until(lambda: store.count("n8n", dead=False) == 0, "nothing to wait")
    assert store.dead_ones() == []
    store.close()


def test_file_that_is_moved_is_made_again(tmp_path: Path) -> None:
    """What comes afterwards is in the file that a restart finds; a directory that is away is said, and comes back."""
    store = DeliveryStore(tmp_path / "there" / "state")
    store.add("n8n", "msg_1", "docket.job.completed", "a", b"{}", 0)
    (tmp_path / "there").rename(tmp_path / "moved")
    store.add("n8n", "msg_2", "docket.job.completed", "b", b"{}", 0)
    (tmp_path / "there").rename(tmp_path / "aside")
    (tmp_path / "there").write_text("a file in the way")
    with pytest.raises(delivery_store.StoreFailed):
        store.count("n8n", dead=False)
    (tmp_path / "there").unlink()
    (tmp_path / "aside").rename(tmp_path / "there")
    again = DeliveryStore(tmp_path / "there" / "state")
    for one in (store, again):
        waiting = one.due("n8n", 0)
        assert waiting is not None
        assert waiting.id == "msg_2"
        one.close()


def test_file_that_cannot_be_written_holds_nothing_up(tmp_path: Path, receiver: Receiver, secret: str) -> None:
    """What was delivered while the disk is full is sent once, and the service goes on."""
    store, clock = DeliveryStore(tmp_path / "state"), SetClock(10**15)
    sender = HookSender(hook(receiver, secret), store, clock)
    assert not sender.step()
    store.add("n8n", "msg_1", "docket.job.completed", "a", b"{}", 0)
    store._connection.execute("PRAGMA query_only = 1")
    for _ in range(3):
        with pytest.raises(delivery_store.StoreFailed):
            sender.step()
    store._connection.execute("PRAGMA query_only = 0")
    assert (sender.step(), len(receiver.received), store.count("n8n", dead=False)) == (False, 1, 0)
    store.close()
    service = WebhookService(WebhooksConfig(hooks=(hook(receiver, secret),)), MemoryBroker())
    service._count(store)


def test_clock_that_was_ahead_delays_nothing(tmp_path: Path, receiver: Receiver, secret: str) -> None:
    """What is to be tried again by a clock of next week is tried when the clock is right again, or after a restart."""
    store, clock = DeliveryStore(tmp_path / "state"), SetClock(10**15 + 7 * 86_400_000_000)
    receiver.answer = 500
    sender = HookSender(hook(receiver, secret), store, clock, delays_s=(60, 60))
    store.add("n8n", "msg_1", "docket.job.completed", "a", b"{}", 0)
    assert sender.step()
    clock.time_us = 10**15
    assert not sender.step()
    clock.time_us += 60_000_000
    assert sender.step()
    store.add("n8n", "msg_2", "docket.job.completed", "a", b"{}", 10**9 + 7 * 86_400)
    assert HookSender(hook(receiver, secret), store, clock).step()
    store.close()


def test_queue_is_bounded(
    tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while too much waits is left out, and counted."""
    monkeypatch.setattr(delivery_store, "MOST_WAITING", 2)
    before = figure("left out")
    receiver.answer = 500
    with running(tmp_path, memory, hook(receiver, secret), delays_s=(3600,)):
        publish(memory, event(1), event(2), event(3), event(4))
        wait_until(lambda: figure("left out") == before + 2, "two to be left out")


def test_the_same_event_twice_is_one(tmp_path: Path) -> None:
    """What comes again from the bus while it waits is there already."""
    store = DeliveryStore(tmp_path / "state")
    for _ in range(2):
        assert store.add("n8n", "msg_1", "docket.job.completed", "j", b"{}", 0)
    assert store.count("n8n", dead=False) == 1
    store.close()


@pytest.mark.rabbitmq
def test_events_wait_on_the_broker_while_the_service_is_away(
    tmp_path: Path, amqp_url: str, receiver: Receiver, secret: str
) -> None:
    """On the real RabbitMQ, in the queue that the service declared for itself."""
    bus = open_broker(amqp_url, {})
    try:
        with running(tmp_path, bus, hook(receiver, secret)):
            pass
        publish(bus, event(7))
        wait_until(lambda: bus.depth(WEBHOOKS_QUEUE).messages == 1, "the event to wait")
        with running(tmp_path, bus, hook(receiver, secret)):
            wait_until(lambda: receiver.received, "the event")
    finally:
        bus.close()


GOOD = "hooks: [{name: a, url: 'https://hooks.example/in', secret: SECRET}]"


def test_hooks_are_read_strictly(tmp_path: Path, secret: str) -> None:
    """Each fault is named, with the hook that it is of."""
    path = tmp_path / "webhooks.yaml"

    def faults(text: str, *, own_jobs_only: bool = False) -> str:
        path.write_text(text.replace("SECRET", secret))
        try:
            read_hooks(path, own_jobs_only=own_jobs_only)
        except ConfigError as error:
            return str(error)
        return ""

    assert faults(GOOD) == ""
    assert "own_jobs_only" in faults(GOOD, own_jobs_only=True)
    assert faults(GOOD.replace("}", ", owners: [anna]}"), own_jobs_only=True) == ""
    for wrong, words in (
        (GOOD.replace("name: a", "nam: a"), "nam"),
        (GOOD.replace("https://", "ftp://"), "url must be"),
        (GOOD.replace("https://", "https://u:p@"), "without a login"),
        (GOOD.replace("}", ", events: [job.done]}"), "no event job.done"),
        (GOOD.replace("}", ", networks: [x]}"), "'x' does not appear"),
        (GOOD.replace("}", ", timeout: 1h}"), "timeout"),
        (GOOD.replace("}", ", ca: /nowhere}"), "/nowhere cannot be read"),
        (GOOD.replace("}", "}, {name: a, url: 'https://b.example', secret: SECRET}"), "two hooks"),
    ):
        assert words in faults(wrong), wrong
    Path(secret).chmod(0o644)
    assert "everybody" in faults(GOOD)
    Path(secret).chmod(0o600)
    Path(secret).write_text("whsec_c2hvcnQ=\n")
    assert "24 to 64 bytes" in faults(GOOD)


def test_documented_check_of_a_signature(tmp_path: Path, memory: MemoryBroker, receiver: Receiver, secret: str) -> None:
    """The Python of the page takes what the service sends, and refuses another body, secret and time."""
    page = (Path(__file__).parents[3] / "docs/neighbours/webhooks.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    with running(tmp_path, memory, hook(receiver, secret)):
        publish(memory, event(7))
        wait_until(lambda: receiver.received, "the event")
    (got,) = receiver.received
    key = Path(secret).read_text().strip()
    is_genuine = names["is_genuine"]
    assert is_genuine(key, got.headers, got.body)
    assert not is_genuine(key, got.headers, got.body + b" ")
    assert not is_genuine(f"whsec_{base64.b64encode(b'o' * 32).decode()}", got.headers, got.body)
    assert not is_genuine(key, got.headers | {"webhook-timestamp": "1"}, got.body)
