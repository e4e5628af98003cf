"""A Docket with something to look at: three sources, people with questions, and a job in every state.

For screenshots.py and bench/page.py. Two sources have the sample traffic; the third is a stand-in for stenographer
that holds an answer half-way, so that there is a job that runs.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from docket.demo import place_demo
from tests.browser.server import Server
from tests.faults.certificates import Authority
from tests.faults.halfway import Authenticator
from tests.faults.packets import Packet, udp
from tests.faults.scripts import serve, status
from tests.faults.stand_in import StandIn
from tests.services.child import ChildProcess
from tests.services.waiting import wait_until

SOURCES = ("rock01:em1", "rock01:em2", "rock02:ens5")
STEP_US = 400_000
HOUR_US = 3_600_000_000


@dataclass
class Stage:
    """`server` is the running Docket; `jobs` has the ids of its interesting jobs by what is interesting about them."""

    server: Server
    steno: StandIn
    gate: Authenticator
    jobs: dict[str, str] = field(default_factory=dict)

    def play(self) -> None:
        """Have everybody ask; the last job is left running."""
        ask = self.server.finished
        self.jobs["failed"] = ask(
            "net 10.42.0.0/16 and port 445", "2025-11-20T08:00:00Z", before="2025-11-20T09:00:00Z", owner="jonas"
        )["id"]
        expired = ask("host 10.20.0.10", owner="jonas", note="checked, nothing to see")["id"]
        self.server.delete(expired)
        self.jobs["empty"] = ask("host 10.1.2.3 and port 4444", owner="mira", note="C2 port of the report")["id"]
        self.jobs["mail"] = ask("host 10.1.2.3 and port 22", owner="mira", note="who logged in?")["id"]
        self.steno.script = status(500, "disk error")
        self.jobs["partial"] = ask("port 53", "3h", owner="jonas", note="DNS tunnel?")["id"]
        self.steno.script = serve
        self.jobs["complete"] = ask("host 10.1.2.3 and (port 80 or port 443)", owner="mira", note="ticket 4711")["id"]
        self.steno.script = self.gate.script("rock02:ens5")
        written = {"tags": ["web", "reviewed"], "case": "IR-2026-17"}
        annotation = self.server.url + f"api/v1/jobs/{self.jobs['complete']}/annotation"
        assert self.server.http.post(annotation, json=written, timeout=20).ok
        self.jobs["running"] = self.server.ask("udp", owner="mira", note="everything but TCP")["id"]
        wait_until(lambda: self._half_way(self.jobs["running"]), "the running job to be half-way")

    def _half_way(self, job_id: str) -> bool:
        answers = self.server.job(job_id)["sources"]
        return sum(answer["verdict"] is not None for answer in answers) == 2 and answers[2]["packets"] > 0


@contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """`docket run` with three sources below the directory; nobody has asked yet."""
    now_us = time.time_ns() // 1000
    captures = directory / "captures"
    place_demo(captures, now_us - 60_000_000)
    authority = Authority(directory / "ca")
    client = authority.issue("client")
    gate = Authenticator()
    with StandIn(_packets(now_us), authority) as steno:
        files = [
            {"name": name, "kind": "capture-files", "path": str(captures / name.partition(":")[2]), "flush_lag": "1s"}
            for name in SOURCES[:2]
        ]
        entry = {
            "name": SOURCES[2],
            "kind": "stenographer",
            "url": steno.url,
            "cert": str(client.cert),
            "key": str(client.key),
            "ca": str(authority.ca.cert),
            "flush_lag": "0s",
        }
        config = directory / "docket.yaml"
        settings = {"bus": "memory://", "sources": [*files, entry], "spool": {"path": str(directory / "spool")}}
        config.write_text(yaml.safe_dump(settings))
        log = directory / "docket.runtime.logs"
        command = [sys.executable, "-m", "docket", "--config", str(config), "run", "--listen", "127.0.0.1:0"]
        child = ChildProcess(command, log)
        try:
            server = Server(wait_until(lambda: _announced(child, log), "docket run to be ready", timeout_s=30.0))
            wait_until(lambda: _all_online(server), "all sources to be online", timeout_s=30.0)
            yield Stage(server, steno, gate)
            server.http.close()
        finally:
            gate.opened.set()
            child.stop()


def _packets(now_us: int) -> list[Packet]:
    """A little UDP of the last hour."""
    return [
        udp(time_us, port=9_995, size=80 + time_us // STEP_US % 700, source="10.1.9.1")
        for time_us in range((now_us - HOUR_US) // STEP_US * STEP_US, now_us, STEP_US)
    ]


def _announced(child: ChildProcess, log: Path) -> str:
    child.must_run()
    found = re.search(r"^Docket is ready: (\S+)$", log.read_text(), flags=re.MULTILINE)
    return found[1] if found else ""


def _all_online(server: Server) -> bool:
    sources = server.http.get(server.url + "api/v1/sources", timeout=20).json()["sources"]
    return len(sources) == len(SOURCES) and all(source["state"] == "online" for source in sources)
