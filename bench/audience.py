"""Many browsers: WebSockets that note when each event came, in few processes that do nothing else.

As a program, `python -m bench.audience URL SOCKETS`, it opens the sockets, says "ready", and at the end of its
standard input prints every delay from an event's `at` to its arrival, in seconds, one per line.
"""

import asyncio
import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from bench.figure import Figure, Report, percentile
from bench.harness import NEEDLE, Stage
from bench.watch import Watch
from tests.services.sensor import Sensor

SOCKETS = 500
PROCESSES = 2
JOBS = 20

_AT = re.compile(rb'"event":"(job\.\w+)"(?:(?!"event":).)*?"at":"([^"]+)"', re.DOTALL)


def measure(stage: Stage, runs: int) -> Report:
    """Each run: small jobs one after the other, before all those sockets."""
    many, one = [], []
    with stage.docket_of_two() as sensor, Watch(sensor) as watch:
        for _ in range(runs):
            one.append(_run(stage, sensor, watch, 1, 1))
            many.append(_run(stage, sensor, watch, PROCESSES, SOCKETS // PROCESSES))
    what = f"{SOCKETS} browsers: from an event to the socket, 99 % within"
    return Report((_figure(what, many, one, 0.99, bar=250.0, stretch=100.0), _figure("half of them", many, one, 0.5)))


def _figure(
    what: str,
    many: list[list[float]],
    one: list[list[float]],
    share: float,
    *,
    bar: float | None = None,
    stretch: float | None = None,
) -> Figure:
    values, references = (tuple(percentile(run, share) * 1000 for run in runs) for runs in (many, one))
    return Figure(what, "ms", values, "one browser", references, bar=bar, stretch=stretch)


def _run(stage: Stage, sensor: Sensor, watch: Watch, processes: int, sockets: int) -> list[float]:
    """The delay of each event at each socket, in seconds."""
    command = [sys.executable, "-m", "bench.audience", sensor.url, str(sockets)]
    crowd = [_start(command) for _ in range(processes)]
    for _ in range(JOBS):
        watch.run(NEEDLE, stage.window)
    delays = [delay for process in crowd for delay in _delays(process)]
    expected = processes * sockets * JOBS * 3
    if len(delays) < expected:
        raise RuntimeError(f"{len(delays)} events came at the sockets, {expected} at least should have")
    return delays


def _start(command: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("the audience did not get in")
    return process


def _delays(process: subprocess.Popen[str]) -> list[float]:
    out, _ = process.communicate(timeout=60)
    return [float(line) for line in out.split()]


class _Browser(asyncio.Protocol):
    """A WebSocket that only listens. What comes is kept as it came, and read when all is over."""

    def __init__(self, host: str, path: str, ready: asyncio.Future[None]) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self._host, self._path, self._ready = host, path, ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._ready.done():
            self.pieces.append((time.time(), data))
        elif b'"type":"snapshot"' in data:
            self._ready.set_result(None)

    def delays(self) -> list[float]:
        """From each job event's `at` to when the last of its bytes had come."""
        delays = []
        rest = b""
        for came_s, data in self.pieces:
            rest += data
            end = 0
            for event in _AT.finditer(rest):
                if event[1] != b"job.progress":
                    delays.append(came_s - datetime.fromisoformat(event[2].decode()).timestamp())
                end = event.end()
            rest = rest[end:]
        return delays


def _made(browser: _Browser) -> Callable[[], _Browser]:
    return lambda: browser


async def _attend(url: str, sockets: int) -> list[float]:
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    browsers = []
    for _ in range(sockets):
        ready: asyncio.Future[None] = loop.create_future()
        browser = _Browser(address.netloc, f"{address.path}api/v1/events", ready)
        await loop.create_connection(_made(browser), host, port)
        await asyncio.wait_for(ready, 20.0)
        browsers.append(browser)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    return [delay for browser in browsers for delay in browser.delays()]


if __name__ == "__main__":
    print(*asyncio.run(_attend(sys.argv[1], int(sys.argv[2]))), sep="\n")
