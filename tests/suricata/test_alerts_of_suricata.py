"""The real Suricata: a recorded attack becomes alerts, the alerts jobs, and the jobs packets, without a hand."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from docket.workers.alerts.service import AlertState
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.network import Namespace
from tests.services.sensor import FINAL, Sensor
from tests.services.waiting import wait_until
from tests.suricata.conftest import TREE
from tests.suricata.suricata import HTTP, Folder

FLOWS, ALERTS_OF_EACH = 20, 50
PORT = 8080
SIGNATURE = 1000001
RULE = (
    'alert http any any -> any any (msg:"a shell in a header"; flow:established,to_server; http.user_agent; '
    f'content:"() {{"; classtype:attempted-admin; sid:{SIGNATURE}; rev:1;)\n'
)


@pytest.fixture
def folder() -> Iterator[Folder]:
    needs.root("to record in a network namespace")
    made = Folder(Path(TREE), mode="multi", compression="lz4", rules=RULE, more=HTTP)
    yield made
    made.close()


def look_at(folder: Folder, recording: str) -> None:
    """Let Suricata read a capture of its folder."""
    done = subprocess.run([*folder.command, "-k", "none", "-r", f"{folder.inside}/{recording}"], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def record_attack(folder: Path, recording: Path) -> None:
    """Each curl asks for a page so many times over one connection, with a shell command in a header."""
    (pages := folder / "pages").mkdir()
    (pages / "page").write_text("what is asked for\n")
    wire = Namespace(folder)
    serve = ["http.server", str(PORT), "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "--directory", str(pages)]
    server = ChildProcess(wire.command([sys.executable, "-m", *serve]), folder / "server.log")
    dumpcap = needs.program("dumpcap", "wireshark-common")
    recorder = ChildProcess(wire.command([dumpcap, "-q", "-i", "lo", "-P", "-w", str(recording)]), folder / "dump.log")
    url = f"http://127.0.0.1:{PORT}/page"
    curl = [needs.program("curl", "curl"), "-sf", "--noproxy", "*"]

    first_s: float | None = None

    def seen() -> bool:
        """Until requests without an attack have been recorded for longer than windows begin before an alert."""
        nonlocal first_s
        subprocess.run(wire.command([*curl, url]), stdout=subprocess.DEVNULL, check=False)
        if recording.exists() and recording.stat().st_size > 24:
            first_s = first_s or time.monotonic()
        return first_s is not None and time.monotonic() > first_s + 2

    try:
        wait_until(seen, "the server and the recorder", step_s=0.2)
        attack = [*curl, "-A", "() { :;}; echo vulnerable", *[url] * ALERTS_OF_EACH]
        attackers = [subprocess.Popen(wire.command(attack), stdout=subprocess.DEVNULL) for _ in range(FLOWS)]
        assert [one.wait(60) for one in attackers] == [0] * FLOWS
        size = -1

        def is_still() -> bool:
            nonlocal size
            before, size = size, recording.stat().st_size
            return before == size

        wait_until(is_still, "the recorder to have written everything", step_s=1.0)
    finally:
        recorder.stop()
        server.stop()
        wire.close()


def recorded_by_port(recording: Path) -> Counter[int]:
    """Packets of each conversation, as tshark counts them."""
    tshark = needs.program("tshark", "tshark")
    fields = ["-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport"]
    done = subprocess.run([tshark, "-r", str(recording), *fields], capture_output=True, text=True, check=True)
    return Counter(port for line in done.stdout.splitlines() for port in map(int, line.split()) if port != PORT)


@pytest.mark.rabbitmq
def test_alerts_of_a_recorded_attack_become_packets(tmp_path: Path, amqp_url: str, folder: Folder) -> None:
    """1,000 alerts of 20 conversations are 20 jobs, each with its packets out of Suricata's own files."""
    source = {"name": "rock01:suricata", "kind": "capture-files", "path": str(folder.captures), "flush_lag": "1s"}
    recording = folder.place / "attack.pcap"
    sensor = Sensor(tmp_path, amqp_url, [source])
    rules = tmp_path / "alerts.yaml"
    state = tmp_path / "state.json"
    rule = {"name": "grave", "severity": 1, "before": "1s", "after": "15s", "jobs_per_hour": FLOWS}
    rules.write_text(yaml.safe_dump({"inputs": [str(folder.eve)], "state": str(state), "rules": [rule]}))
    command = [sys.executable, "-m", "docket", "--config", str(sensor.config), "alerts", "--rules", str(rules)]
    alerts = ChildProcess(command, tmp_path / "alerts.log")
    try:
        sensor.start_all()
        record_attack(tmp_path, recording)
        look_at(folder, recording.name)
        url = f"{sensor.url}api/v1/jobs?tag=alert:{SIGNATURE}&limit=100"

        def jobs() -> list[dict[str, Any]]:
            return [job for job in sensor.http.get(url, timeout=10).json()["jobs"] if job["state"] in FINAL]

        wait_until(lambda: len(jobs()) == FLOWS, "the jobs to end", timeout_s=90, step_s=0.5)
        found = jobs()
    finally:
        alerts.stop()
        sensor.stop()
    said = [json.loads(line) for line in folder.eve.read_text().splitlines()]
    assert len(said) == FLOWS * ALERTS_OF_EACH
    assert {Path(alert["capture_file"]).suffix for alert in said} == {".lz4"}
    noted = msgspec.json.decode(state.read_bytes(), type=AlertState)
    assert (noted.seen, noted.joined, noted.budgets["grave"].left_out) == (len(said), len(said) - FLOWS, {})
    there = recorded_by_port(recording)
    for job in found:
        port = next(port for port in there if f":{port}" in job["query"])
        assert (job["state"], job["packets"]) == ("completed", there[port]), job["sources"]
        assert ".pcap.lz4" in job["note"]
    assert len({job["query"] for job in found}) == FLOWS
