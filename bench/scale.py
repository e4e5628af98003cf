"""Many sensors, analysts and jobs: real broker, collector, web app and workers; only the stores are simulated.

`python -m bench scale` measures a tenth of 200 sensors, 1,000 interfaces, 100 analysts and 50,000 jobs a day in
compressed time, and writes the figures into docs/scale.md. `python -m bench.scale [--sensors N] [--interfaces N]
[--jobs N] [--rate PER_S] [--analysts N] [--records N]` measures another load.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.figure import Report, percentile
from bench.growth import fill_ledger
from bench.harness import Stage
from bench.load import Load, questions
from bench.page import shown
from bench.process import CpuMeter, peak_mib
from bench.scale_figures import Found, measure_answers, measure_jobs, measure_ledger, written_bytes
from bench.sockets import Sockets
from tests.services.child import ChildProcess
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

VHOST = "scale"
LOOK_S = 0.5
START_S = 120.0
IDLE_S = 3.0
SENSORS_PER_PROCESS = 5
QUICK = Load(sensors=2, interfaces=2, jobs=20, analysts=2, records=20)
_QUEUES = {"docket.source.": "requests", "docket.fragments.": "fragments", "docket.listen.": "events"}


def measure(stage: Stage, runs: int) -> Report:
    """One run; of little where `runs` is 1."""
    return run(Load() if runs > 1 else QUICK, stage.broker, stage.scratch())


def run(load: Load, broker: Broker, place: Path) -> Report:
    """Put up a site, ask everything at the rate, wait for the ends, and look."""
    with site(load, place, broker) as sensor:
        found = Found()
        pids = {name: child.pid for name, child in sensor.children.items()} | {"rabbitmq": broker.pid}
        _measure_idle(found, pids)
        before_bytes = written_bytes(sensor)
        _measure_load(found, load, sensor, broker, pids)
        found.add("ledger per job, tables and indexes", (written_bytes(sensor) - before_bytes) / load.jobs / 1000, "kB")
        measure_ledger(found, load, sensor)
        measure_jobs(found, load, sensor)
        measure_answers(found, sensor)
        for name, memories in _by_service({name: peak_mib(pid) for name, pid in pids.items()}).items():
            found.add(f"memory of {name} at most", sum(memories), "MiB")
        return Report(tuple(found.figures))


@contextmanager
def site(load: Load, place: Path, broker: Broker) -> Iterator[Sensor]:
    """Everything that runs, ready to be asked."""
    broker.add_vhost(VHOST)
    names = [name for of_sensor in load.names for name in of_sensor]
    sources = [{"name": name, "kind": "capture-files", "path": "/nonexistent", "index": "off"} for name in names]
    sensor = Sensor(place, broker.url(VHOST), sources, jobs={"open_per_user": 100_000})
    if load.records:
        fill_ledger(sensor.spool, load.records)
    try:
        sensor.start("collector")
        wait_until(lambda: (sensor.spool / "ledger.sqlite3").exists(), "the ledger")
        for first in range(0, load.sensors, SENSORS_PER_PROCESS):
            numbers = [str(first), str(first + SENSORS_PER_PROCESS)]
            command = [sys.executable, "-m", "bench.simulated", str(sensor.config), *numbers]
            sensor.children[f"workers:{first}"] = ChildProcess(command, place / f"workers-{first}.log")
        sensor.start("web")
        sensor.wait_ready(timeout_s=START_S)
        yield sensor
    finally:
        sensor.stop()
        broker.drop_vhost(VHOST)


def _by_service(values: Mapping[str, float]) -> dict[str, list[float]]:
    """The values of the processes of one service together."""
    services = defaultdict(list)
    for name, value in values.items():
        services[name.partition(":")[0]].append(value)
    return services


def _measure_idle(found: Found, pids: Mapping[str, int]) -> None:
    """What heartbeats cost while no job runs."""
    meter = CpuMeter(pids)
    time.sleep(IDLE_S)
    for name, spent_s in _by_service(meter.spent_s()).items():
        found.add(f"processor of {name} without jobs", sum(spent_s) / IDLE_S * 100, "%")


def _measure_load(found: Found, load: Load, sensor: Sensor, broker: Broker, pids: Mapping[str, int]) -> None:
    """Ask everything while analysts listen."""
    sockets = Sockets(sensor.url, load.analysts)
    meter, began_s = CpuMeter(pids), time.monotonic()
    held = _ask_all(load, sensor, broker)
    found.add("compression of the day", load.compression, "times")
    found.add("jobs asked", load.per_s, "/s")
    found.add("jobs done", load.jobs / (time.monotonic() - began_s), "/s")
    for name, spent_s in _by_service(meter.spent_s()).items():
        found.add(f"processor time of {name} per job", sum(spent_s) / load.jobs * 1000, "ms")
    for kind, most in held.items():
        found.add(f"messages in the broker at most: {kind}", most, "messages")
    received_kb = sockets.received_bytes / load.analysts / load.jobs / 1000
    found.add(f"sockets that lasted, of {load.analysts}", sockets.close(), "sockets")
    found.add("sent to each socket per job", received_kb, "kB")
    if sockets.delays_s:
        found.add("from an event to the socket, half within", statistics.median(sockets.delays_s) * 1000, "ms")
        found.add("from an event to the socket, 99 % within", percentile(sockets.delays_s, 0.99) * 1000, "ms")


def _ask_all(load: Load, sensor: Sensor, broker: Broker) -> dict[str, int]:
    """Ask at the rate, and wait until no job is open; the most messages that each kind of queues held."""
    held, began_s, looked_s = dict.fromkeys([*_QUEUES.values(), "commands"], 0), time.monotonic(), 0.0
    for number, question in enumerate(questions(load)):
        time.sleep(max(began_s + number / load.per_s - time.monotonic(), 0.0))
        sensor.http.post(f"{sensor.url}api/v1/jobs", json=question, timeout=60).raise_for_status()
        if time.monotonic() - looked_s > LOOK_S:
            looked_s = time.monotonic()
            _note_held(held, broker)
    until_s = time.monotonic() + load.longest_s
    while _open_jobs(sensor) and time.monotonic() < until_s:
        _note_held(held, broker)
        time.sleep(LOOK_S)
    return held


def _note_held(held: dict[str, int], broker: Broker) -> None:
    now = dict.fromkeys(held, 0)
    for queue, messages in broker.queue_depths(VHOST).items():
        kind = next((kind for prefix, kind in _QUEUES.items() if queue.startswith(prefix)), "commands")
        now[kind] += messages
    held.update({kind: max(most, now[kind]) for kind, most in held.items()})


def _open_jobs(sensor: Sensor) -> int:
    answer = sensor.http.get(f"{sensor.url}api/v1/jobs?state=queued,running&limit=1", timeout=60).json()
    return int(answer["total"])


def main() -> int:
    """Measure the load of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    defaults = Load()
    for name in ("sensors", "interfaces", "jobs", "analysts", "records"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    parser.add_argument("--rate", type=float, default=defaults.per_s, dest="per_s", help="jobs per second")
    load = replace(defaults, **vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="docket-scale-") as directory:
        stage = Stage(Path(directory))
        try:
            print(shown(run(load, stage.broker, stage.scratch())))
        finally:
            stage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
