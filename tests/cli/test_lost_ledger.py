"""`docket run` whose ledger was moved away: its results are listed, downloaded and verified as before."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from docket.demo import place_demo
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import DOCKET, clean_environ, docket
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.waiting import wait_until


class Running:
    """A `docket run` on one source of sample traffic, which can be ended and started again."""

    def __init__(self, place: Path, *wrapper: str) -> None:
        """`wrapper`: a command that runs what follows it."""
        self.place = place
        self.wrapper = wrapper
        self.spool = place / "spool"
        config = place / "docket.yaml"
        self.environ = clean_environ(place, DOCKET_CONF=str(config))
        place_demo(place / "captures", time.time_ns() // 1000 - 120_000_000)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/app/docket/"
        config.write_text(
            f"""
            bus: "memory://"
            spool: {{path: spool, min_free: 1MB}}
            web: {{listen: "127.0.0.1:{port}"}}
            sources:
              - {{name: "demo:em1", kind: capture-files, path: captures/em1, flush_lag: 0}}
            """
        )
        self.start()

    def start(self) -> None:
        self.child = ChildProcess([*self.wrapper, *DOCKET, "run"], self.place / "run.log", env=self.environ)
        wait_until(self.is_well, "docket run to be well", timeout_s=60.0)

    def is_well(self) -> bool:
        self.child.must_run()
        return docket("status", environ=self.environ).returncode == ExitCode.OK

    def ask(self, query: str, name: str) -> None:
        done = docket("get", query, "--after", "1h", "-w", name, environ=self.environ, cwd=self.place)
        assert done.returncode == ExitCode.OK, done.stderr

    def jobs(self) -> dict[str, str]:
        """Each listed job's query, by its state."""
        listed = json.loads(docket("jobs", "--json", environ=self.environ).stdout)
        return {job["query"]: job["state"] for job in listed}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    needs.program("tcpdump", "tcpdump")
    made = Running(tmp_path)
    try:
        yield made
    finally:
        made.child.stop()


def test_results_outlive_their_ledger(running: Running) -> None:
    """Web and collector know them again; the deleted one stays gone, and what is no result is set aside."""
    running.ask("port 53", "kept.pcap")
    running.ask("port 80", "deleted.pcap")
    listed = json.loads(docket("jobs", "--json", environ=running.environ).stdout)
    ids = {job["query"]: job["id"] for job in listed}
    assert docket("delete", ids["port 80"], environ=running.environ).returncode == ExitCode.OK
    wait_until(lambda: not (running.spool / "jobs" / ids["port 80"]).exists(), "the deleted result to be gone")
    running.child.stop()
    for path in list(running.spool.glob("ledger.sqlite3*")):
        path.rename(running.place / path.name)
    (running.spool / "jobs" / "core").write_bytes(b"x")
    running.start()
    wait_until(lambda: running.jobs() == {"port 53": "completed"}, "the result to be listed again", timeout_s=60.0)
    again = requests.get(f"{running.url}api/v1/jobs/{ids['port 53']}/pcap", timeout=10)
    assert again.content == (running.place / "kept.pcap").read_bytes()
    assert docket("verify", str(running.spool), environ=running.environ).returncode == ExitCode.OK
    assert (running.spool / "aside" / "core").read_bytes() == b"x"
    status = wait_until(lambda: told_of_aside(running), "the status to say what is set aside", timeout_s=60.0)
    assert "1 unknown results are in the spool's aside/" in status


def told_of_aside(running: Running) -> str:
    said = docket("status", environ=running.environ).stdout
    return said if "aside" in said else ""
