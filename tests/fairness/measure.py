"""How long another user's small job takes beside a crowd, and the memory of each process meanwhile."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.services.sensor import FINAL, Sensor
from tests.services.traffic import SAMPLE_US, START_US

OTHER = "other-0123456789abcdef"
"""The token of the user whose job is timed."""
WINDOW = {
    name: datetime.fromtimestamp((START_US + share * SAMPLE_US / 4) / 1_000_000, UTC).isoformat()
    for name, share in (("after", 1), ("before", 3))
}
"""Well within the sample, so that the answer is whole."""
UNITS = {"web": "docket.service", "collector": "docket-collector.service", "worker": "docket-worker@.service"}
UNITS |= {"inspector": "docket-inspector.service"}
SERVICES = tuple(UNITS)
_DEPLOYED = Path(__file__).parents[2] / "deploy" / "systemd"
_UNITS_OF_SIZE = {"M": 1024**2, "G": 1024**3}
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """What another user noticed."""

    crowd: str
    count: int
    took_s: float
    """From asking a small question to its end; the longest, where several were asked."""
    state: str
    sentence: str
    memory: dict[str, int]
    """The most bytes of each service while the crowd was there."""

    @property
    def too_large(self) -> list[str]:
        """Services that outgrew their unit."""
        return [name for name, size in self.memory.items() if size >= limit_bytes(name)]

    @property
    def text(self) -> str:
        memory = "".join(f"{self.memory[name] / 1e6:>8.0f} MB" for name in SERVICES)
        return f"{self.crowd:<34} {self.count:>6}  {self.state:<10} {self.took_s:6.2f} s{memory}"


def heading() -> str:
    """The two lines above the rows: the columns, and what each unit allows."""
    names = "".join(f"{name:>11}" for name in SERVICES)
    limits = "".join(f"{limit_bytes(name) / 1e6:>8.0f} MB" for name in SERVICES)
    return f"{'one user has':<41}  {'a small job of another':<19}{names}\n{'MemoryMax of the unit':<62}{limits}"


def limit_bytes(service: str) -> int:
    """MemoryMax of the unit that runs it."""
    found = re.search(r"^MemoryMax=(\d+)([MG])$", (_DEPLOYED / UNITS[service]).read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * _UNITS_OF_SIZE[found[2]]


def timed(sensor: Sensor, crowd: str, count: int, times: int = 1) -> Finding:
    """Ask a small question as the other user, and wait for its end; so many times, one after the other."""
    with _most_memory(sensor) as memory:
        tries = [_small_job(sensor) for _ in range(times)]
    states = {state for _, state, _ in tries} - {"completed"}
    took_s, state, sentence = max(tries)
    return Finding(crowd, count, took_s, "/".join(states) or state, sentence, memory)


def _small_job(sensor: Sensor) -> tuple[float, str, str]:
    began_s = time.monotonic()
    headers = {"Authorization": f"Bearer {OTHER}"}
    question = {"query": "udp and port 53", "fresh": True} | WINDOW
    answer = sensor.http.post(f"{sensor.url}api/v1/jobs", json=question, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    job = sensor.wait(answer.json()["id"], FINAL)
    return time.monotonic() - began_s, job["state"], job["sources"][0]["sentence"]


@contextmanager
def _most_memory(sensor: Sensor) -> Iterator[dict[str, int]]:
    """The most bytes of each service from here to the end of the block."""
    most = dict.fromkeys(SERVICES, 0)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(sensor, most, over.wait))
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def _watch(sensor: Sensor, most: dict[str, int], over: Callable[[float], bool]) -> None:
    while True:
        for name, child in sensor.children.items():
            service = name.partition(":")[0]
            most[service] = max(most[service], resident_bytes(child.pid))
        if over(_LOOK_S):
            return


def resident_bytes(pid: int) -> int:
    """The memory of a process, as the kernel counts it for a unit's limit: without what it shares with files."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024
