"""The commands that run services: their configuration, and how they fail."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from docket import __version__
from docket.bus import topology
from docket.cli.overrides import only_sources
from docket.config.model import CaptureFilesConfig, Config
from docket.errors import ConfigError
from docket.runtime.exit_codes import MEANINGS, ExitCode
from tests.cli.running_server import RunningServer, clean_environ, docket
from tests.services.ports import free_port


def config_of(*names: str) -> Config:
    return Config(sources=tuple(CaptureFilesConfig(name=name, path=Path("/data")) for name in names))


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ([], ["a:em1", "a:em2", "b:em2"]),
        (["em1"], ["a:em1"]),
        (["a:em2", "em1", "a:em2"], ["a:em2", "a:em1"]),
    ],
)
def test_sources_are_chosen_by_name_or_interface(wanted: list[str], chosen: list[str]) -> None:
    """A name, or an interface that only one source has; nothing means all."""
    config = only_sources(config_of("a:em1", "a:em2", "b:em2"), wanted)
    assert [source.name for source in config.sources] == chosen


def test_sources_that_are_not_there_are_all_told() -> None:
    """Unknown and ambiguous names are faults, all at once."""
    with pytest.raises(ConfigError) as caught:
        only_sources(config_of("a:em1", "a:em2", "b:em2"), ["em2", "c:em3"])
    assert [fault.message.partition(";")[0] for fault in caught.value.faults] == [
        "several sources are called em2",
        "there is no source c:em3",
    ]


def test_version_is_the_package_s(tmp_path: Path) -> None:
    """`docket --version` says what is installed."""
    assert docket("--version", environ=clean_environ(tmp_path)).stdout == f"docket {__version__}\n"


def test_help_lists_every_exit_code(tmp_path: Path) -> None:
    """`docket --help` has each exit code with its meaning."""
    text = docket("--help", environ=clean_environ(tmp_path)).stdout
    found = re.findall(r"^ +(\d+)  (.+)$", text.partition("exit codes:")[2], flags=re.MULTILINE)
    assert found == [(str(code.value), meaning) for code, meaning in MEANINGS.items()]


@pytest.mark.parametrize("arguments", [("get",), ("jobs", "--state", "odd"), ("run", "--listen", "x"), ("no",), ()])
def test_wrong_command_line_is_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """What cannot be understood ends 2 with the usage."""
    done = docket(*arguments, environ=clean_environ(tmp_path))
    assert (done.returncode, done.stderr.startswith("usage: docket")) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("service", ["run", "web", "worker", "collector", "topology"])
def test_faults_of_the_configuration_are_shown_with_their_lines(tmp_path: Path, service: str) -> None:
    """Every service ends 7 and shows file, line and sentence for each fault."""
    path = tmp_path / "docket.yaml"
    path.write_text("sources: []\nspool: {keep: x}\nwob: 1\n")
    done = docket("--config", str(path), service, environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.CONFIG
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [f"{path}:2", f"{path}:3"]


def test_config_check_says_good_or_all_faults(tmp_path: Path) -> None:
    """`docket config check` ends 0 for a file that is good and 7 for one that names files that are not there."""
    path = tmp_path / "docket.yaml"
    path.write_text("sources:\n  - {name: 'a:b', kind: capture-files, path: captures}\n")
    missing = docket("config", "check", "--config", str(path), environ=clean_environ(tmp_path))
    assert (missing.returncode, f"{path}:2: " in missing.stderr) == (ExitCode.CONFIG, True)
    (tmp_path / "captures").mkdir()
    good = docket("config", "check", environ=clean_environ(tmp_path, DOCKET_CONF=str(path)))
    assert (good.returncode, good.stdout) == (ExitCode.OK, f"{path} is good: 1 source.\n")


def test_config_show_hides_the_password(tmp_path: Path) -> None:
    """What is in force is shown with defaults and without the secret of the bus."""
    path = tmp_path / "docket.yaml"
    path.write_text("sources: []\nbus: amqp://docket:secret@broker:5672/x\n")
    done = docket("config", "show", "--config", str(path), environ=clean_environ(tmp_path))
    shown = json.loads(done.stdout)
    assert (shown["bus"], shown["spool"]["keep_s"]) == ("amqp://docket:***@broker:5672/x", 172_800)


def test_topology_is_printed_for_rabbitmq(tmp_path: Path) -> None:
    """`docket topology --print` gives definitions.json with a queue per source, without any broker."""
    path = tmp_path / "docket.yaml"
    path.write_text("sources:\n  - {name: 'a:b', kind: capture-files, path: /data}\n")
    done = docket("topology", "--print", "--config", str(path), environ=clean_environ(tmp_path))
    assert json.loads(done.stdout) == topology.definitions("/", ["a:b"])


def test_bus_that_is_away_is_an_error_at_once_where_somebody_watches(tmp_path: Path) -> None:
    """`docket run --bus` and `docket topology` end 8 when no broker answers."""
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    path = tmp_path / "docket.yaml"
    path.write_text(f"sources: []\nbus: {url}\n")
    for command in (("run", "--bus", url, "--spool", str(tmp_path / "spool")), ("topology",)):
        done = docket("--config", str(path), *command, environ=clean_environ(tmp_path))
        assert done.returncode == ExitCode.BUS, done.stderr


def test_address_that_is_taken_is_an_error_where_it_was_asked_for(tmp_path: Path) -> None:
    """`--listen` on a port that somebody has ends 12 and names the address."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        done = docket("run", "--demo", "--listen", address, environ=clean_environ(tmp_path))
    assert (done.returncode, address in done.stderr) == (ExitCode.ADDRESS, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_in_an_orderly_way(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the demo with exit code 0, no error in its log, and no file left behind."""
    with RunningServer(tmp_path) as server:
        os.kill(server.child.pid, number)
        assert server.child.wait(20.0) == ExitCode.OK
    assert re.findall(r"ERROR|CRITICAL|Traceback", server.log.read_text()) == []
    assert list(server.scratch.iterdir()) == []


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    """A process that is stopping already ends with 130 when a second signal comes."""
    with RunningServer(tmp_path) as server:
        # While it is stopped both signals gather; they are taken one after the other when it goes on.
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            os.kill(server.child.pid, number)
        assert server.child.wait() == ExitCode.INTERRUPTED


def test_web_serves_the_socket_that_systemd_opened(tmp_path: Path) -> None:
    """With LISTEN_FDS the web app takes connections there, and leaves the socket's name alone when it ends."""
    path = tmp_path / "docket.yaml"
    path.write_text(f"sources: []\nbus: amqp://127.0.0.1:{free_port()}/\nspool: {{path: {tmp_path}}}\n")
    address = tmp_path / "docket.socket"
    as_systemd = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
    as_systemd += "os.execv(sys.executable, [sys.executable, '-m', 'docket', 'web'])"
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(address))
        opened.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", as_systemd, str(opened.fileno())],
            env=clean_environ(tmp_path, LISTEN_FDS="1", DOCKET_CONF=str(path)),
            pass_fds=(opened.fileno(),),
        )
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30.0)
            client.connect(str(address))
            client.sendall(b"GET /app/docket/api/v1/health?live HTTP/1.0\r\n\r\n")
            answer = client.recv(100)
        process.terminate()
        assert (process.wait(20.0), answer.split(b"\r\n")[0]) == (ExitCode.OK, b"HTTP/1.1 200 OK")
    assert address.exists()


def test_everything_in_one_process_needs_no_sources(tmp_path: Path) -> None:
    """It answers; which sources there are it then hears from workers elsewhere, or from none."""
    (tmp_path / "docket.yaml").write_text("sources: []\nspool: {path: spool}\n")
    options = ("--config", str(tmp_path / "docket.yaml"), "--listen", "127.0.0.1:0")
    with RunningServer(tmp_path, options=options, demo=False) as server:
        listed = docket("source", "list", "--server", server.url, environ=server.environ)
        assert (listed.returncode, "Traceback" in server.log.read_text()) == (ExitCode.OK, False)
