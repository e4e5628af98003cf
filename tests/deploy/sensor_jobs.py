"""Jobs on a booted sensor: one that is interrupted, and how it ends."""

import json
from typing import Any

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.sensor_machine import PACKETS
from tests.services.waiting import wait_until

FINAL = ("completed", "partial", "failed")
FINE = {"complete", "aged-out", "gap"}
"""The window begins before the sensor did; nothing else may be missing."""


def answer(sensor: BootedMachine, job: str) -> dict[str, Any]:
    said = sensor.try_run(f"docket job {job} --json").stdout
    return dict(json.loads(said)) if said.startswith("{") else {"state": "not to be had"}


def ask_in_the_middle_of_things(sensor: BootedMachine) -> str:
    """A job that cannot end yet: one of its stenographers is away."""
    sensor.run("systemctl stop stenographer@em2")
    question = '{"query": "host 10.1.1.1", "after": "1h", "fresh": true, "deadline_s": 600, "wait_for_flush": false}'
    ask = "curl -s --unix-socket /run/docket/docket.socket -H 'Content-Type: application/json' http://x/api/v1/jobs"
    job = str(json.loads(sensor.run(f"{ask} -d '{question}'"))["id"])
    wait_until(lambda: answer(sensor, job)["state"] == "running", "the job to run", timeout_s=180)
    return job


def assert_same_packets(sensor: BootedMachine, job: str) -> None:
    """The job ends with every packet of both interfaces, by itself or by a retry."""
    wait_until(lambda: answer(sensor, job)["state"] in FINAL, "the job's end", timeout_s=400, step_s=0.5)
    if {source["verdict"] for source in answer(sensor, job)["sources"]} - FINE:
        sensor.try_run(f"docket retry {job}")
        wait_until(lambda: answer(sensor, job)["state"] in FINAL, "the retry's end", timeout_s=400, step_s=0.5)
    found = answer(sensor, job)
    assert found["packets"] == 2 * PACKETS, found["sources"]
    sensor.run(f"docket verify /var/spool/docket/jobs/{job}")
