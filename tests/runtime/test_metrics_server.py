"""The figures of a service: who gets them, and that those who hold connections cost it nothing."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from docket.runtime import metrics_server
from docket.runtime.metrics_server import metrics_served
from docket.runtime.own_names import is_loopback
from tests.services.ports import free_port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where this process's figures are served, half a second for each connection."""
    number = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics_server, "LONGEST_S", 0.5)
        patch.setattr(metrics_server, "_add_build", lambda _: None)
        with metrics_served(("127.0.0.1", number)):
            yield number


def answer(port: int, method: str = "GET", path: str = "/metrics", host: str = "localhost") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/metrics", "localhost", 200),
        ("GET", "/metrics", "127.0.0.1:9100", 200),
        ("GET", "/metrics", "evil.example", 421),
        ("GET", "/metrics", "[", 421),
        ("GET", "/../etc/passwd", "localhost", 404),
        ("POST", "/metrics", "localhost", 501),
    ],
)
def test_figures_are_for_programs_of_this_machine(port: int, method: str, path: str, host: str, status: int) -> None:
    """Not for a site that rebinds its name to this address; there is nothing else than figures."""
    found, body = answer(port, method, path, host)
    assert found == status
    assert (b"# TYPE" in body) is (status == 200)


def test_held_connections_do_not_keep_others_waiting(port: int) -> None:
    """One that says nothing, or stops in the middle, is closed; no thread is made for any."""
    with ExitStack() as stack:
        for begun in (b"", b"GET /metrics HTTP/1.1\r\nHost: x", b"\x00"):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            held.sendall(begun)
        assert answer(port)[0] == 200


def test_loopback_is_known_through_a_socket_for_both_families() -> None:
    """A server at `::` sees programs of its own machine at mapped addresses."""
    named = {address: is_loopback(address) for address in ("::ffff:127.0.0.1", "::1", "127.0.0.9", "::ffff:192.0.2.1")}
    assert list(named.values()) == [True, True, True, False]
