"""A Docket as a sensor runs it, a process per service, each with its figures; and a real Prometheus that scrapes it."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests
import yaml

from docket.domain.timewindow import format_us
from docket.workers.webhooks.delivery_store import MOST_WAITING, DeliveryStore
from tests.cli.running_server import DOCKET, clean_environ
from tests.faults.packets import capture, udp
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.waiting import wait_until
from tests.workers.sources.capture_formats import interface, packet, section

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/docket.rules.yml"
PAGE = ROOT / "docs/neighbours/prometheus.md"
US = 1_000_000
OLD_S = 3600
"""So long ago were the packets recorded."""
SERVICES = ("collector", "worker em1 em3 lo", "worker em2", "inspector", "indexer", "alerts", "webhooks")


class Sensor:
    """Three directories, a rule for alerts, two hooks: one whose receiver is there, one whose receiver is not."""

    def __init__(self, place: Path, disk: Path, amqp_url: str, receiver_port: int) -> None:
        self.place, self.disk = place, disk
        self.config = place / "docket.yaml"
        self.environ = clean_environ(place, DOCKET_CONF=str(self.config))
        self.children: dict[str, ChildProcess] = {}
        self.ports = {name: free_port() for name in (*SERVICES, "record", "web")}
        self.begun_us = (int(time.time()) - OLD_S) * US
        (disk / "lo").mkdir()
        for name in ("em1", "em2", "em3"):
            (place / name).mkdir()
            self.write_capture(name, "a.pcapng")
        sources = "".join(
            f"  - {{name: 'rock:{name}', kind: capture-files, path: {name}, flush_lag: 0}}\n"
            for name in ("em1", "em2", "em3")
        )
        self.config.write_text(
            f"bus: '{amqp_url}'\nspool: {{path: {disk}, min_free: 2MB}}\nindex: {{path: index}}\n"
            f"web: {{listen: '127.0.0.1:{self.ports['web']}'}}\nsources:\n{sources}"
            f"  - {{name: 'rock:lo', kind: capture-files, path: {disk}/lo, ring: 2MB}}\n"
        )
        self._write_neighbours(receiver_port)

    def start(self, *services: str) -> None:
        for name in services:
            more = ["--metrics", f"127.0.0.1:{self.ports[name.split()[0] if name == 'record lo' else name]}"]
            more = [] if name == "web" else more
            more += {"alerts": ["--rules", "alerts.yaml"], "webhooks": ["--hooks", "webhooks.yaml"]}.get(name, [])
            command = ["env", "-C", str(self.place), *DOCKET, *name.split(), *more]
            self.children[name] = ChildProcess(command, self.place / f"{name}.log", env=self.environ)

    def stop(self) -> None:
        for child in self.children.values():
            child.kill()

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, f"http://127.0.0.1:{self.ports['web']}/app/docket/{path}", timeout=20, **more)

    def final(self, **question: Any) -> dict[str, Any]:
        """A job that has ended."""
        window = {"after": format_us(self.begun_us), "before": format_us(self.begun_us + 60 * US)}
        asked = self.call("POST", "api/v1/jobs", json={"fresh": True} | window | question)
        assert asked.status_code == 201, asked.text

        def job() -> dict[str, Any]:
            found: dict[str, Any] = self.call("GET", f"api/v1/jobs/{asked.json()['id']}").json()
            return found if found["finished_at"] else {}

        return wait_until(job, "the job to end", timeout_s=60)

    def write_capture(self, source: str, name: str, content: bytes | None = None) -> Path:
        """A file whose packets are an hour old, written just now."""
        path = self.place / source / name
        packets = b"".join(packet(self.begun_us + n * US, udp(self.begun_us, 53).data) for n in range(10))
        path.write_bytes(section() + interface() + packets if content is None else content)
        return path

    def write_large_capture(self, source: str) -> None:
        """15 GB as far as its size says; no disk holds them."""
        path = self.place / source / "large.pcap"
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            file.write(capture(udp(self.begun_us + n, 53) for n in range(1000)))
            file.truncate(15_000_000_000)

    def write_alerts(self, count: int) -> None:
        with (self.place / "eve.json").open("a") as file:
            for number in range(count):
                at = time.strftime("%Y-%m-%dT%H:%M:%S.000000+0000", time.gmtime())
                ends = {"src_ip": "10.1.2.3", "src_port": 40_000 + number, "dest_ip": "192.0.2.7", "dest_port": 443}
                alert = {"signature_id": 1, "signature": "made", "severity": 1, "category": "made"}
                line = {"timestamp": at, "event_type": "alert", "proto": "TCP", **ends, "alert": alert}
                file.write(json.dumps(line) + "\n")

    def set_back(self, service: str) -> None:
        """What a service said last becomes an hour older: as if the hour had passed."""
        if service == "indexer":
            for path in (self.place / "index").rglob("state.json"):
                state = json.loads(path.read_bytes())
                path.write_text(json.dumps(state | {"written_at": state["written_at"] - OLD_S}))
            return
        ledger = sqlite3.connect(self.disk / "ledger.sqlite3", timeout=20)
        with ledger:
            (health,) = ledger.execute("SELECT health FROM services WHERE name = 'collector'").fetchone()
            older = json.loads(health) | {"at": "2026-01-01T00:00:00.000000Z"}
            ledger.execute("UPDATE services SET health = ?", (json.dumps(older).encode(),))
        ledger.close()

    def _write_neighbours(self, receiver_port: int) -> None:
        (self.place / "eve.json").touch()
        (self.place / "alerts.yaml").write_text(
            "inputs: [eve.json]\nrules: [{name: few, jobs_per_hour: 1}]\nstate: alerts.state\n"
        )
        secret = self.place / "secret"
        secret.write_text(base64.b64encode(bytes(32)).decode())
        secret.chmod(0o600)
        each = "secret: secret, networks: [127.0.0.0/8], events: [job.partial]"
        (self.place / "webhooks.yaml").write_text(
            f"hooks:\n  - {{name: gone, url: 'http://127.0.0.1:{receiver_port}/', {each}}}\n"
            f"  - {{name: full, url: 'http://127.0.0.1:{free_port()}/', {each}}}\nstate: webhooks.sqlite\n"
        )
        # As a receiver leaves it that was away for weeks.
        DeliveryStore(self.place / "webhooks.sqlite").close()
        store = sqlite3.connect(self.place / "webhooks.sqlite")
        with store:
            columns = "(hook, id, event, subject, body, next_at_s)"
            rows = (("full", f"msg_{number}", "docket.job.partial", "", b"{}", 2**40) for number in range(MOST_WAITING))
            store.executemany(f"INSERT INTO deliveries {columns} VALUES (?, ?, ?, ?, ?, ?)", rows)
        store.close()


class Prometheus:
    """Scrapes with the configuration of the page, several times a second; rules fire without waiting."""

    def __init__(self, sensor: Sensor) -> None:
        program = needs.program("prometheus", "prometheus")
        place = sensor.place / "prometheus"
        place.mkdir()
        (place / "rules.yml").write_text(re.sub(r"(?m)^ +for: .*\n", "", RULES.read_text()))
        (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE.read_text(), flags=re.DOTALL)
        config = yaml.safe_load(block) | {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "250ms"},
            "rule_files": [str(place / "rules.yml")],
        }
        web, others = config["scrape_configs"]
        web["static_configs"][0]["targets"] = [f"127.0.0.1:{sensor.ports['web']}"]
        others["static_configs"][0]["targets"] = [f"127.0.0.1:{sensor.ports[name]}" for name in SERVICES]
        self.config = place / "prometheus.yml"
        self.config.write_text(yaml.safe_dump(config))
        self._others = others["static_configs"][0]["targets"]
        self._whole = config
        port = free_port()
        self._api = f"http://127.0.0.1:{port}/api/v1/"
        self._child = ChildProcess(
            [
                program,
                f"--config.file={self.config}",
                f"--storage.tsdb.path={place / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
            ],
            place / "log",
        )

    def scrape_also(self, port: int) -> None:
        self._others.append(f"127.0.0.1:{port}")
        self.config.write_text(yaml.safe_dump(self._whole))
        requests.post(self._api.replace("api/v1/", "-/reload"), timeout=20).raise_for_status()

    def value(self, expression: str) -> float:
        try:
            answer = requests.get(self._api + "query", params={"query": expression}, timeout=20)
        except requests.ConnectionError:
            self._child.must_run()
            return -1.0
        found = answer.json()["data"]["result"] if answer.ok else []
        return float(found[0]["value"][1]) if found else -1.0

    def firing(self) -> set[str]:
        alerts = requests.get(self._api + "alerts", timeout=20).json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def stop(self) -> None:
        self._child.kill()


def started(stack: ExitStack, sensor: Sensor) -> Prometheus:
    """Every service and Prometheus, once each is scraped and all is well."""
    stack.callback(sensor.stop)
    sensor.start(*SERVICES, "web")
    prometheus = Prometheus(sensor)
    stack.callback(prometheus.stop)
    wait_until(lambda: prometheus.value("sum(up)") == len(SERVICES) + 1, "every scrape", timeout_s=60, step_s=0.2)
    return prometheus
