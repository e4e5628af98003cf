"""The big job: everything that two real stenographers have, against two curls beside each other and then mergecap."""

import time
from collections import defaultdict

from bench.by_hand import by_hand
from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from bench.process import CpuMeter, peak_mib
from bench.watch import Watch
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.services.sensor import Sensor

MEMORY_BARS_MIB = {"collector": 150.0, "web": 150.0, "worker": 100.0}


def measure(stage: Stage, runs: int) -> Report:
    """Time, processor time per GB, and memory."""
    ours: list[float] = []
    theirs: list[float] = []
    their_cpu_s: list[float] = []
    downloads: list[float] = []
    cpu_s: dict[str, list[float]] = defaultdict(list)
    size_gb = 0.0
    with stage.docket_of_two() as sensor, Watch(sensor) as watch:
        pids = stage.pids(sensor)
        # Once for nothing: neither side shall pay for files not in memory yet, or for first connections.
        by_hand(stage.scratch(), list(stage.stenographers.values()), stage.question())
        watch.forget(watch.run("", stage.window).job)
        for run in range(runs):
            stores = CpuMeter({name: pid for name, pid in pids.items() if name.startswith("stenographer")})
            other = by_hand(stage.scratch(), list(stage.stenographers.values()), stage.question())
            theirs.append(other.took_s)
            their_cpu_s.append(other.cpu_s + sum(stores.spent_s().values()))
            meter = CpuMeter(pids)
            done = watch.run("", stage.window)
            ours.append(done.took_s)
            for name, spent_s in meter.spent_s().items():
                cpu_s[name].append(spent_s)
            size_gb = done.job["bytes"] / 1e9
            if done.job["bytes"] + FILE_HEADER_BYTES != other.size_bytes:
                raise RuntimeError(f"Docket brought {done.job['bytes']} bytes of records, not {other.size_bytes}")
            if run == 0:
                _must_be_in_order(sensor.pcap(done.job["id"]), done.job["packets"])
            downloads.append(_download_s(sensor, done.job["id"]))
            watch.forget(done.job)
        peaks = {name: peak_mib(pid) for name, pid in pids.items()}
    packets = f"{size_gb * 1000:.0f} MB, {done.job['packets']:,} packets"
    figures = [
        Figure(
            f"big job: everything of two stenographers, {packets}",
            "s",
            tuple(ours),
            "two curls, then mergecap",
            tuple(theirs),
            Judged.RATIO,
            1.0,
            0.75,
        ),
        Figure("downloading that result over HTTP", "s", tuple(downloads)),
    ]
    for name, spent in cpu_s.items():
        per_gb = tuple(seconds / size_gb for seconds in spent)
        figures.append(Figure(f"big job: processor time of {name}, per GB of result", "s", per_gb))
    total = tuple(sum(run) / size_gb for run in zip(*cpu_s.values(), strict=True))
    their_total = tuple(spent_s / size_gb for spent_s in their_cpu_s)
    what = "big job: processor time in all, per GB of result"
    figures.append(Figure(what, "s", total, "curls, mergecap and stenographers", their_total, Judged.RATIO))
    for name, peak in peaks.items():
        bar = MEMORY_BARS_MIB.get(name.partition(":")[0])
        figures.append(Figure(f"big jobs: most memory of {name}", "MiB", (peak,), bar=bar))
    return Report(tuple(figures))


def _must_be_in_order(content: bytes, packets: int) -> None:
    times, _, end = scan(content, FILE_HEADER_BYTES)
    if (len(times), end) != (packets, len(content)) or times != sorted(times):
        raise RuntimeError("the result of the big job is not whole or not in order")


def _download_s(sensor: Sensor, job_id: str) -> float:
    began_s = time.perf_counter()
    with sensor.http.get(f"{sensor.url}api/v1/jobs/{job_id}/pcap", stream=True, timeout=60) as response:
        response.raise_for_status()
        for _ in response.iter_content(1 << 20):
            pass
    return time.perf_counter() - began_s
