"""The units are without faults, locked down, and their command lines do what Type=notify promises."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml

from docket.runtime.exit_codes import ExitCode
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.waiting import wait_until
from tests.web.auth.test_authenticator import UnixConnection

SYSTEMD = Path(__file__).parents[2] / "deploy/systemd"
UNITS = sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in (".service", ".socket", ".target"))
SERVICES = [name for name in UNITS if name.endswith(".service")]
LASTING = [name for name in SERVICES if name != "docket-check.service"]
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with an instance of the worker, and a program that is there."""
    directory = tmp_path_factory.mktemp("units")
    for name in UNITS:
        text = (SYSTEMD / name).read_text()
        (directory / name).write_text(text.replace("/usr/bin/docket", "/bin/true"))
    instance = directory / "docket-worker@em1.service"
    instance.write_text((directory / "docket-worker@.service").read_text())
    return directory


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = needs.program("systemd-analyze", "systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_units_have_no_faults(units: Path) -> None:
    """`systemd-analyze verify` has nothing to say about any of them."""
    files = [str(path) for path in sorted(units.iterdir()) if "@." not in path.name]
    done = analyze("verify", "--man=no", *files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_locked_down(units: Path, name: str) -> None:
    """`systemd-analyze security` rates each service at most 2.0: "OK", or "SAFE"."""
    done = analyze("security", "--offline=true", "--no-pager", str(units / name.replace("@.", "@em1.")))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) (?:OK|SAFE)", done.stdout)
    assert found is not None, done.stdout[-300:] + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("name", LASTING)
def test_service_is_watched_restarted_and_bounded(name: str) -> None:
    """Each service is watched, comes back with limits, runs as docket, and stops in time."""
    settings = dict(line.split("=", 1) for line in (SYSTEMD / name).read_text().splitlines() if "=" in line)
    assert settings["Type"] == "notify"
    own = name.removesuffix(".service")
    user = own if own in ("docket-alerts", "docket-webhooks") else "docket"
    assert (settings["User"], settings["Restart"]) == (user, "on-failure")
    assert {"WatchdogSec", "StartLimitBurst", "MemoryMax", "TimeoutStopSec"} <= set(settings)
    assert settings["RestartPreventExitStatus"] == f"{ExitCode.USAGE.value} {ExitCode.CONFIG.value}"
    assert settings["OnFailure"] == "docket-check.service"


@pytest.mark.parametrize("name", LASTING)
def test_what_is_written_to_may_be_missing(name: str) -> None:
    """No service ends before it begins (226/NAMESPACE) because a directory is not there."""
    lines = (SYSTEMD / name).read_text().splitlines()
    paths = [path for line in lines if re.match("Read(Write|Only)Paths=", line) for path in line.split("=")[1].split()]
    assert [path for path in paths if not path.startswith("-")] == []


def test_every_unit_is_in_the_readme() -> None:
    """The table names each file of the directory."""
    text = (SYSTEMD / "README.md").read_text()
    files = [path.name for path in SYSTEMD.iterdir() if path.name != "README.md"]
    assert [name for name in files if f"`{name}`" not in text] == []


def configuration(directory: Path, bus: str) -> Path:
    captures = directory / "captures"
    captures.mkdir()
    settings = {
        "bus": bus,
        "spool": {"path": str(directory / "spool"), "min_free": "1MB"},
        "web": {"listen": [f"unix:{directory}/unused.socket"]},
        "sources": [{"name": "rock01:em1", "kind": "capture-files", "path": str(captures)}],
    }
    config = directory / "docket.yaml"
    config.write_text(yaml.safe_dump(settings))
    return config


@pytest.mark.rabbitmq
def test_web_serves_the_socket_that_systemd_opened(tmp_path: Path, amqp_url: str) -> None:
    """`docket web` takes over the socket of docket.socket, and says that it is ready when it listens there."""
    address = tmp_path / "docket.socket"
    config = configuration(tmp_path, amqp_url)
    program = needs.program("systemd-socket-activate", "systemd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(20)
        passed = [f"--setenv={name}" for name in ("PATH", "NOTIFY_SOCKET", "DOCKET_CONF")]
        command = [program, *passed, "-l", str(address), sys.executable, "-m", "docket", "web"]
        environ = {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "DOCKET_CONF": str(config),
        }
        child = ChildProcess(command, tmp_path / "web.log", env=environ)
        try:
            wait_until(address.exists, "the socket")
            connection = UnixConnection(address)
            connection.request("GET", "/app/docket/api/v1/health?live")
            assert connection.getresponse().status == 200
            connection.close()
            assert channel.recv(4096).decode() == f"READY=1\nSTATUS=listening on unix:{address}"
            assert not (tmp_path / "unused.socket").exists()
        finally:
            assert child.stop() == 0
        assert channel.recv(4096).decode() == "STOPPING=1"
        assert address.exists()


@pytest.mark.rabbitmq
@pytest.mark.parametrize("service", ["collector", "worker em1", "inspector"])
def test_service_is_ready_beats_and_stops(tmp_path: Path, amqp_url: str, service: str) -> None:
    """Collector, worker and inspector say when they are ready, feed the watchdog while they work, and stop in order."""
    needs.program("tcpdump", "tcpdump")
    config = configuration(tmp_path, amqp_url)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(20)
        environ = {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "DOCKET_CONF": str(config),
            "WATCHDOG_USEC": "3000000",
        }
        child = ChildProcess([sys.executable, "-m", "docket", *service.split()], tmp_path / "service.log", env=environ)
        heard: list[str] = []
        while heard.count("WATCHDOG=1") < 4:
            heard.append(channel.recv(4096).decode())
        assert f"READY=1\nSTATUS={service.split()[0]}" in heard
        assert child.stop() == 0
        while heard[-1] != "STOPPING=1":
            heard.append(channel.recv(4096).decode())


def test_web_says_that_the_broker_is_away(tmp_path: Path) -> None:
    """Without a broker the web app is there all the same, and its health says what is wrong."""
    config = configuration(tmp_path, f"amqp://127.0.0.1:{free_port()}/")
    port = free_port()
    command = [sys.executable, "-m", "docket", "--config", str(config), "web", "--listen", f"127.0.0.1:{port}"]
    child = ChildProcess(command, tmp_path / "web.log")
    try:

        def health() -> int:
            try:
                return requests.get(f"http://127.0.0.1:{port}/app/docket/api/v1/health", timeout=5).status_code
            except requests.ConnectionError:
                return 0

        wait_until(lambda: health() == 503, "an answer", timeout_s=30)
    finally:
        assert child.stop() == 0


def test_users_are_accepted_by_systemd(tmp_path: Path) -> None:
    """systemd-sysusers makes them in an empty tree: a fault there would stop the package's installation."""
    (tmp_path / "etc").mkdir()
    program = needs.program("systemd-sysusers", "systemd")
    command = [program, f"--root={tmp_path}", str(SYSTEMD / "docket.sysusers")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "not a valid" in done.stderr) == (0, False), done.stderr
    users = (tmp_path / "etc/passwd").read_text()
    assert "docket-alerts" in users
    assert "docket-webhooks" in users
