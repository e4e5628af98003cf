"""What a running job costs the capture: packets that a real stenotype loses at a steady rate, with jobs and without."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.figure import Figure, Report
from bench.harness import Stage
from bench.watch import Watch
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.services.bulk import write_bulk
from tests.services.sensor import stenographer_source
from tests.services.stenographer import LiveStenographer
from tests.services.waiting import wait_until

RATE_MBPS = 200
PACKETS = 400_000
"""Of one replay: about eight seconds at that rate."""
_FLUSHED_S = 60.0


def measure(stage: Stage, runs: int) -> Report:
    """Each run: one replay in peace, and one while jobs read what was captured before, one after the other."""
    capture = stage.scratch() / "steady.pcap"
    write_bulk(capture, PACKETS)
    server = LiveStenographer(stage.scratch() / "live")
    in_peace, with_jobs, jobs = [], [], []
    try:
        server.start()
        with stage.docket([stenographer_source("bench:live", server)]) as sensor, Watch(sensor) as watch:
            for _ in range(runs):
                began = datetime.now(UTC)
                server.send(capture, f"--mbps={RATE_MBPS}", "--preload-pcap")
                in_peace.append(_lost(server, began))
                count, lost = _disturbed(server, capture, watch, began)
                jobs.append(count)
                with_jobs.append(lost)
    finally:
        server.close()
    what = f"packets of {PACKETS:,} lost by stenotype at {RATE_MBPS} Mbit/s while jobs read from the same sensor"
    return Report(
        (
            Figure(what, "lost", tuple(with_jobs), "without jobs", tuple(in_peace)),
            Figure("jobs that read the replay before meanwhile", "jobs", tuple(jobs)),
        )
    )


def _disturbed(server: LiveStenographer, capture: Path, watch: Watch, since: datetime) -> tuple[int, int]:
    """Ask for everything since then, again and again, during a replay: (jobs done, packets lost)."""
    window = (_rfc3339(since), _rfc3339(datetime.now(UTC)))
    began = datetime.now(UTC)
    replay = threading.Thread(target=server.send, args=(capture, f"--mbps={RATE_MBPS}", "--preload-pcap"))
    replay.start()
    jobs = 0
    while replay.is_alive():
        done = watch.run("", window)
        watch.forget(done.job)
        jobs += 1
    replay.join()
    return jobs, _lost(server, began)


def _lost(server: LiveStenographer, since: datetime) -> int:
    """How many packets of the replay since then are not on the disk once all is written."""
    kept = 0
    # Files are found by their start, and one may have begun just before the replay.
    after, since_us = _rfc3339(since - timedelta(seconds=60)), int(since.timestamp() * 1e6)
    changed_s = time.monotonic()

    def settled() -> bool:
        nonlocal kept, changed_s
        answer = server.query(f"after {after}")
        times, _, _ = scan(answer, FILE_HEADER_BYTES)
        count = sum(moment >= since_us for moment in times)
        if count != kept:
            kept, changed_s = count, time.monotonic()
        return kept >= PACKETS or time.monotonic() - changed_s > _FLUSHED_S

    wait_until(settled, "stenotype to write all", timeout_s=3 * _FLUSHED_S, step_s=2.0)
    return PACKETS - kept


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
