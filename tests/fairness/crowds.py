"""One user with very many jobs or sockets, and another whose small job is timed. Against Docket's real processes."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pika

from docket.web.auth.tokens import digest
from tests.services.rabbitmq import Broker
from tests.services.sensor import FINAL, Sensor
from tests.services.traffic import SAMPLE_US, START_US, write_sample
from tests.services.waiting import wait_until

GREEDY, OTHER = "greedy-0123456789abcdef", "other-0123456789abcdef"
"""Tokens of the two users."""
SOURCE = "rock01:em1"
WINDOW = {
    name: datetime.fromtimestamp((START_US + share * SAMPLE_US / 4) / 1_000_000, UTC).isoformat()
    for name, share in (("after", 1), ("before", 3))
}
"""Well within the sample, so that the answer is whole."""
UNIT_LIMIT_BYTES = 512 * 1024 * 1024
"""MemoryMax of docket.service and docket-collector.service; a worker's is less by a quarter."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What another user noticed."""

    crowd: str
    count: int
    took_s: float
    """From asking a small question to its end."""
    state: str
    sentence: str
    memory: dict[str, int]
    """Bytes of each process while the crowd was there."""

    @property
    def text(self) -> str:
        memory = ", ".join(f"{name.partition(':')[0]} {size // 1_000_000} MB" for name, size in self.memory.items())
        return f"{self.crowd:<34} {self.count:>6}  {self.state:<10} {self.took_s:5.2f} s  {memory}"


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
        sensor.start_all()
        yield sensor
    finally:
        sensor.stop()
        broker.drop_vhost(vhost)


def timed(sensor: Sensor, crowd: str, count: int) -> Finding:
    """Ask a small question as the other user, and wait for its end."""
    began_s = time.monotonic()
    headers = {"Authorization": f"Bearer {OTHER}"}
    question = {"query": "udp and port 53", "fresh": True} | WINDOW
    answer = sensor.http.post(f"{sensor.url}api/v1/jobs", json=question, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    job = sensor.wait(answer.json()["id"], FINAL)
    took_s = time.monotonic() - began_s
    memory = {name: resident_bytes(child.pid) for name, child in sensor.children.items()}
    return Finding(crowd, count, took_s, job["state"], job["sources"][0]["sentence"], memory)


def many_jobs(sensor: Sensor, broker: Broker, count: int) -> Finding:
    """One user asks so many questions on the bus in one go."""
    _publish(sensor, broker, [{"query": f"port {number % 65_000 + 1}"} | WINDOW for number in range(count)])
    return timed(sensor, "jobs of one user", count)


def jobs_of_the_future(sensor: Sensor, broker: Broker, count: int) -> Finding:
    """One user asks for packets of 2035, with the longest deadline; gives the finding once all of them wait."""
    far = {"after": "2035-01-01T00:00:00Z", "before": "2035-01-01T01:00:00Z", "deadline_s": 86_400}
    _publish(sensor, broker, [{"query": f"port {number + 1}"} | far for number in range(count)])
    wait_until(lambda: waiting(sensor) >= count, "all of them to wait at the source", 60)
    return timed(sensor, "jobs that wait for 2035", count)


def many_requests(sensor: Sensor, count: int) -> Finding:
    """One user asks so many questions over HTTP, from twenty connections."""

    def ask(number: int) -> int:
        question = {"query": f"port {number + 1}", "fresh": True} | WINDOW
        answer = sensor.http.post(
            f"{sensor.url}api/v1/jobs", json=question, headers={"Authorization": f"Bearer {GREEDY}"}, timeout=120
        )
        return answer.status_code

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(ask, number) for number in range(count)]
        wait_until(lambda: sum(one.done() for one in answers) > count // 4, "a quarter to be asked", 300)
        finding = timed(sensor, "questions of one user over HTTP", count)
        assert {one.result() for one in answers} <= {201, 429, 503}
    return finding


def idle_sockets(sensor: Sensor, count: int) -> Finding:
    """One user holds WebSockets that read nothing and say nothing, but take what the kernel buffers."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(open_socket(sensor, GREEDY))
        return timed(sensor, "idle sockets of one user", count)


def deaf_sockets(sensor: Sensor, broker: Broker, count: int, jobs: int) -> Finding:
    """One user holds WebSockets that never read, while so many jobs are told of."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(open_socket(sensor, GREEDY, receive_bytes=4_096))
        _publish(sensor, broker, [{"query": f"port {number + 1}"} | WINDOW for number in range(jobs)])
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


def resident_bytes(pid: int) -> int:
    """The memory of a process, as the kernel counts it for a unit's limit: without what it shares with files."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


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
