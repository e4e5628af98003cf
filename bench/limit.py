"""Docket's own limit: stand-ins that serve faster than it takes. Speed, memory whatever the size, first packet."""

import shutil
import time

from bench.big import MEMORY_BARS_MIB
from bench.by_hand import by_hand
from bench.fast import FastStenographer, window_of
from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from bench.process import CpuMeter, peak_mib
from bench.watch import Watch
from docket.packet.pcap import FILE_HEADER_BYTES
from tests.services.sensor import Sensor

SIZES_MB = (1000, 5000)
"""Of a whole result, half from each of two sources."""
EIGHT_MB = 100
_ROOM = 4
"""Free bytes on the disk for each byte of the result before the largest one is tried."""


def measure(stage: Stage, runs: int) -> Report:
    """Each size once for the memory; eight sources and the first packet in every run."""
    return Report((*_memory(stage, runs), *_eight(stage, runs), *_first(stage, runs)))


def _memory(stage: Stage, runs: int) -> list[Figure]:
    figures = []
    for megabytes in SIZES_MB if runs > 1 else SIZES_MB[:1]:
        if shutil.disk_usage(stage.directory).free < _ROOM * megabytes * 1_000_000:
            continue
        with stage.docket_of_fast(2) as (sensor, servers), Watch(sensor) as watch:
            other = by_hand(stage.scratch(), servers, f"port {megabytes // 2}")
            pids = {name: child.pid for name, child in sensor.children.items()}
            meter = CpuMeter(pids | {"rabbitmq": stage.broker.pid})
            done = watch.run(f"port {megabytes // 2}", window_of(megabytes // 2))
            spent_s = meter.spent_s()
            size_mb = done.job["bytes"] / 1e6
            what = f"{size_mb:,.0f} MB from two fast stand-ins"
            figures.append(Figure(what, "s", (done.took_s,), "two curls, then mergecap", (other.took_s,), Judged.RATIO))
            for name, spent in spent_s.items():
                figures.append(Figure(f"{what}: processor time of {name}, per GB", "s", (spent * 1000 / size_mb,)))
            watch.forget(done.job)
            for name, child in sensor.children.items():
                bar = MEMORY_BARS_MIB[name.partition(":")[0]]
                figures.append(
                    Figure(f"{size_mb:,.0f} MB: most memory of {name}", "MiB", (peak_mib(child.pid),), bar=bar)
                )
    return figures


def _eight(stage: Stage, runs: int) -> list[Figure]:
    ours, theirs = [], []
    with stage.docket_of_fast(8) as (sensor, servers), Watch(sensor) as watch:
        for _ in range(runs):
            theirs.append(by_hand(stage.scratch(), servers, f"port {EIGHT_MB}").took_s)
            done = watch.run(f"port {EIGHT_MB}", window_of(EIGHT_MB))
            ours.append(done.took_s)
            watch.forget(done.job)
    what = f"eight fast stand-ins at once, {EIGHT_MB} MB of each"
    return [Figure(what, "s", tuple(ours), "eight curls, then mergecap", tuple(theirs), Judged.RATIO)]


def _first(stage: Stage, runs: int) -> list[Figure]:
    full, trickling, theirs = [], [], []
    with stage.docket_of_fast(2) as (sensor, servers), Watch(sensor) as watch:
        for _ in range(runs):
            theirs.append(by_hand(stage.scratch(), servers, "port 200").first_packet_s)
            full.append(_first_packet_s(sensor, servers, watch, "port 200"))
            trickling.append(_first_packet_s(sensor, servers, watch, "udp"))
    return [
        Figure(
            "first packet downloadable after a source's first byte, of 400 MB",
            "s",
            tuple(full),
            "two curls, then mergecap, until its file has a packet",
            tuple(theirs),
            bar=1.0,
            stretch=0.3,
        ),
        Figure("the same where each source sends a packet every 0.1 s", "s", tuple(trickling)),
    ]


def _first_packet_s(sensor: Sensor, servers: list[FastStenographer], watch: Watch, query: str) -> float:
    for server in servers:
        server.forget_first_byte()
    began_s = time.perf_counter()
    job = sensor.ask(query, *window_of(200), fresh=True)
    size = 0
    with sensor.http.get(f"{sensor.url}api/v1/jobs/{job['id']}/pcap?follow=1", stream=True, timeout=60) as response:
        response.raise_for_status()
        for piece in response.iter_content(None):
            size += len(piece)
            if size > FILE_HEADER_BYTES:
                break
        came_s = time.perf_counter()
    done = watch.wait({job["id"]: began_s})[job["id"]]
    watch.forget(done.job)
    return came_s - min(server.first_byte_s() for server in servers)
