"""A whole Docket on the machine: web, collector and workers as separate processes, one configuration, one spool.

For end-to-end tests and bench/. It asks as a tool would, over HTTP, and knows nothing of Docket's inside.
"""

import itertools
import os
import socket
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.stenographer import Stenographer
from tests.services.waiting import wait_until

FINAL = ("completed", "partial", "failed", "cancelled", "expired")


class Sensor:
    """Docket's processes over one broker; every one can be killed and started again."""

    def __init__(
        self,
        directory: Path,
        bus_url: str,
        sources: Sequence[Mapping[str, Any]],
        env: Mapping[str, str] | None = None,
        **settings: Mapping[str, Any],
    ) -> None:
        """Write the configuration; `settings` are further sections of it (spool, jobs, web). Nothing runs yet.

        `env` is added to the environment of the services.
        """
        self.directory = directory
        self.env = None if env is None else {**os.environ, **env}
        self.spool = directory / "spool"
        self.port = free_port()
        self.sources = [str(source["name"]) for source in sources]
        self.config = directory / "docket.yaml"
        sections: dict[str, Any] = {
            "bus": bus_url,
            "sources": [dict(source) for source in sources],
            "web": {"listen": [f"127.0.0.1:{self.port}"]},
            # The test's answers are small: beginnings go over the bus, the rest by files, as in large ones.
            "spool": {"path": str(self.spool), "min_free": "1MB", "handover": "2KB"},
        }
        for name, section in settings.items():
            sections[name] = {**sections.get(name, {}), **section}
        self.config.write_text(yaml.safe_dump(sections))
        self.children: dict[str, ChildProcess] = {}
        self._mine = threading.local()
        self._sessions: list[requests.Session] = []

    @property
    def http(self) -> requests.Session:
        """The calling thread's own HTTP client."""
        session: requests.Session | None = getattr(self._mine, "session", None)
        if session is None:
            session = self._mine.session = requests.Session()
            session.trust_env = False
            self._sessions.append(session)
        return session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/app/docket/"

    def start(self, *services: str) -> None:
        """Start services: "web", "collector", "inspector", or "worker:<source>,…" for some sources in one process."""
        for service in services:
            name, _, sources = service.partition(":")
            command = [sys.executable, "-m", "docket", "--config", str(self.config), name]
            command += sources.split(",") if sources else []
            self.children[service] = ChildProcess(command, self.log(service), env=self.env)

    def start_all(self) -> None:
        """Start web, collector and a worker process per source, and wait until all can be used."""
        self.start("collector", *(f"worker:{name}" for name in self.sources), "web")
        self.wait_ready()

    def log(self, service: str) -> Path:
        """Where a service's output goes; over restarts it is one file."""
        return self.directory / f"{service.replace(':', '-')[:60]}.log"

    def wait_ready(self, timeout_s: float = 30.0, sources: Iterable[str] | None = None) -> None:
        """Wait until the web answers and every source (or each of those named) is online."""
        wanted = set(self.sources if sources is None else sources)
        wait_until(
            lambda: self._listening() and self._has_spool() and wanted <= self.online(), "Docket is ready", timeout_s
        )

    def _has_spool(self) -> bool:
        """The collector makes it; sources may be quicker."""
        return "collector" not in self.children or (self.spool / "ledger.sqlite3").exists()

    def _listening(self) -> bool:
        for child in self.children.values():
            child.must_run()
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def online(self) -> set[str]:
        """The sources that are online as the web sees it."""
        try:
            answer = self.http.get(self.url + "api/v1/sources", timeout=10).json()
        except (requests.ConnectionError, requests.Timeout, ValueError):
            return set()
        return {source["name"] for source in answer["sources"] if source["state"] == "online"}

    def kill(self, service: str) -> None:
        """kill -9."""
        self.children.pop(service).kill()

    def stop(self) -> None:
        """Stop everything that still runs, workers first."""
        for name in sorted(self.children, key=lambda name: not name.startswith("worker")):
            self.children.pop(name).stop()
        for session in self._sessions:
            session.close()

    def ask(self, query: str, after: str, before: str, **fields: Any) -> dict[str, Any]:
        """Ask over HTTP; the job as answered."""
        body = {"query": query, "after": after, "before": before, **fields}
        response = self.http.post(self.url + "api/v1/jobs", json=body, timeout=30)
        assert response.status_code in (200, 201), response.text
        job: dict[str, Any] = response.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """One job as HTTP shows it."""
        response = self.http.get(self.url + f"api/v1/jobs/{job_id}", timeout=10)
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        return job

    def wait(self, job_id: str, states: Iterable[str] = FINAL, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until the job is in one of the states; the job."""
        wanted = tuple(states)
        latest: dict[str, Any] = {}

        def reached() -> bool:
            nonlocal latest
            try:
                latest = self.job(job_id)
            except (requests.ConnectionError, requests.Timeout):
                return False
            return latest["state"] in wanted

        wait_until(reached, f"job {job_id} is {' or '.join(wanted)}", timeout_s)
        return latest

    def finished(self, query: str, after: str, before: str, **fields: Any) -> dict[str, Any]:
        """Ask and wait for the final state."""
        return self.wait(self.ask(query, after, before, **fields)["id"])

    def pcap(self, job_id: str) -> bytes:
        """Download the result."""
        response = self.http.get(self.url + f"api/v1/jobs/{job_id}/pcap", timeout=120)
        assert response.status_code == 200, response.text
        return response.content

    def logs(self) -> str:
        """The end of every service's log, for failure messages."""
        tails = (child.log_tail(15) for child in self.children.values())
        return "\n".join(itertools.chain.from_iterable(zip(self.children, tails, strict=True)))


def stenographer_source(name: str, server: Stenographer, **settings: Any) -> dict[str, Any]:
    """The configuration's entry for a stenographer of the tests; its files are whole, so nothing is waited for."""
    return {
        "name": name,
        "kind": "stenographer",
        "url": server.url,
        "cert": str(server.cert),
        "key": str(server.key),
        "ca": str(server.ca),
        "flush_lag": "0s",
        **settings,
    }
