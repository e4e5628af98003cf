"""Cost as the work grows: megabytes, sources, jobs in the ledger; and a page of the list of 10,000 jobs."""

import statistics
import time
import uuid
from pathlib import Path

from bench.fast import window_of
from bench.figure import Figure, Report, Series
from bench.harness import Stage
from bench.process import CpuMeter
from bench.watch import Watch
from docket.domain.job import Event, EventName, SourceAnswer, Verdict
from docket.domain.request import check_request
from docket.domain.timewindow import US_PER_S, format_us
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Entries, Ledger
from tests.services.sensor import Sensor

SIZES_MB = (1, 10, 100, 1000)
SOURCES = (1, 2, 4, 8, 16)
MB_IN_ALL = 160
LEDGER_JOBS = (1, 10, 100, 1_000, 10_000)
PAGES = 50


def measure(stage: Stage, runs: int) -> Report:
    """One run of each size; with `runs` of 1 the largest are left out."""
    last = None if runs > 1 else -1
    by_size = _by_size(stage, SIZES_MB[:last])
    by_sources = _by_sources(stage, SOURCES[:last])
    return Report(
        (_page_figure(stage, runs),),
        (
            Series("one source", "megabytes", "s", tuple((size, took_s) for size, took_s, _ in by_size)),
            Series(
                "processor time of worker and collector",
                "megabytes",
                "s",
                tuple((size, cpu_s) for size, _, cpu_s in by_size),
            ),
            Series(f"{MB_IN_ALL} MB shared out", "sources", "s", by_sources),
            Series("a page of the list", "jobs in the ledger", "ms", _by_ledger(stage, LEDGER_JOBS[:last])),
        ),
    )


def _by_size(stage: Stage, sizes: tuple[int, ...]) -> list[tuple[float, float, float]]:
    points = []
    with stage.docket_of_fast(1) as (sensor, _), Watch(sensor) as watch:
        for megabytes in sizes:
            meter = CpuMeter({name: child.pid for name, child in sensor.children.items() if name != "web"})
            done = watch.run(f"port {megabytes}", window_of(megabytes))
            points.append((float(megabytes), done.took_s, max(sum(meter.spent_s().values()), 0.01)))
            watch.forget(done.job)
    return points


def _by_sources(stage: Stage, counts: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    points = []
    for count in counts:
        with stage.docket_of_fast(count) as (sensor, _), Watch(sensor) as watch:
            megabytes = MB_IN_ALL // count
            points.append((float(count), watch.run(f"port {megabytes}", window_of(megabytes)).took_s))
    return tuple(points)


def _by_ledger(stage: Stage, counts: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    return tuple((float(count), _page_ms(stage, count)[0]) for count in counts)


def _page_figure(stage: Stage, runs: int) -> Figure:
    pairs = [_page_ms(stage, LEDGER_JOBS[-1]) for _ in range(runs)]
    return Figure(
        f"a page of 100 jobs out of {LEDGER_JOBS[-1]:,}, median of {PAGES}",
        "ms",
        tuple(page for page, _ in pairs),
        "one job out of them",
        tuple(single for _, single in pairs),
        bar=30.0,
        stretch=10.0,
    )


def _page_ms(stage: Stage, jobs: int) -> tuple[float, float]:
    """Milliseconds for a page of the list, and for a single job, with so many in the ledger."""
    with stage.docket_of_fast(1, lambda spool: fill_ledger(spool, jobs)) as (sensor, _):
        page = _median_ms(sensor, "api/v1/jobs?limit=100")
        newest = sensor.http.get(f"{sensor.url}api/v1/jobs?limit=1", timeout=10).json()
        if newest["total"] != jobs:
            raise RuntimeError(f"the list has {newest['total']} jobs, not {jobs}")
        return page, _median_ms(sensor, f"api/v1/jobs/{newest['jobs'][0]['id']}")


def _median_ms(sensor: Sensor, path: str) -> float:
    times = []
    for _ in range(PAGES):
        began_s = time.perf_counter()
        sensor.http.get(sensor.url + path, timeout=10).raise_for_status()
        times.append(time.perf_counter() - began_s)
    return statistics.median(times) * 1000


def fill_ledger(directory: Path, jobs: int) -> None:
    """Write a ledger with so many finished jobs."""
    spool = Spool(directory)
    spool.create()
    ledger = Ledger(spool.ledger)
    now_us = time.time_ns() // 1000
    for first in range(0, jobs, 500):
        entries = Entries()
        for number in range(first, min(first + 500, jobs)):
            entries.events += _story(now_us - (jobs - number) * US_PER_S, number)
        entries.published = list(range(first * 2 + 1, first * 2 + 1 + len(entries.events)))
        ledger.commit(entries)
    ledger.close()


def _story(at_us: int, number: int) -> list[Event]:
    """A job that found nothing, from its beginning to its end."""
    question = {
        "schema": "docket.job.request/1",
        "id": str(uuid.uuid4()),
        "query": f"host 10.1.{number // 250 % 250}.{number % 250} and port {number % 60_000 + 1}",
        "after": format_us(at_us - 900 * US_PER_S),
        "before": format_us(at_us),
        "requested_at": format_us(at_us),
        "owner": f"analyst{number % 7}",
    }
    request = check_request(question)
    answer = SourceAnswer(name="bench:fast1", verdict=Verdict.EMPTY, sentence="There were none.", usable=True)
    common = {"job_id": request.id, "at": format_us(at_us)}
    return [
        Event(name=EventName.REQUESTED, request=request, source_names=("bench:fast1",), **common),  # type: ignore[arg-type]
        Event(name=EventName.COMPLETED, answers=(answer,), packets=0, bytes=0, **common),  # type: ignore[arg-type]
    ]
