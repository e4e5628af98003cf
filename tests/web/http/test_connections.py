"""Connections that say nothing: how many there may be, which of them go, and when."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docket.web import app
from docket.web.http import connections
from tests.services.waiting import wait_until
from tests.web.docket_site import Site
from tests.web.sockets import Socket

MOST = 8
LIVE = b"GET /app/docket/api/v1/health?live HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web app that has room for eight connections."""
    monkeypatch.setattr(app, "make_room", lambda: MOST)
    site = Site(tmp_path)
    try:
        site.start_collector()
        site.start_web()
        yield site
    finally:
        site.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection on which it had nothing to say."""
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as opened:
        yield opened


def connect(stack: ExitStack, site: Site, count: int) -> list[socket.socket]:
    """Open connections, one after the other."""
    return [stack.enter_context(site.connect()) for _ in range(count)]


def put_out(site: Site) -> int:
    name = "docket_connections_put_out_total "
    lines = site.call("GET", "metrics", headers={"Connection": "close"}).text.splitlines()
    return next(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))


def test_longest_silent_connection_makes_room(narrow: Site, stack: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    """Of nine connections that say nothing, or not all, the first has to go; the ninth and a person find room."""
    silent = connect(stack, narrow, MOST)
    silent[1].sendall(LIVE)
    (newest,) = connect(stack, narrow, 1)
    wait_until(lambda: is_closed(silent[0]), "the oldest connection to be closed")
    assert not any(map(is_closed, [*silent[1:], newest]))
    assert put_out(narrow) == 2
    assert "8 connections are too many: the one that was silent for longest is closed" in caplog.text
    wait_until(lambda: is_closed(silent[1]), "the next one, whose header is not whole, to be closed for the person")
    assert not any(map(is_closed, [*silent[2:], newest]))


def test_answer_begins_the_silence_anew(narrow: Site, stack: ExitStack) -> None:
    """A connection that was used last goes last."""
    opened = connect(stack, narrow, MOST)
    opened[0].sendall(LIVE + b"\r\n")
    assert opened[0].recv(4096).startswith(b"HTTP/1.1 200")
    opened += connect(stack, narrow, MOST - 1)
    wait_until(lambda: all(map(is_closed, opened[1:MOST])), "the others to be closed")
    assert not is_closed(opened[0])


def test_live_sockets_take_room_and_keep_it(narrow: Site, stack: ExitStack) -> None:
    """Browsers that watch never make room for others: these are put out, and the browsers hear on."""
    with Socket(narrow) as first, Socket(narrow) as second:
        silent = connect(stack, narrow, 2 * MOST)
        wait_until(lambda: sum(map(is_closed, silent)) == len(silent) - (MOST - 2), "most of them to be closed")
        job = narrow.ask(query="port 53", after="10m")
        for browser in (first, second):
            browser.wait_for("job.requested", job.id)


def test_silent_connection_is_closed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether nothing came, or a header drop by drop: the time for a whole header is bounded."""
    monkeypatch.setattr(app, "IDLE_S", 0.5)
    site = Site(tmp_path)
    try:
        site.start_web()
        with site.connect() as silent, site.connect() as slow:

            def drop() -> bool:
                try:
                    slow.sendall(b"X")
                except ConnectionError:
                    return True
                return is_closed(slow)

            slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            wait_until(drop, "the slow connection to be closed", timeout_s=10)
            wait_until(lambda: is_closed(silent), "the silent connection to be closed", timeout_s=10)
    finally:
        site.close()


@pytest.mark.parametrize(
    ("soft", "hard", "room", "raised"),
    [
        (1024, 524_288, 2000, 4256),
        (20_000, 20_000, 2000, 20_000),
        (1024, 1024, 384, 1024),
        (64, 64, 16, 64),
        (1024, resource.RLIM_INFINITY, 2000, 4256),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 2000, resource.RLIM_INFINITY),
    ],
)
def test_room_follows_from_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, room: int, raised: int
) -> None:
    """The soft limit is raised as far as is needed; where the hard one is lower there are fewer connections."""
    limits = {"now": (soft, hard)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.update(now=new))
    assert connections.make_room() == room
    assert limits["now"] == (raised, hard)


def test_limit_that_may_not_be_raised_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the call is forbidden, there are as many connections as the limit from outside allows."""

    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 524_288))
    monkeypatch.setattr(resource, "setrlimit", forbidden)
    assert connections.make_room() == 384


def test_unit_sets_the_limit_that_is_needed() -> None:
    """The shipped unit gives what all connections may need: its sandbox forbids setrlimit."""
    unit = (Path(__file__).parents[3] / "deploy/systemd/docket.service").read_text()
    needed = connections.FILES_ASIDE + connections.FILES_PER_CONNECTION * connections.MOST_CONNECTIONS
    assert f"LimitNOFILE={needed}\n" in unit
