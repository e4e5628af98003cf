"""The real Suricata: a recorded attack becomes alerts, the alerts jobs, and the jobs packets, without a hand."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
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

FLOWS, ALERTS_OF_EACH = 20, 50
PORT = 8080
SIGNATURE = 1000001
RULE = (
    'alert http any any -> any any (msg:"a shell in a header"; flow:established,to_server; http.user_agent; '
    f'content:"() {{"; classtype:attempted-admin; sid:{SIGNATURE}; rev:1;)\n'
)


class SuricataOnFile:
    """A folder that both see: it writes there, Docket reads."""

    def __init__(self, command: Sequence[str], folder: Path, inside: str) -> None:
        """`inside` is the folder's path as Suricata sees it."""
        self._command = command
        self._inside = inside
        self.eve, self.pcaps = folder / "eve.json", folder / "pcaps"
        self.recording = folder / "attack.pcap"
        self.pcaps.mkdir()
        (folder / "attack.rules").write_text(RULE)
        outputs: list[dict[str, Any]] = [
            {"eve-log": {"enabled": True, "filename": "eve.json", "types": ["alert"]}},
            {
                "pcap-log": {
                    "enabled": True,
                    "filename": "log.%n.%t.pcap",
                    "mode": "multi",
                    "compression": "lz4",
                    "lz4-checksum": True,
                    "dir": f"{inside}/pcaps",
                }
            },
        ]
        settings = {
            "outputs": outputs,
            "app-layer": {"protocols": {"http": {"enabled": True}}},
            "classification-file": "/etc/suricata/classification.config",
        }
        (folder / "suricata.yaml").write_text(f"%YAML 1.1\n---\n{yaml.safe_dump(settings)}")

    def look(self) -> None:
        """Let it look at the recording."""
        files = ("-c", f"{self._inside}/suricata.yaml", "-S", f"{self._inside}/attack.rules")
        more = ("-l", self._inside, "-k", "none", "-r", f"{self._inside}/attack.pcap")
        done = subprocess.run([*self._command, *files, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def suricata() -> Iterator[SuricataOnFile]:
    needs.root("to record in a network namespace")
    with TemporaryDirectory(dir=Path(TREE) / "srv") as folder:
        yield SuricataOnFile(["chroot", TREE, "suricata"], Path(folder), f"/{Path(folder).relative_to(TREE)}")


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
def test_alerts_of_a_recorded_attack_become_packets(tmp_path: Path, amqp_url: str, suricata: SuricataOnFile) -> None:
    """1,000 alerts of 20 conversations are 20 jobs, each with its packets out of Suricata's own files."""
    source = {"name": "rock01:suricata", "kind": "capture-files", "path": str(suricata.pcaps), "flush_lag": "1s"}
    sensor = Sensor(tmp_path, amqp_url, [source])
    rules = tmp_path / "alerts.yaml"
    state = tmp_path / "state.json"
    rule = {"name": "grave", "severity": 1, "before": "1s", "after": "15s", "jobs_per_hour": FLOWS}
    rules.write_text(yaml.safe_dump({"inputs": [str(suricata.eve)], "state": str(state), "rules": [rule]}))
    command = [sys.executable, "-m", "docket", "--config", str(sensor.config), "alerts", "--rules", str(rules)]
    alerts = ChildProcess(command, tmp_path / "alerts.log")
    try:
        sensor.start_all()
        record_attack(tmp_path, suricata.recording)
        suricata.look()
        url = f"{sensor.url}api/v1/jobs?tag=alert:{SIGNATURE}&limit=100"

        def jobs() -> list[dict[str, Any]]:
            return [job for job in sensor.http.get(url, timeout=10).json()["jobs"] if job["state"] in FINAL]

        wait_until(lambda: len(jobs()) == FLOWS, "the jobs to end", timeout_s=90, step_s=0.5)
        found = jobs()
    finally:
        alerts.stop()
        sensor.stop()
    said = [json.loads(line) for line in suricata.eve.read_text().splitlines()]
    assert len(said) == FLOWS * ALERTS_OF_EACH
    assert {Path(alert["capture_file"]).suffix for alert in said} == {".lz4"}
    noted = msgspec.json.decode(state.read_bytes(), type=AlertState)
    assert (noted.seen, noted.joined, noted.budgets["grave"].left_out) == (len(said), len(said) - FLOWS, {})
    there = recorded_by_port(suricata.recording)
    for job in found:
        port = next(port for port in there if f":{port}" in job["query"])
        assert (job["state"], job["packets"]) == ("completed", there[port]), job["sources"]
        assert ".pcap.lz4" in job["note"]
    assert len({job["query"] for job in found}) == FLOWS
