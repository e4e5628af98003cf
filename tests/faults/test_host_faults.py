"""What happens to the host, happens to a `docket run`: it says so, goes on by itself, and loses nothing."""

import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType

import pytest
import requests

from docket.domain.timewindow import format_us
from tests.cli.test_lost_ledger import Running
from tests.faults.disturbances import read_only, small_disk
from tests.services import needs
from tests.services.waiting import wait_until

LEDGER = ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm")
ASK = {"query": "udp and port 53", "fresh": True}


def moment(seconds: int) -> str:
    """So long from now."""
    return format_us(time.time_ns() // 1_000 + seconds * 1_000_000)


class Host(Running):
    """The same process from beginning to end, and what it answers."""

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def asked(self) -> str:
        """The id of a new job."""
        answer = requests.post(f"{self.url}api/v1/jobs", json={**ASK, **self.window}, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ask_status(self) -> tuple[int, str]:
        """How a question is answered, and the code of a fault."""
        answer = requests.post(f"{self.url}api/v1/jobs", json={**ASK, **self.window}, timeout=60)
        return answer.status_code, str(answer.json().get("error", {}).get("code", ""))

    def complete(self) -> str:
        """A new job that has completed."""
        job_id = self.asked()
        wait_until(lambda: self.state(job_id) == "completed", f"job {job_id}", 30)
        return job_id

    def state(self, job_id: str) -> str:
        answer = self.get(f"api/v1/jobs/{job_id}")
        return str(answer.json()["state"]) if answer.status_code == 200 else ""

    def answers(self) -> list[tuple[str, int]]:
        """What every door that looks into the spool says."""
        doors = ["jobs", "sources", "quota", "health", f"jobs/{self.first}", f"jobs/{self.first}/pcap"]
        return [(door, self.get(f"api/v1/{door}").status_code) for door in doors]

    def move(self, source: Path, target: Path) -> None:
        for name in LEDGER:
            if (source / name).exists():
                (source / name).rename(target / name)

    def recovers(self) -> None:
        """A new job completes, without a restart and without a traceback."""

        def completes() -> bool:
            try:
                return bool(self.complete())
            except AssertionError:
                return False

        wait_until(completes, "a job to complete", 60)
        self.child.must_run()
        assert "Traceback" not in (self.place / "run.log").read_text()

    def has_first(self) -> None:
        """The job from before is listed, downloaded and looked into as before."""
        wait_until(lambda: self.state(self.first) == "completed", "the job from before", 30)
        assert self.get(f"api/v1/jobs/{self.first}/pcap").content == self.content
        wait_until(lambda: self.get(f"api/v1/jobs/{self.first}/summary").status_code in (200, 501), "its summary", 30)

    first = ""
    content = b""
    window: Mapping[str, str] = MappingProxyType({"after": "1h"})


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One for all faults: none is to leave anything behind."""
    running = Host(tmp_path_factory.mktemp("host"))
    try:
        running.first = running.complete()
        running.content = running.get(f"api/v1/jobs/{running.first}/pcap").content
        yield running
    finally:
        running.child.stop()


def test_ledger_out_of_sight_for_a_moment(host: Host) -> None:
    """Meanwhile no door fails with 500, a job that is asked meanwhile is not lost, and all goes on."""
    away = host.place / "away"
    away.mkdir()
    host.move(host.spool, away)
    assert {status for _, status in host.answers()} <= {200, 503}
    assert host.get("api/v1/jobs").status_code == 503
    host.move(away, host.spool)
    host.recovers()
    host.has_first()


@pytest.mark.parametrize("whole", [True, False])
def test_ledger_moved_for_good(host: Host, whole: bool) -> None:
    """Moved with or without its log, the ledger is written again, with every job that was in it."""
    before = {job["id"] for job in host.get("api/v1/jobs?limit=100").json()["jobs"]}
    away = host.place / f"for good {whole}"
    away.mkdir()
    if whole:
        host.move(host.spool, away)
    else:
        (host.spool / LEDGER[0]).rename(away / LEDGER[0])
    host.recovers()
    host.has_first()
    assert before <= {job["id"] for job in host.get("api/v1/jobs?limit=100").json()["jobs"]}
    with closing(sqlite3.connect(host.spool / LEDGER[0])) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_ledger_locked_by_another_program(host: Host) -> None:
    """What is asked meanwhile is complete afterwards; what is there can be read."""
    with closing(sqlite3.connect(host.spool / LEDGER[0], isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        job_id = host.asked()
        log = host.place / "run.log"
        wait_until(lambda: "ledger write failed: the ledger is locked" in log.read_text(), "the word", 30)
        assert {status for _, status in host.answers()} == {200}
        other.execute("ROLLBACK")
    wait_until(lambda: host.state(job_id) == "completed", "the job", 30)
    host.has_first()


def test_spool_read_only_for_a_while(host: Host) -> None:
    """Results are read as before, and a new one is made as soon as it can be."""
    needs.root("to mount")
    with read_only(host.spool):
        assert host.get(f"api/v1/jobs/{host.first}/pcap").content == host.content
        assert {status for _, status in host.answers()} == {200}
    host.recovers()
    host.has_first()


def test_spool_away_and_back(host: Host) -> None:
    """Nothing is made in its place, and all is there when it is back."""
    away = host.place / "spool away"
    host.spool.rename(away)
    log = host.place / "run.log"
    wait_until(lambda: f"the spool {host.spool} is not there" in log.read_text(), "the word", 30)
    assert {status for _, status in host.answers()} <= {200, 404, 410, 503}
    assert not host.spool.exists()
    away.rename(host.spool)
    host.recovers()
    host.has_first()


def test_spool_removed_and_made_anew(host: Host) -> None:
    """New results are made and looked into; the records of the old ones say that they are gone."""
    wait_until(lambda: _removed(host.spool), "the spool to be removed", 30)
    assert {status for _, status in host.answers()} <= {200, 404, 410, 503}
    host.spool.mkdir()
    host.recovers()
    host.first = host.complete()
    host.content = host.get(f"api/v1/jobs/{host.first}/pcap").content
    host.has_first()


def _removed(path: Path) -> bool:
    """Whether all of it went; a service may write into it meanwhile."""
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def test_few_files_may_be_open(tmp_path: Path) -> None:
    """With `ulimit -n 64` fewer connections are held; a hundred silent ones keep no question from being answered."""
    host = Host(tmp_path, "prlimit", "--nofile=64:64")
    with ExitStack() as held:
        held.callback(host.child.stop)
        host.first = host.complete()
        host.content = host.get(f"api/v1/jobs/{host.first}/pcap").content
        port = int(host.url.split(":")[2].split("/")[0])
        for _ in range(100):
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        host.recovers()
        host.has_first()


def test_clock_that_is_set(tmp_path: Path) -> None:
    """Five days forward or back and again right: the job across it completes, new ones do, and results stay."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    environment = (f"PYTHONPATH={Path(__file__).parent / 'clock'}:{os.getcwd()}", f"DOCKET_TEST_CLOCK={clock}")
    host = Host(tmp_path, "env", *environment)
    with ExitStack() as held:
        held.callback(host.child.stop)
        host.first = host.complete()
        host.content = host.get(f"api/v1/jobs/{host.first}/pcap").content
        host.window = {"after": moment(-3_600), "before": moment(0)}
        asked = host.asked()
        clock.write_text(str(5 * 86_400))
        wait_until(lambda: host.state(asked) == "completed", "the job across the step", 60)
        for days in (5, 0, -5, 0):
            clock.write_text(str(days * 86_400))
            host.has_first()
            if days >= 0:  # set back, the clock says that the window has not come yet
                host.recovers()


def test_little_room(tmp_path: Path) -> None:
    """With less than is to stay free a question is refused with a sentence; with room again it is answered."""
    place = tmp_path / "place"
    place.mkdir()
    with small_disk(place), ExitStack() as held:
        host = Host(place)
        held.callback(host.child.stop)
        host.first = host.complete()
        host.content = host.get(f"api/v1/jobs/{host.first}/pcap").content
        rubbish = place / "rubbish"
        free_bytes = shutil.disk_usage(place).free
        rubbish.write_bytes(bytes(free_bytes - 600_000))
        wait_until(lambda: host.ask_status() == (507, "spool-low"), "the refusal", 90)
        assert {status for _, status in host.answers()} <= {200, 503}
        rubbish.unlink()
        host.recovers()
