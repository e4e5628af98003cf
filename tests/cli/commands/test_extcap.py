"""Docket as a capture interface of Wireshark: the real tshark and dumpcap capture from a running Docket."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docket.client import Docket, Job, State
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import DOCKET, RunningServer, docket
from tests.services import needs
from tests.services.waiting import wait_until

IN_ITS_FOLDER = 'mount --bind "$0" "$1" && shift && exec "$@"'
"""tshark of root looks into the system's folder alone; in a mount namespace of its own that is ours."""

QUERY, WINDOW = "port 53", "40m"


class Shark:
    """tshark with the interface installed, in the environment of the demo's user."""

    def __init__(self, folder: Path, system_folder: str, demo: RunningServer) -> None:
        self._command = ["unshare", "--mount", "sh", "-c", IN_ITS_FOLDER, str(folder), system_folder, "tshark"]
        self.environ = demo.environ

    def command(self, *arguments: str) -> list[str]:
        return [*self._command, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environ, capture_output=True, text=True, timeout=90, check=False
        )


@pytest.fixture(scope="module")
def shark(demo: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Shark:
    tshark = needs.program("tshark", "tshark")
    needs.root("to put a folder over that of the system, where only this tshark sees it")
    folder = tmp_path_factory.mktemp("extcap")
    done = docket("extcap", "--install", str(folder), environ=demo.environ)
    assert done.returncode == ExitCode.OK, done.stderr
    told = subprocess.run([tshark, "-G", "folders"], capture_output=True, text=True, check=True).stdout
    (system,) = re.findall(r"^(?:Global )?Extcap path:\s+(\S+)$", told, flags=re.MULTILINE)
    return Shark(folder, system, demo)


def packets(path: Path) -> list[str]:
    """Every packet of a capture: time, length, bytes, as tshark prints them."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "ip.id"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def interfaces(path: Path) -> set[str]:
    """The names of the interfaces that packets came from, as tshark prints them."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.interface_name"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def newest(demo: RunningServer) -> Job:
    with Docket(demo.url) as client:
        return client.client.jobs(limit=1).jobs[0]


def test_interface_is_listed(shark: Shark) -> None:
    """tshark -D names it."""
    listed = shark.run("-D")
    assert re.search(r"^\d+\. docket \(Docket\)$", listed.stdout, flags=re.MULTILINE) is not None, listed.stderr


def test_capture_equals_the_download_of_the_command_line(shark: Shark, demo: RunningServer, tmp_path: Path) -> None:
    """The same question through tshark and through `docket get` brings the same packets in the same order."""
    captured, saved = tmp_path / "captured.pcapng", tmp_path / "saved.pcap"
    done = shark.run("-i", "docket", "-f", QUERY, "-o", f"extcap.docket.after:{WINDOW}", "-w", str(captured))
    assert done.returncode == 0, done.stderr
    job = newest(demo)
    same = ("get", QUERY, "--after", job.after, "--before", job.before, "--fresh", "-w", str(saved))
    got = docket(*same, environ=demo.environ)
    assert got.returncode == ExitCode.OK, got.stderr
    assert packets(captured) == packets(saved)
    assert len(packets(captured)) == job.packets > 0
    assert job.note == "Wireshark"
    assert interfaces(captured) == {"demo:em1", "demo:em2"}
    assert b"complete: The whole window was read" in captured.read_bytes()


def test_fault_of_the_capture_filter_is_shown(shark: Shark) -> None:
    """tshark says what Docket says about the query, with its place."""
    done = shark.run("-i", "docket", "-f", "prot 53")
    assert done.returncode != 0
    assert "'prot' is not a word of the query language" in done.stderr


def test_query_of_the_dialog_and_capture_filter_must_both_hold(shark: Shark, demo: RunningServer) -> None:
    """They are joined by and."""
    done = shark.run("-i", "docket", "-o", "extcap.docket.query:port 53 or port 443", "-f", "udp", "-c", "1")
    assert done.returncode == 0, done.stderr
    assert newest(demo).query == "udp and (port 53 or port 443)"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def capturing(demo: RunningServer, fifo: Path) -> Iterator[subprocess.Popen[str]]:
    """A capture as Wireshark starts it, whose job waits: sources begin when its window has ended, in an hour."""
    before = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    command = [*DOCKET, "extcap", "--capture", "--extcap-interface", "docket", "--fifo", str(fifo)]
    command += ["--query", QUERY, "--after", "5m", "--before", before, "--deadline", "5m"]
    child = subprocess.Popen(command, env=demo.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("how", ["signal", "closed"])
def test_end_of_a_capture_cancels_its_job(
    how: str, capturing: subprocess.Popen[str], demo: RunningServer, fifo: Path
) -> None:
    """Wireshark's signal as well as a FIFO that is not read any more."""
    with fifo.open("rb", buffering=0) as reader, Docket(demo.url) as client:
        (job, *_) = wait_until(lambda: client.client.jobs(state="queued").jobs, "the job to wait", 30)
        if how == "signal":
            capturing.send_signal(signal.SIGTERM)
        else:
            reader.close()
        assert capturing.wait(timeout=30) == ExitCode.OK
        assert client.wait(job).state is State.CANCELLED


def test_dialog_offers_sources_and_checks_the_query(demo: RunningServer) -> None:
    """The values of the boxes are the sources; the check says what the query means, or what is wrong with it."""
    config = docket("extcap", "--extcap-interface", "docket", "--extcap-config", environ=demo.environ).stdout
    assert re.findall(r"^value \{arg=8\}\{value=(.+?)\}", config, flags=re.MULTILINE) == ["demo:em1", "demo:em2"]
    assert f"{{default={demo.url}}}" in config
    checked = check(demo, "port 53")
    assert "{display=Packets with TCP or UDP port 53.}" in checked
    assert "is not a word of the query language (character 1)" in check(demo, "prot 53")


def check(demo: RunningServer, query: str) -> str:
    command = ("extcap", "--extcap-interface", "docket", "--extcap-config", "--extcap-reload-option", "check")
    return docket(*command, "--query", query, environ=demo.environ).stdout


def test_capture_filter_is_checked_while_it_is_typed(demo: RunningServer) -> None:
    """Wireshark takes any output for a fault; a good query has none."""
    command = ("extcap", "--extcap-interface", "docket", "--extcap-capture-filter")
    assert docket(*command, "host 10.1.2.3 and not port 22", environ=demo.environ).stdout == ""
    assert "is not a word" in docket(*command, "hots 10.1.2.3", environ=demo.environ).stdout


def test_braces_in_an_answer_do_not_end_a_value(demo: RunningServer) -> None:
    """What a user typed comes back in the fault; the sentence stays one sentence."""
    for line in check(demo, "host }{arg=0}").splitlines():
        assert re.fullmatch(r"value \{arg=9\}\{value=[^{}]*\}\{display=[^{}]*\}", line), line


def test_every_option_of_the_dialog_is_one_of_the_command(demo: RunningServer) -> None:
    """Wireshark hands them back as they are called."""
    config = docket("extcap", "--extcap-interface", "docket", "--extcap-config", environ=demo.environ).stdout
    help_text = docket("extcap", "--help", environ=demo.environ).stdout
    calls = re.findall(r"\{call=(--[a-z-]+)\}", config)
    assert [call for call in calls if call not in help_text] == []
    assert len(calls) == 14
