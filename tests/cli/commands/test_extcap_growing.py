"""Wireshark's capture from a job that runs: packets come as they arrive, and the verdicts at the end."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from docket.domain.job import Verdict
from docket.domain.timewindow import parse_time_us
from tests.cli.commands.test_extcap import IN_ITS_FOLDER, interfaces, packets
from tests.cli.running_server import clean_environ, docket
from tests.services import needs
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker

START_US = parse_time_us("2026-11-24T14:02:00Z", None)
AFTER, BEFORE = "2026-11-24T14:02:00Z", "2026-11-24T14:10:00Z"
EM1, EM2 = (
    [(START_US + 2 * n, b"\x01" * 60) for n in range(10)],
    [(START_US + 2 * n + 1, b"\x02" * 60) for n in range(10)],
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(Site(tmp_path)) as site:
        yield site


class Capturing:
    """tshark, which captures from the site and prints the source of every packet as it comes."""

    def __init__(self, site: Site, place: Path) -> None:
        tshark = needs.program("tshark", "tshark")
        needs.root("to put a folder over that of the system, where only this tshark sees it")
        environ = clean_environ(place)
        (folder := place / "extcap").mkdir()
        docket("extcap", "--install", str(folder), environ=environ)
        said = subprocess.run([tshark, "-G", "folders"], capture_output=True, text=True, check=True).stdout
        (system,) = re.findall(r"^(?:Global )?Extcap path:\s+(\S+)$", said, flags=re.MULTILINE)
        self.saved = place / "saved.pcapng"
        asked = {"server": site.url(""), "after": AFTER, "before": BEFORE}
        command = ["unshare", "--mount", "sh", "-c", IN_ITS_FOLDER, str(folder), system, tshark, "-i", "docket"]
        command += ["-f", "udp or tcp", "-w", str(self.saved), "-l", "-P", "-T", "fields", "-e", "frame.interface_name"]
        for name, value in asked.items():
            command += ["-o", f"extcap.docket.{name}:{value}"]
        self.lines: list[str] = []
        self.child = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        self.lines += (line.strip() for line in iter(self.child.stdout.readline, ""))

    def come(self, number: int) -> list[str]:
        wait_until(lambda: len(self.lines) >= number or self.child.poll() is not None, f"{number} packets", 60)
        return self.lines

    def end(self) -> int:
        code = self.child.wait(60)
        self._thread.join(20)
        return code

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.communicate()


def test_packets_come_while_the_job_runs(site: Site, tmp_path: Path) -> None:
    """tshark prints the first ones of both sources, in order, before a source has ended; then it has what `docket get`
    has, with both verdicts."""
    with ExitStack() as stack:
        em1, em2 = (stack.enter_context(ScriptedWorker(site.broker, name)) for name in SOURCES)
        capturing = Capturing(site, tmp_path)
        stack.callback(capturing.close)
        one, other = em1.take(), em2.take()
        one.begin()
        other.begin()
        one.data(EM1[:5], through_us=EM1[5][0])
        other.data(EM2[:5], through_us=EM2[5][0])
        assert capturing.come(10)[:10] == list(SOURCES) * 5, capturing.child.poll()
        (job,) = site.call("GET", "api/v1/jobs").json()["jobs"]
        assert job["state"] == "running"
        one.data(EM1[5:])
        one.end(sentence="The whole window was read")
        other.data(EM2[5:])
        other.end(Verdict.CUT, "The connection broke", usable=True)
        assert capturing.end() == 0
        site.final(job["id"])
        plain = tmp_path / "plain.pcap"
        plain.write_bytes(site.call("GET", f"api/v1/jobs/{job['id']}/pcap").content)
    assert capturing.lines == list(SOURCES) * 10
    assert packets(capturing.saved) == packets(plain)
    assert interfaces(capturing.saved) == set(SOURCES)
    saved = capturing.saved.read_bytes()
    assert (b"complete: The whole window was read" in saved, b"cut: The connection broke" in saved) == (True, True)


def test_a_capture_that_is_stopped_keeps_what_came_and_cancels_the_job(site: Site, tmp_path: Path) -> None:
    """As with any interface: tshark is interrupted after the first packets."""
    with ExitStack() as stack:
        em1, em2 = (stack.enter_context(ScriptedWorker(site.broker, name)) for name in SOURCES)
        capturing = Capturing(site, tmp_path)
        stack.callback(capturing.close)
        for worker, sent in ((em1, EM1), (em2, EM2)):
            reading = worker.take()
            reading.begin()
            reading.data(sent[:5], through_us=sent[5][0])
        capturing.come(10)
        (job,) = site.call("GET", "api/v1/jobs").json()["jobs"]
        os.killpg(capturing.child.pid, signal.SIGINT)
        capturing.end()
        assert site.final(job["id"]).state == "cancelled"
    assert len(packets(capturing.saved)) == 10
