"""What became of one fault: asked, waited for, downloaded, compared. For `table` and what it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.faults.packets import Packet
from tests.services.sensor import Sensor
from tests.services.truth import packets_of

FULL = ("complete", "empty")
GRACE_S = 6.0
"""How long after its deadline a job may end: the collector waits up to 5 s for messages that are still coming in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table."""

    fault: str
    verdict: str
    state: str
    sentence: str
    took_s: float
    wrong: tuple[str, ...]
    """All that is not as it must be; nothing, if all is well."""


def packets_in(sensor: Sensor, job: dict[str, Any]) -> list[Packet]:
    """The packets of a job's result; none if it has no result."""
    if job["pcap"] is None:
        return []
    return [Packet(packet.time_us, packet.frame) for packet in packets_of(sensor.pcap(job["id"]))]


def honest(sensor: Sensor, job: dict[str, Any], got: Sequence[Packet], took_s: float) -> list[str]:
    """What is wrong with a finished job, whatever happened to it."""
    wrong = []
    deadline_s = (_time(job["deadline"]) - _time(job["created_at"])).total_seconds()
    if took_s > deadline_s + GRACE_S:
        wrong.append(f"it ended {took_s - deadline_s:.1f} s after its deadline")
    for source in job["sources"]:
        if source["verdict"] is None or not source["sentence"]:
            wrong.append(f"{source['name']} has no verdict or no sentence")
        elif source["verdict"] not in FULL and job["state"] == "completed":
            wrong.append(f"completed, although {source['name']} is {source['verdict']}")
        elif source["verdict"] not in FULL and "complete" in source["sentence"].split():
            wrong.append(f"{source['name']} fell short and says complete: {source['sentence']}")
    if [packet.time_us for packet in got] != sorted(packet.time_us for packet in got):
        wrong.append("the packets are not in the order of time")
    if job["pcap"] is not None and job["packets"] != len(got):
        wrong.append(f"it says {job['packets']} packets and has {len(got)}")
    manifest = sensor.spool / "jobs" / job["id"] / "job.json"
    if job["pcap"] is not None and json.loads(manifest.read_text())["state"] != job["state"]:
        wrong.append("the manifest tells of another state")
    return wrong


def seconds(job: dict[str, Any]) -> float:
    """From the question to the final state."""
    return (_time(job["finished_at"]) - _time(job["created_at"])).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
