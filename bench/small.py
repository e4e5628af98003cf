"""The small job, a needle in the haystack: against the slower of the two curls; and fifty of them at once."""

import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests

from bench.figure import Figure, Judged, Report
from bench.harness import NEEDLE, Stage, curl_command, run_all
from bench.watch import Watch
from tests.services.bulk import NEEDLE_PACKETS
from tests.services.sensor import Sensor

QUESTIONS_PER_RUN = 50
AT_ONCE = 50
_ASKERS = 10


def measure(stage: Stage, runs: int) -> Report:
    """Each run is the median of fifty pairs."""
    ours: list[float] = []
    theirs: list[float] = []
    per_s: list[float] = []
    curls_per_s: list[float] = []
    with stage.docket_of_two() as sensor, Watch(sensor) as watch:
        watch.run(NEEDLE, stage.window)  # the first one opens connections
        for _ in range(runs):
            pairs = [(_slowest_curl_s(stage), _small_job_s(stage, watch)) for _ in range(QUESTIONS_PER_RUN)]
            # The median of the differences, not the difference of the medians: each pair met the same machine.
            excess_s = statistics.median(our - their for their, our in pairs)
            their_s = statistics.median(their for their, _ in pairs)
            theirs.append(their_s * 1000)
            ours.append((their_s + excess_s) * 1000)
            curls_per_s.append(_many_curls_per_s(stage))
            per_s.append(_many_jobs_per_s(stage, sensor, watch))
    return Report(
        (
            Figure(
                f"small job: {2 * NEEDLE_PACKETS} packets out of two stenographers, median of {QUESTIONS_PER_RUN}",
                "ms",
                tuple(ours),
                "the slower one of two curls",
                tuple(theirs),
                Judged.EXCESS,
                20.0,
                5.0,
            ),
            Figure(
                f"small jobs done per second, {AT_ONCE} asked at once",
                "/s",
                tuple(per_s),
                f"the same questions with {2 * AT_ONCE} curls at once",
                tuple(curls_per_s),
                Judged.RATE,
                0.8,
                1.0,
            ),
        )
    )


def _slowest_curl_s(stage: Stage) -> float:
    times = []
    for server in stage.stenographers.values():
        began_s = time.perf_counter()
        run_all(curl_command(server, stage.question(NEEDLE), "/dev/null"))
        times.append(time.perf_counter() - began_s)
    return max(times)


def _small_job_s(stage: Stage, watch: Watch) -> float:
    done = watch.run(NEEDLE, stage.window)
    if done.job["packets"] != 2 * NEEDLE_PACKETS:
        raise RuntimeError(f"the small job brought {done.job['packets']} packets")
    return done.took_s


def _many_curls_per_s(stage: Stage) -> float:
    servers = stage.stenographers.values()
    commands = [curl_command(server, stage.question(NEEDLE), "/dev/null") for server in servers] * AT_ONCE
    began_s = time.perf_counter()
    run_all(*commands)
    return AT_ONCE / (time.perf_counter() - began_s)


def _many_jobs_per_s(stage: Stage, sensor: Sensor, watch: Watch) -> float:
    began_s = time.perf_counter()
    ids = [str(uuid.uuid4()) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(_ASKERS) as askers:
        list(askers.map(lambda job_id: _ask(stage, sensor, job_id), ids))
    done = watch.wait(dict.fromkeys(ids, began_s))
    return AT_ONCE / max(one.took_s for one in done.values())


def _ask(stage: Stage, sensor: Sensor, job_id: str) -> None:
    after, before = stage.window
    body = {"query": NEEDLE, "after": after, "before": before, "fresh": True, "id": job_id}
    requests.post(f"{sensor.url}api/v1/jobs", json=body, timeout=60).raise_for_status()
