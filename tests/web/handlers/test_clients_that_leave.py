"""A client that leaves in the middle leaves nothing behind: no task waits for it, and no job of its own is read on."""

import asyncio
import contextlib
import socket

import pytest

from tests.services.waiting import wait_until
from tests.web.docket_site import Site

STENOREAD = b"POST /app/docket/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nport 53"
CHUNKED = b"POST /app/docket/%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
CUT = b"POST /app/docket/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"


def tasks(site: Site) -> int:
    """Those of the web app's loop."""
    assert site._loop is not None
    return len(asyncio.all_tasks(site._loop))


@pytest.mark.parametrize(
    "sent",
    [
        STENOREAD,
        STENOREAD * 2,
        *(way % path for path in (b"api/v1/events", b"api/v1/jobs", b"query") for way in (CUT, CHUNKED)),
    ],
    ids=[
        "stenoread",
        "stenoread, and again",
        *(f"{path} {way}" for path in ("events", "jobs", "query") for way in ("cut", "wrongly chunked")),
    ],
)
def test_client_that_leaves_is_not_waited_for(site: Site, sent: bytes) -> None:
    """With its body cut or wrongly chunked, or before the first packet of its answer."""
    assert site.call("GET", "api/v1/health?live").status_code == 200
    before = tasks(site)
    held = [site.connect() for _ in range(5)]
    for one in held:
        one.sendall(sent)
    if sent.startswith(STENOREAD):
        wait_until(lambda: site.call("GET", "api/v1/jobs").json()["total"] >= 1, "the question")
    for one in held:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
    wait_until(lambda: tasks(site) <= before, "the tasks to end")
