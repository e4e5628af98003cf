"""What one does without Docket: a curl per stenographer, beside each other, and then mergecap."""

import resource
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Server, curl_command, run_all
from docket.packet.pcap import FILE_HEADER_BYTES

_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class ByHand:
    """How it went."""

    took_s: float
    first_packet_s: float
    """Until the merged file had a packet; mergecap begins when the last curl is done."""
    cpu_s: float
    """Of the curls and of mergecap."""
    size_bytes: int
    """Of the merged file."""


def by_hand(place: Path, servers: Sequence[Server], question: str) -> ByHand:
    """Do it in an empty directory, and leave nothing there. Raises RuntimeError if a program fails."""
    parts = [place / f"{number}.pcap" for number in range(len(servers))]
    merged = place / "merged.pcap"
    first = _FirstPacket(merged)
    cpu_before_s = _children_cpu_s()
    began_s = time.perf_counter()
    run_all(*(curl_command(server, question, part) for server, part in zip(servers, parts, strict=True)))
    first.start()
    run_all(["mergecap", "-F", "pcap", "-w", str(merged), *map(str, parts)])
    ended_s = time.perf_counter()
    cpu_s = _children_cpu_s() - cpu_before_s
    first.join()
    size_bytes = merged.stat().st_size
    for path in (*parts, merged):
        path.unlink()
    return ByHand(ended_s - began_s, first.came_s - began_s, cpu_s, size_bytes)


class _FirstPacket(threading.Thread):
    """Notes when a capture file that is being written has its first packet."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.came_s = 0.0
        self._path = path

    def run(self) -> None:
        deadline_s = time.perf_counter() + 60.0
        while time.perf_counter() < deadline_s:
            if self._path.exists() and self._path.stat().st_size > FILE_HEADER_BYTES:
                break
            time.sleep(_POLL_S)
        self.came_s = time.perf_counter()


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
