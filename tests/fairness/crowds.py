"""One user with very many jobs or sockets, and another whose small job is timed. Against Docket's real processes."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pika

from docket.web.auth.tokens import digest
from tests.fairness.measure import OTHER, WINDOW, Finding, timed
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.traffic import write_sample
from tests.services.waiting import wait_until

GREEDY = "greedy-0123456789abcdef"
"""The token of the user who is many."""
SOURCE = "rock01:em1"
CONNECTIONS = 20
"""From which questions are asked over HTTP."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything one user has."""

    deaf: int = 200
    idle: int = 2_000
    jobs: int = 2_000
    future: int = 70
    requests: int = 2_000


FULL = Sizes()


@contextmanager
def crowded_sensor(place: Path, broker: Broker) -> Iterator[Sensor]:
    """Docket with one small capture directory and two users, known by tokens."""
    vhost = f"crowds-{place.name}"
    broker.add_vhost(vhost)
    captures = place / "captures"
    captures.mkdir()
    write_sample(captures / "em1.pcap", "em1")
    tokens = place / "tokens"
    tokens.write_text(f"greedy {digest(GREEDY)}\nother {digest(OTHER)}\n")
    source = {"name": SOURCE, "kind": "capture-files", "path": str(captures), "flush_lag": "0s", "index": "off"}
    sensor = Sensor(place, broker.url(vhost), [source], web={"tokens": str(tokens)})
    try:
        sensor.start("inspector")
        sensor.start_all()
        yield sensor
    finally:
        sensor.stop()
        broker.drop_vhost(vhost)


def all_at_once(sensor: Sensor, broker: Broker, sizes: Sizes) -> Finding:
    """One user has all of it: jobs for the future, idle and deaf sockets, jobs on the bus and questions over HTTP."""
    with ExitStack() as stack:
        _wait_for_2035(sensor, broker, sizes.future)
        for number in range(sizes.idle + sizes.deaf):
            stack.enter_context(open_socket(sensor, GREEDY, receive_bytes=4_096 if number >= sizes.idle else 0))
        enough = threading.Event()
        stack.callback(enough.set)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = [pool.submit(_ask, sensor, number, enough) for number in range(sizes.requests)]
            _publish(sensor, broker, _questions(sizes.jobs))
            finding = timed(sensor, "all of it at once", sum((sizes.idle, sizes.deaf, sizes.jobs, sizes.future)), 5)
            enough.set()
            assert {answer.result() for answer in answers} <= {0, 201, 429, 503}
    return finding


def many_jobs(sensor: Sensor, broker: Broker, count: int) -> Finding:
    """One user asks so many questions on the bus in one go."""
    _publish(sensor, broker, _questions(count))
    return timed(sensor, "jobs", count)


def jobs_of_the_future(sensor: Sensor, broker: Broker, count: int) -> Finding:
    """One user asks for packets of 2035, with the longest deadline; gives the finding once all of them wait."""
    _wait_for_2035(sensor, broker, count)
    return timed(sensor, "jobs that wait for 2035", count)


def many_requests(sensor: Sensor, count: int) -> Finding:
    """One user asks so many questions over HTTP, from twenty connections."""
    enough = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [pool.submit(_ask, sensor, number, enough) for number in range(count)]
        wait_until(lambda: sum(one.done() for one in answers) > count // 4, "a quarter to be asked", 300)
        finding = timed(sensor, "questions over HTTP", count)
        enough.set()
        assert {one.result() for one in answers} <= {0, 201, 429, 503}
    return finding


def idle_sockets(sensor: Sensor, count: int) -> Finding:
    """One user holds WebSockets that read nothing and say nothing, but take what the kernel buffers."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(open_socket(sensor, GREEDY))
        return timed(sensor, "idle sockets", count)


def deaf_sockets(sensor: Sensor, broker: Broker, count: int, jobs: int) -> Finding:
    """One user holds WebSockets that never read, while events of so many jobs are sent."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(open_socket(sensor, GREEDY, receive_bytes=4_096))
        _publish(sensor, broker, _questions(jobs))
        return timed(sensor, "sockets that never read", count)


@contextmanager
def open_socket(sensor: Sensor, token: str, receive_bytes: int = 0) -> Iterator[socket.socket]:
    """A WebSocket after its handshake; what is sent on it is not read."""
    opened = socket.socket()
    if receive_bytes:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    opened.settimeout(30)
    with opened:
        opened.connect(("127.0.0.1", sensor.port))
        opened.sendall(
            b"GET /app/docket/api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        opened.recv(12)
        yield opened


def waiting(sensor: Sensor) -> int:
    """Jobs that the source has in hand and does not read."""
    answer = sensor.http.get(f"{sensor.url}api/v1/sources", timeout=30).json()
    return int(answer["sources"][0]["stats"].get("waiting", 0))


def _wait_for_2035(sensor: Sensor, broker: Broker, count: int) -> None:
    far = {"after": "2035-01-01T00:00:00Z", "before": "2035-01-01T01:00:00Z", "deadline_s": 86_400}
    _publish(sensor, broker, [{"query": f"port {number + 1}"} | far for number in range(count)])
    wait_until(lambda: waiting(sensor) >= count, "all of them to wait at the source", 60)


def _ask(sensor: Sensor, number: int, enough: threading.Event) -> int:
    """The status of a question over HTTP; 0 if it is not asked any more."""
    if enough.is_set():
        return 0
    question = {"query": f"port {number + 1}", "fresh": True} | WINDOW
    headers = {"Authorization": f"Bearer {GREEDY}"}
    return sensor.http.post(f"{sensor.url}api/v1/jobs", json=question, headers=headers, timeout=120).status_code


def _questions(count: int) -> list[Mapping[str, object]]:
    return [{"query": f"port {number % 65_000 + 1}"} | WINDOW for number in range(count)]


def _publish(sensor: Sensor, broker: Broker, questions: Iterable[Mapping[str, object]]) -> None:
    """Publish them in one go. The last one is confirmed: a broker may lose what waits where a publisher just leaves."""
    url = broker.url(f"crowds-{sensor.directory.name}")
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    *first, last = map(_message, questions)
    for body in first:
        channel.basic_publish("docket.jobs", "job.request", body)
    channel.confirm_delivery()
    channel.basic_publish("docket.jobs", "job.request", last)
    connection.close()


def _message(question: Mapping[str, object]) -> str:
    message: dict[str, object] = {"schema": "docket.job.request/1", "id": str(uuid.uuid4()), "owner": "greedy"}
    return json.dumps(message | {"requested_at": datetime.now(UTC).isoformat(), **question})
