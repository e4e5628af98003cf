"""What strangers and careless clients do to the site is refused or bounded, and the service lives on."""

import asyncio
import os
import resource
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from docket.web.http.connections import FILES_ASIDE, MOST_CONNECTIONS
from tests.deploy.conftest import Deployment, client
from tests.deploy.proxies import Site
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

IDLE = 10_000
CLIENT_ADDRESSES = 4
"""The kernel has 28,000 ports for each, some of which earlier tests have used up."""
PATIENCE_S = 60.0


def is_well(deployment: Deployment) -> bool:
    """Whether somebody with a password is served through the proxy."""
    try:
        answer = deployment.session().get(f"{deployment.lighttpd.url}/app/docket/api/v1/health", timeout=PATIENCE_S)
    except requests.RequestException:
        return False
    return answer.status_code == 200


@pytest.fixture
def idle() -> Iterator[Callable[[int], select.poll]]:
    """Opens ten thousand connections to a port; what it gives tells of those that the other side has closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no process here may open {wanted} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with ExitStack() as stack:

        def connect(port: int) -> select.poll:
            closed = select.poll()
            for number in range(IDLE):
                one = stack.enter_context(socket.socket())
                one.settimeout(20)
                one.bind((f"127.0.0.{number % CLIENT_ADDRESSES + 1}", 0))
                one.connect(("127.0.0.1", port))
                closed.register(one, select.POLLRDHUP)
            return closed

        yield connect
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def status(pid: int, name: str) -> int:
    """A number of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def wait_quiet(pid: int) -> None:
    """Wait until a process uses less than a fifth of a processor: it does not turn over what it cannot take."""
    used = [0.0]

    def is_quiet() -> bool:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        return len(used) > 2 and used[-1] - used[-2] < 0.1

    wait_until(is_quiet, f"process {pid} to be quiet", step_s=0.5)


def test_ten_thousand_silent_connections_at_the_proxy(
    deployment: Deployment, idle: Callable[[int], select.poll]
) -> None:
    """They keep nobody out for longer than the proxy's patience with them, which ends, and Docket hears nothing."""
    files = len(os.listdir(f"/proc/{deployment.sensor.children['web'].pid}/fd"))
    closed = idle(deployment.lighttpd.port)
    wait_until(lambda: is_well(deployment), "a person to be served beside them", timeout_s=PATIENCE_S)
    assert len(os.listdir(f"/proc/{deployment.sensor.children['web'].pid}/fd")) < files + 50
    wait_until(lambda: len(closed.poll(0)) == IDLE, "all of them to be let go of", timeout_s=PATIENCE_S, step_s=0.5)
    wait_quiet(deployment.proxy.pid)
    assert is_well(deployment)


def test_ten_thousand_silent_connections_at_docket(deployment: Deployment, idle: Callable[[int], select.poll]) -> None:
    """Docket keeps those that came last, within its bounds of memory and files, and serves people beside them."""
    pid = deployment.sensor.children["web"].pid
    closed = idle(deployment.sensor.port)
    assert is_well(deployment)
    assert deployment.sensor.http.get(f"{deployment.sensor.url}api/v1/health", timeout=20).status_code == 200
    wait_until(lambda: len(closed.poll(0)) >= IDLE - MOST_CONNECTIONS, "most of them to make room")
    wait_quiet(pid)
    assert len(os.listdir(f"/proc/{pid}/fd")) < MOST_CONNECTIONS + FILES_ASIDE
    assert status(pid, "VmHWM") < 150 * 1024
    assert len(closed.poll(0)) < IDLE
    assert is_well(deployment)


@pytest.fixture(params=["lighttpd", "nginx"])
def site(request: pytest.FixtureRequest, deployment: Deployment) -> Site:
    """Either proxy."""
    found: Site = deployment.lighttpd if request.param == "lighttpd" else request.getfixturevalue("nginx")
    return found


def slow_clients(site: Site, stack: ExitStack, count: int) -> list[ssl.SSLSocket]:
    """Clients that have sent the beginning of a header."""
    context = ssl.create_default_context(cafile=site.ca)
    slow = []
    for _ in range(count):
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=20))
        wrapped = stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        wrapped.sendall(b"GET /app/docket/ HTTP/1.1\r\nHost: localhost\r\n")
        slow.append(wrapped)
    return slow


def is_cut(client: ssl.SSLSocket) -> bool:
    """Whether the proxy has ended the connection, with a word or without."""
    client.settimeout(0.01)
    try:
        word = client.recv(4096)
        return word == b"" or b" 431 " in word[:16] or b" 408 " in word[:16]
    except TimeoutError:
        return False
    except OSError:
        return True


def drop(client: ssl.SSLSocket, drops: bytes) -> None:
    """Send a little more; one that is cut off by now notices it when it reads."""
    client.settimeout(1)
    with suppress(OSError):
        client.sendall(drops)


def test_headers_that_stop_are_cut(deployment: Deployment, site: Site) -> None:
    """Clients that stop in the middle of a header are let go of, by either proxy; others are served meanwhile."""
    with ExitStack() as stack:
        slow = slow_clients(site, stack, 100)
        assert client(site).get(f"{site.url}/app/docket/api/v1/health", timeout=20).status_code == 200
        wait_until(lambda: all(map(is_cut, slow)), "all of them to be cut", timeout_s=PATIENCE_S)
    assert is_well(deployment)


def test_slow_headers_are_cut_by_nginx(nginx: Site) -> None:
    """A header that comes drop by drop is cut when the time for a whole one is up."""

    def is_served_and_slow_is_cut() -> bool:
        assert client(nginx).get(f"{nginx.url}/app/docket/api/v1/health", timeout=20).status_code == 200
        for one in slow:
            drop(one, b"X")
        return all(map(is_cut, slow))

    with ExitStack() as stack:
        slow = slow_clients(nginx, stack, 20)
        wait_until(is_served_and_slow_is_cut, "all of them to be cut", timeout_s=PATIENCE_S, step_s=0.5)


def test_slow_headers_are_cut_by_lighttpd(deployment: Deployment) -> None:
    """A header that comes drop by drop is cut at 8 kB, never reaches Docket, and others are served meanwhile."""
    dropped = 0

    def is_served_and_slow_is_cut() -> bool:
        nonlocal dropped
        assert is_well(deployment)
        for one in slow:
            drop(one, b"X-Slow: and slow\r\n" * 25)
        dropped += 450
        return all(map(is_cut, slow))

    with ExitStack() as stack:
        slow = slow_clients(deployment.lighttpd, stack, 100)
        wait_until(is_served_and_slow_is_cut, "all of them to be cut", timeout_s=PATIENCE_S, step_s=0.1)
    assert 8000 < dropped < 10_000


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
            b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
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
            b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert raw.recv(4096).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    assert is_well(deployment)


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /app/docket/ HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"POST /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"GET /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: a\r\n\tb\r\n\r\n",
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
        writer.write(b"GET /app/docket/api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = await asyncio.wait_for(reader.readline(), 30)
        await reader.read()
        writer.close()
        return int(head.split()[1])

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(200)))

    started_s = time.monotonic()
    assert set(asyncio.run(all_of_them())) <= {200, 503}
    assert time.monotonic() - started_s < PATIENCE_S
