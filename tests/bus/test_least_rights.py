"""Each role may do what it must and nothing else, on the real broker, and Docket works with exactly these rights."""

import json
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest
import requests
import yaml

from docket.bus import topology
from docket.bus.factory import open_broker
from docket.bus.permissions import roles, user_definitions
from tests.deploy.tls_broker import TlsBroker, tls_broker
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

SOURCES = ("rock01:em1", "rock02:em1")
PASSWORD = "secret"
NAMES = [role.name for role in roles()]

Act = Callable[[Any], object]


@pytest.fixture(scope="module")
def rights(broker: Broker) -> Iterator[str]:
    """A vhost with the topology and a user per role; the worker is one of sensor rock01."""
    broker.start()
    vhost = "rights"
    broker.add_vhost(vhost)
    broker.import_definitions(whole_definitions(vhost, "rock01"))
    for name in NAMES:
        broker.eval(f'rabbit_auth_backend_internal:change_password(<<"{name}">>, <<"{PASSWORD}">>, <<"tests">>)')
    yield vhost
    broker.drop_vhost(vhost)
    for name in NAMES:
        broker.drop_user(name)


def whole_definitions(vhost: str, sensor: str, worker: str = "docket-worker") -> dict[str, Any]:
    """The topology with the queues that not every installation has, and every role's user."""
    definitions: dict[str, Any] = topology.definitions(vhost, SOURCES) | user_definitions(vhost, sensor, worker)
    for name in (topology.ALERTS_QUEUE, topology.WEBHOOKS_QUEUE):
        arguments = topology.service_queue(name).arguments
        definitions["queues"].append(
            {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": arguments}
        )
    for name in ("docket.reply.test", topology.STREAM_QUEUE):
        definitions["queues"].append({"name": name, "vhost": vhost, "durable": True, "auto_delete": False})
    return definitions


def publish(exchange: str, key: str) -> Act:
    return lambda channel: channel.basic_publish(exchange, key, b"{}")


def consume(queue: str) -> Act:
    return lambda channel: channel.basic_get(queue)


def purge(queue: str) -> Act:
    return lambda channel: channel.queue_purge(queue)


def delete(queue: str) -> Act:
    return lambda channel: channel.queue_delete(queue)


def hear(exchange: str, pattern: str, name: str = "docket.listen.test.1") -> Act:
    """Declare an exclusive queue and bind it."""

    def act(channel: Any) -> None:
        channel.queue_declare(name, exclusive=True)
        channel.queue_bind(name, exchange, pattern)

    return act


def declare(queue: str, arguments: dict[str, Any] | None = None) -> Act:
    return lambda channel: channel.queue_declare(queue, durable=True, arguments=arguments or {})


def declare_service(name: str, exchange: str, key: str) -> Act:
    """What a service does that not every installation has."""

    def act(channel: Any) -> None:
        channel.queue_declare(name, durable=True, arguments=topology.service_queue(name).arguments)
        channel.queue_bind(name, exchange, key)

    return act


def declare_exclusive(channel: Any) -> None:
    channel.queue_declare("", exclusive=True)


def declare_source(source: str) -> Act:
    """What a worker does for a source: declare its queue and bind it."""
    queue = next(queue for queue in topology.queues([source]) if queue.name == topology.source_queue(source))

    def act(channel: Any) -> None:
        channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
        for binding in (*topology.bindings([source]), *topology.earlier_bindings([source])):
            if binding.queue == queue.name:
                channel.queue_bind(queue.name, binding.exchange, binding.key)

    return act


WEB, WORKER, COLLECTOR = "docket-web", "docket-worker", "docket-collector"
INSPECTOR, TOOL, AUDIT, ASKER = "docket-inspector", "docket-tool", "docket-audit", "docket-asker"

ALERTS, WEBHOOKS = "docket-alerts", "docket-webhooks"

TABLE: dict[str, tuple[Act, set[str]]] = {
    "ask": (publish(topology.JOBS, "job.request"), {WEB, TOOL, ASKER, ALERTS}),
    "cancel": (publish(topology.JOBS, "job.cancel"), {WEB}),
    "delete a result": (publish(topology.JOBS, "job.delete"), {WEB}),
    "hand an alert in": (publish(topology.JOBS, "alert"), {TOOL}),
    "retry": (publish(topology.JOBS, "job.retry"), {WEB, COLLECTOR}),
    "publish some other job message": (publish(topology.JOBS, "job.other"), set()),
    "say that a job is complete": (publish(topology.EVENTS, "job.completed"), {COLLECTOR}),
    "say that a question is rejected": (publish(topology.EVENTS, "job.rejected"), {COLLECTOR}),
    "say that a job was inspected": (publish(topology.EVENTS, "job.inspected"), {COLLECTOR, INSPECTOR}),
    "say that a source is online": (publish(topology.EVENTS, "source.online"), {WORKER, COLLECTOR}),
    "write the audit trail": (publish(topology.EVENTS, "audit.asked"), {WEB}),
    "send packets": (publish(topology.FRAGMENTS, "0"), {WORKER, INSPECTOR}),
    "bury a message": (publish(topology.DEAD, "x"), {WORKER, COLLECTOR, INSPECTOR}),
    "write to a queue past the exchanges": (publish("", topology.COLLECTOR_QUEUE), {COLLECTOR}),
    "hear of jobs": (hear(topology.EVENTS, "job.#"), {WEB, WORKER, COLLECTOR, INSPECTOR, TOOL}),
    "hear of sources": (hear(topology.EVENTS, "source.#"), {WEB, COLLECTOR, TOOL}),
    "hear the audit trail": (hear(topology.EVENTS, "audit.#"), {AUDIT}),
    "hear everything": (hear(topology.EVENTS, "#"), set()),
    "hear questions": (hear(topology.JOBS, "job.request"), {WORKER, INSPECTOR}),
    "hear routed questions": (hear(topology.REQUESTS, ""), {WORKER, INSPECTOR}),
    "hear questions without headers": (hear(topology.UNROUTED, ""), {WORKER, INSPECTOR}),
    "publish past docket.jobs": (publish(topology.REQUESTS, "job.request"), set()),
    "publish to every source past docket.jobs": (publish(topology.UNROUTED, "job.request"), set()),
    "hear cancellations": (hear(topology.JOBS, "job.cancel"), set()),
    "hear packets": (hear(topology.FRAGMENTS, "0"), set()),
    "hear dead letters": (hear(topology.DEAD, ""), set()),
    "hear with a queue that the broker names": (hear(topology.EVENTS, "job.#", ""), {TOOL}),
    "read the collector's queue": (consume(topology.COLLECTOR_QUEUE), {COLLECTOR}),
    "read packets": (consume(topology.fragment_queue(0)), {COLLECTOR}),
    "read the inspector's queue": (consume(topology.INSPECTOR_QUEUE), {INSPECTOR}),
    "read the queue of one's own sensor": (consume(topology.source_queue(SOURCES[0])), {WORKER}),
    "read another sensor's queue": (consume(topology.source_queue(SOURCES[1])), set()),
    "read dead letters": (consume(topology.DEAD_QUEUE), set()),
    "empty another sensor's queue": (purge(topology.source_queue(SOURCES[1])), set()),
    "delete the collector's queue": (delete(topology.COLLECTOR_QUEUE), set()),
    "delete another sensor's queue": (delete(topology.source_queue(SOURCES[1])), set()),
    "declare the queue of one's own sensor": (declare_source("rock01:em9"), {WORKER}),
    "declare the queue of refinements": (declare_source("docket:spool"), {INSPECTOR}),
    "declare another sensor's queue": (declare_source("rock02:em9"), set()),
    "declare a queue for replies": (declare("docket.reply.test"), {TOOL}),
    "declare an exclusive queue for replies": (
        lambda channel: channel.queue_declare("", exclusive=True),
        {TOOL, AUDIT, ASKER},
    ),
    "read the stream of events": (consume(topology.STREAM_QUEUE), {TOOL}),
    "read replies": (consume("docket.reply.test"), {TOOL}),
    "declare some queue": (declare("anything"), set()),
    "declare the queue of the audit trail": (declare("docket.audit", {"x-queue-type": "quorum"}), {AUDIT}),
    "declare the queue of alerts": (declare_service(topology.ALERTS_QUEUE, topology.JOBS, "alert"), {ALERTS}),
    "hear questions at the queue of alerts": (
        lambda channel: channel.queue_bind(topology.ALERTS_QUEUE, topology.JOBS, "job.request"),
        set(),
    ),
    "read the queue of alerts": (consume(topology.ALERTS_QUEUE), {ALERTS}),
    "declare the queue of webhooks": (declare_service(topology.WEBHOOKS_QUEUE, topology.EVENTS, "job.#"), {WEBHOOKS}),
    "read the queue of webhooks": (consume(topology.WEBHOOKS_QUEUE), {WEBHOOKS}),
    "declare an exchange": (lambda channel: channel.exchange_declare("docket.mine", durable=True), set()),
    "delete an exchange": (lambda channel: channel.exchange_delete(topology.JOBS), set()),
}


def may(broker: Broker, vhost: str, user: str, act: Act) -> bool:
    """Try it on a connection of one's own; False where the broker refuses access."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url(vhost, user, PASSWORD)))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        act(_Named(channel))
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 403:
            raise
        return False
    else:
        return True
    finally:
        connection.close()


class _Named:
    """A channel that remembers the name that the broker gave to a queue."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._name = ""

    def queue_declare(self, name: str, **more: Any) -> None:
        self._name = self._channel.queue_declare(name, **more).method.queue

    def queue_bind(self, name: str, exchange: str, key: str) -> None:
        self._channel.queue_bind(name or self._name, exchange, key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


@pytest.mark.parametrize("action", TABLE)
def test_role_may_do_what_it_must_and_nothing_else(broker: Broker, rights: str, action: str) -> None:
    """A table of role and action, all as expected."""
    act, expected = TABLE[action]
    assert {name for name in NAMES if may(broker, rights, name, act)} == expected


def test_nobody_has_a_password_at_first(broker: Broker, vhost: str) -> None:
    """The definitions that are shipped let nobody in with a password, not even an empty one."""
    definitions = user_definitions(vhost)
    user = dict(definitions["users"][0], name="docket-nobody")
    broker.import_definitions({"users": [user]})
    broker.set_permissions("docket-nobody", vhost)
    for password in ("", "docket-nobody"):
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            pika.BlockingConnection(pika.URLParameters(broker.url(vhost, "docket-nobody", password)))
    broker.drop_user("docket-nobody")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    """A broker with the shipped rabbitmq.conf and definitions.json."""
    with tls_broker(tmp_path_factory.mktemp("shipped")) as running:
        yield running


def test_docket_works_with_these_rights_over_tls(shipped: TlsBroker, tmp_path: Path) -> None:
    """Web, collector and worker, each with the certificate of its role and no password, answer a question."""
    needs.program("tcpdump", "tcpdump")
    web_port = free_port()
    roles = {}
    captures = tmp_path / "captures"
    captures.mkdir()
    with ExitStack() as stack:
        for role in ("collector", "worker", "inspector", "web"):
            settings = {
                "bus": shipped.bus(role),
                "spool": {"path": str(tmp_path / "spool"), "min_free": "1MB"},
                "web": {"listen": [f"127.0.0.1:{web_port}"]},
                "sources": [{"name": "rock01:em1", "kind": "capture-files", "path": str(captures), "flush_lag": "0s"}],
            }
            config = tmp_path / f"{role}.yaml"
            config.write_text(yaml.safe_dump(settings))
            command = [sys.executable, "-m", "docket", "--config", str(config), role]
            roles[role] = ChildProcess(command, tmp_path / f"{role}.log")
            stack.callback(roles[role].stop)
        url = f"http://127.0.0.1:{web_port}/app/docket/api/v1/"

        told = ""

        def well() -> bool:
            nonlocal told
            for child in roles.values():
                child.must_run()
            try:
                told = requests.get(f"{url}health", timeout=5).text
            except requests.RequestException as error:
                told = str(error)
                return False
            return bool(json.loads(told)["status"] == "ok")

        try:
            wait_until(well, "Docket to be well", timeout_s=90)
        except TimeoutError as error:
            raise AssertionError("\n".join([told, *(child.log_tail() for child in roles.values())])) from error
        job = requests.post(f"{url}jobs", json={"query": "port 53", "after": "1h"}, timeout=10).json()

        def final() -> Any:
            found = requests.get(f"{url}jobs/{job['id']}", timeout=10).json()
            return found if found["finished_at"] else None

        assert wait_until(final, "the job to end", timeout_s=60)["sources"][0]["verdict"] == "aged-out"
        tool = shipped.bus("tool")
        bus = open_broker(tool.pop("url"), tool)
        publisher = bus.publisher("a tool")
        publisher.publish(topology.JOBS, "job.request", b"nonsense")
        publisher.close()
        bus.close()

        def named() -> bool:
            nonlocal told
            told = requests.get(f"{url}health", timeout=5).text
            return '"dead letters"' in told

        # Newer brokers show the web app no queue: then the collector has seen it.
        wait_until(named, "the dead letter to be named", timeout_s=60)
        metrics = requests.get(f"http://127.0.0.1:{web_port}/app/docket/metrics", timeout=5).text
        assert 'docket_queue_messages{queue="docket.dead"} 1.0' in metrics
        assert 'docket_queue_consumers{queue="docket.inspector"} 1.0' in metrics
        logs = "".join((tmp_path / f"{role}.log").read_text() for role in ("collector", "worker", "inspector", "web"))
        assert "ACCESS_REFUSED" not in logs


@pytest.mark.parametrize("name", ["stranger", None])
def test_certificate_is_needed_and_must_name_a_user(shipped: TlsBroker, name: str | None) -> None:
    """Without a certificate, or with one of somebody unknown, nobody enters."""
    tls = shipped.tls
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    if name is not None:
        context.load_cert_chain(tls / f"{name}.pem", tls / f"{name}.key")
    parameters = pika.ConnectionParameters(
        "localhost",
        shipped.port,
        "docket",
        pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context, "localhost"),
        connection_attempts=1,
    )
    with pytest.raises((pika.exceptions.AMQPConnectionError, ssl.SSLError)):
        pika.BlockingConnection(parameters)


@pytest.mark.parametrize(
    ("name", "queue", "binding"),
    [
        (ALERTS, topology.ALERTS_QUEUE, topology.Binding(topology.JOBS, topology.ALERTS_QUEUE, "alert")),
        (
            WEBHOOKS,
            topology.WEBHOOKS_QUEUE,
            topology.Binding(topology.EVENTS, topology.WEBHOOKS_QUEUE, "job.completed"),
        ),
    ],
)
def test_service_declares_its_own_queue(
    broker: Broker, rights: str, name: str, queue: str, binding: topology.Binding
) -> None:
    """Also where it is not there yet, with an account that may declare nothing else; and it reads it."""
    assert may(broker, rights, name, delete(queue))
    bus = open_broker(broker.url(rights, name, PASSWORD), {})
    try:
        for _ in range(2):
            bus.declare_queue(topology.service_queue(queue), [binding], name)
        receiver = bus.receiver("test", [queue], prefetch=1)
        assert receiver.receive(0.1) is None
        wait_until(lambda: bus.depth(queue).consumers == 1, "its reader")
        receiver.close()
    finally:
        bus.close()
