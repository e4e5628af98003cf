"""What strangers and careless clients do to the site is refused or bounded, and the service lives on."""

import asyncio
import socket
import ssl
import time
from contextlib import ExitStack

import pytest
import requests

from tests.deploy.conftest import Deployment
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

IDLE = 2_000
PATIENCE_S = 60.0


def is_well(deployment: Deployment) -> bool:
    """Whether somebody with a password is served through the proxy."""
    try:
        answer = deployment.session().get(f"{deployment.lighttpd.url}/app/docket/api/v1/health", timeout=PATIENCE_S)
    except requests.RequestException:
        return False
    return answer.status_code == 200


def ports(deployment: Deployment) -> dict[str, int]:
    return {"lighttpd": deployment.lighttpd.port, "docket": deployment.sensor.port}


@pytest.mark.parametrize("where", ["lighttpd", "docket"])
def test_idle_connections_are_let_go_of(deployment: Deployment, where: str) -> None:
    """Two thousand connections that say nothing keep nobody out for longer than the proxy's patience with them."""
    with ExitStack() as stack:
        for _ in range(IDLE):
            idle = stack.enter_context(socket.socket())
            idle.settimeout(20)
            idle.connect(("127.0.0.1", ports(deployment)[where]))
        wait_until(lambda: is_well(deployment), "a person to be served beside them", timeout_s=PATIENCE_S)
    assert is_well(deployment)


def test_slow_headers_keep_nobody_out(deployment: Deployment) -> None:
    """A hundred clients that send a header drop by drop never reach Docket, and others are served meanwhile."""
    context = ssl.create_default_context(cafile=deployment.lighttpd.ca)
    with ExitStack() as stack:
        slow = []
        for _ in range(100):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", deployment.lighttpd.port), timeout=20))
            wrapped = stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            wrapped.sendall(b"GET /app/docket/ HTTP/1.1\r\nHost: x\r\n")
            slow.append(wrapped)
        for _ in range(5):
            for one in slow:
                one.sendall(b"X")
            assert is_well(deployment)


def test_slow_body_never_reaches_docket(deployment: Deployment) -> None:
    """A body that does not come keeps no handler busy: the proxy waits for it, and Docket knows nothing of it."""
    before = requests.get(f"{deployment.sensor.url}metrics", timeout=10).text
    context = ssl.create_default_context(cafile=deployment.lighttpd.ca)
    login = deployment.session()
    prepared = login.prepare_request(requests.Request("POST", f"{deployment.lighttpd.url}/app/docket/api/v1/jobs"))
    with (
        socket.create_connection(("127.0.0.1", deployment.lighttpd.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(
            b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: {prepared.headers['Authorization']}\r\nContent-Length: 1000\r\n\r\n{{".encode()
        )
        assert is_well(deployment)
        after = requests.get(f"{deployment.sensor.url}metrics", timeout=10).text
    count = 'docket_http_requests_total{method="POST",route="api/v1/jobs"'
    assert sum(count in line for line in before.splitlines()) == sum(count in line for line in after.splitlines())


def test_oversized_bodies_are_refused_without_the_proxy_too(deployment: Deployment) -> None:
    """Docket itself refuses what is too large: soon what is a little, at once what is a lot."""
    url = f"{deployment.sensor.url}api/v1/jobs"
    headers = {"Content-Type": "application/json"}
    assert requests.post(url, data=b" " * 300_000, headers=headers, timeout=20).status_code == 413
    with socket.create_connection(("127.0.0.1", deployment.sensor.port), timeout=20) as raw:
        raw.sendall(
            b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert raw.recv(4096).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    assert is_well(deployment)


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /app/docket/ HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"GET /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-Remote-User: a\r\n\tb\r\n\r\n",
    b"\0" * 1000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_no_trouble(deployment: Deployment, garbage: bytes) -> None:
    """Whatever bytes come, the connection ends or is answered, and the next one is served."""
    with socket.create_connection(("127.0.0.1", deployment.sensor.port), timeout=20) as raw:
        try:
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    assert requests.get(f"{deployment.sensor.url}api/v1/health?live", timeout=10).status_code == 200


def test_many_requests_at_once_are_all_answered(deployment: Deployment) -> None:
    """Two hundred lists at the same time are answered or refused with a word, none is lost."""

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", deployment.sensor.port)
        writer.write(b"GET /app/docket/api/v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await asyncio.wait_for(reader.readline(), 30)
        await reader.read()
        writer.close()
        return int(head.split()[1])

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(200)))

    started_s = time.monotonic()
    assert set(asyncio.run(all_of_them())) <= {200, 503}
    assert time.monotonic() - started_s < PATIENCE_S
