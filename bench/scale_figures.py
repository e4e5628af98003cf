"""What a large site's ledger has grown by, how long its jobs took, and how fast its web app answers."""

import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from bench.figure import Figure, percentile
from bench.load import Load
from bench.sockets import Sockets
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

ASKED_TIMES = 20
SNAPSHOTS = 5
PATHS = {
    "a page of 100 jobs": "api/v1/jobs?limit=100",
    "the same, by a word": "api/v1/jobs?limit=100&text=10.0.1",
    "the same, of a source": "api/v1/jobs?limit=100&source=sensor000:em1",
    "the sources": "api/v1/sources",
    "health": "api/v1/health",
    "metrics": "metrics",
}


class Found:
    """Figures of one run, in the order in which they were measured."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(self, what: str, value: float, unit: str) -> None:
        """Put down one."""
        self.figures.append(Figure(what, unit, (value,)))


def _ledger(sensor: Sensor) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{sensor.spool / 'ledger.sqlite3'}?mode=ro", uri=True)


def written_bytes(sensor: Sensor) -> int:
    """What is written in the ledger. Not the size of its files, which have room left and are written to later."""
    with closing(_ledger(sensor)) as ledger:
        pages, free, size = (
            int(ledger.execute(f"PRAGMA {what}").fetchone()[0])
            for what in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def measure_ledger(found: Found, load: Load, sensor: Sensor) -> None:
    """What a job of few and one of many sources takes up, tables and indexes left out."""
    sql = (
        "SELECT avg(length(snapshot) + length(request) + (SELECT sum(length(body)) FROM events WHERE job_id = id)),"
        " max(length(snapshot)) FROM jobs JOIN job_bodies USING (n)"
        " WHERE json_array_length(CAST(snapshot AS TEXT), '$.sources') = ?"
    )
    with closing(_ledger(sensor)) as ledger:
        for what, sources in load.kinds.items():
            size_bytes, longest_bytes = ledger.execute(sql, (sources,)).fetchone()
            if size_bytes is not None:
                found.add(f"text in the ledger for a job of {what}", size_bytes / 1000, "kB")
                found.add(f"the job in an event, for a job of {what}", longest_bytes / 1000, "kB")


def measure_jobs(found: Found, load: Load, sensor: Sensor) -> None:
    """How they ended, and how long they took."""
    jobs = _newest(load.jobs, sensor)
    for state, count in sorted(Counter(job["state"] for job in jobs).items()):
        found.add(f"jobs {state}, of {load.jobs}", count, "jobs")
    for what, sources in load.kinds.items():
        times_s = [_took_s(job) for job in jobs if len(job["sources"]) == sources and job["finished_at"]]
        if times_s:
            found.add(f"a job of {what}, half within", statistics.median(times_s), "s")
            found.add(f"a job of {what}, 99 % within", percentile(times_s, 0.99), "s")


def _newest(count: int, sensor: Sensor) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    cursor = ""
    while len(jobs) < count:
        page = sensor.http.get(f"{sensor.url}api/v1/jobs?limit=100{cursor}", timeout=60).json()
        jobs += page["jobs"]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    return jobs[:count]


def _took_s(job: Mapping[str, Any]) -> float:
    ended, asked = (datetime.fromisoformat(job[name]) for name in ("finished_at", "created_at"))
    return (ended - asked).total_seconds()


def measure_answers(found: Found, sensor: Sensor) -> None:
    """How long the web app takes for what every page asks, and for the first message of a socket."""
    for what, path in PATHS.items():
        times_s, size_bytes = _asked(sensor, sensor.url + path)
        found.add(f"{what}, half within", statistics.median(times_s) * 1000, "ms")
        found.add(f"size of {what}", size_bytes / 1000, "kB")
    times_s = [_snapshot_s(sensor.url) for _ in range(SNAPSHOTS)]
    found.add("first message of a new socket, half within", statistics.median(times_s) * 1000, "ms")


def _asked(sensor: Sensor, url: str) -> tuple[Sequence[float], int]:
    times_s, size_bytes = [], 0
    for _ in range(ASKED_TIMES):
        began_s = time.perf_counter()
        size_bytes = len(sensor.http.get(url, timeout=60).content)
        times_s.append(time.perf_counter() - began_s)
    return times_s, size_bytes


def _snapshot_s(url: str) -> float:
    began_s, sockets = time.perf_counter(), Sockets(url, 1)
    try:
        wait_until(lambda: sockets.received_bytes > 1_000, "the first message", step_s=0.001)
        return time.perf_counter() - began_s
    finally:
        sockets.close()
