"""Requests to the web app that are cut, doubled, chunked wrongly, mixed up and filled with junk; on bare sockets."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from pathlib import Path

from tests.fuzz.report import Report, Tracebacks, resident_bytes
from tests.services.waiting import wait_until
from tests.web.docket_site import Site

BODY = b'{"query": "port 53", "after": "2026-11-24T14:02:00Z", "before": "2026-11-24T14:10:00Z"}'
UUID = b"0192f0c1-0000-7000-8000-000000000001"
PATHS = (
    *(
        b"api/v1/jobs",
        b"api/v1/jobs/" + UUID,
        b"api/v1/jobs/" + UUID + b"/pcap",
        b"api/v1/query/check",
        b"api/v1/sources",
    ),
    *(b"api/v1/health", b"api/v1/events?since=0", b"api/v1/quota", b"api/v1/jobs?limit=5&cursor=x", b"metrics", b""),
    *(b"api/uri/host/1.2.3.4/port/80/after/3m/", b"api/", b"ids", b"query", b"results/" + UUID + b"/merged.pcap"),
    *(b"static/%2e%2e/x", b"jobs/x", b"\xff\xfe", b"api/v1/jobs/%00", b"api/v1/jobs?sort=" + b"x" * 3_000),
)
METHODS = (b"GET", b"POST", b"DELETE", b"HEAD", b"PUT", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"get", b"\x00")
HEADERS = (
    *(b"Content-Type: application/json", b"Content-Type: x/y", b"Content-Length: 5", b"Content-Length: -1"),
    *(
        b"Content-Length: 99999999999",
        b"Content-Length: 5, 5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
    ),
    *(
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: AAAA",
        b"Range: bytes=9-1",
    ),
    *(
        b"Range: bytes=0-1,2-3,4-",
        b"If-Range: x",
        b"Authorization: Bearer x",
        b"Authorization: " + b"\xff" * 50,
        b"Host: evil",
    ),
    *(
        b"X-Remote-User: \xc3\xa9",
        b"Cookie: " + b"c" * 5_000,
        b": x",
        b"x",
        b" folded",
        b"A: " + b"b" * 60_000,
        b"\x00: \x00",
    ),
    *(b"Sec-WebSocket-Version: 13", b"Origin: null", b"X-Forwarded-For: ,,,", b'Forwarded: for="', b'If-None-Match: "'),
)
EVERY = 200
WAIT_S = 1.0
"""For an answer: that of stenoread begins when a source has answered, and there is none here."""
MOST_TASKS = 12
"""Of the web app's loop, when no client is there any more."""


def case(chance: random.Random) -> bytes:
    """One request, spoiled in some way."""
    lines = [chance.choice(METHODS[:3] if chance.random() < 0.7 else METHODS) + b" /app/docket/" + chance.choice(PATHS)]
    lines[0] += chance.choice((b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9", b"", b" HTTP/1.1 x"))
    lines += [b"Host: localhost", *chance.choices(HEADERS, k=chance.randrange(4))]
    body = chance.choice((BODY, b"", BODY[: chance.randrange(len(BODY))], chance.randbytes(200), b"[" * 5_000))
    if chance.random() < 0.6:
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    elif chance.random() < 0.5:
        lines.append(b"Transfer-Encoding: chunked")
        size = chance.choice((b"%x" % len(body), b"zz", b"-5", b"ffffffffffffffff", b"5;" + b"e" * 100, b""))
        body = size + b"\r\n" + body + chance.choice((b"\r\n0\r\n\r\n", b"", b"\r\n"))
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    spoil = chance.randrange(6)
    if spoil == 0:
        return whole[: chance.randrange(len(whole))]
    if spoil == 1:
        return whole + whole
    if spoil == 2:
        place = chance.randrange(len(whole))
        return whole[:place] + chance.randbytes(3) + whole[place:]
    return whole


def run(place: Path, cases: int, seed: int) -> Report:
    """Send so many, each on a connection of its own, and see in between that good requests are answered."""
    report, chance = Report(), random.Random(seed)
    site = Site(place)
    before_bytes = 0
    # What is left of a request may only show when the web app ends.
    with Tracebacks(report), contextlib.closing(site):
        site.start_collector()
        site.start_web()
        for number in range(cases):
            if number % EVERY == 0:
                answer = site.call("GET", "api/v1/health?live")
                report.served += answer.status_code == 200
                before_bytes = before_bytes or (resident_bytes() if number >= cases // 2 else 0)
            data = case(chance)
            status = _answered(site, data)
            report.answers[status] += 1
            report.cases += 1
            if status.startswith("5") and status not in ("501", "503", "505"):
                report.faults.append(f"{status} to {data[:300]!r}")
        report.growth_bytes = resident_bytes() - before_bytes
        if report.served < -(-cases // EVERY):
            report.faults.append("a good request was not answered")
        wait_until(lambda: len(asyncio.all_tasks(site._loop)) <= MOST_TASKS, "what clients left behind to end")
    return report


def _answered(site: Site, data: bytes) -> str:
    """The status of the first answer; what is cut off waits for more, so the connection is half closed."""
    with site.connect() as connection:
        connection.settimeout(WAIT_S)
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            answer = connection.recv(4_096)
        except TimeoutError:
            return "no answer yet"
        except OSError:
            pass
    return answer[9:12].decode("ascii", "replace") if answer.startswith(b"HTTP/1.") else "closed"
