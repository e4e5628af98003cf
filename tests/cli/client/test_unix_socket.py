"""The commands reach a server that listens on a unix socket alone, as on a sensor."""

import getpass
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.cli.ui.terminal import usual_socket
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import RunningServer, clean_environ, docket
from tests.services import needs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A demo that listens on a socket, and on nothing else."""
    needs.program("tcpdump", "tcpdump")
    home = tmp_path_factory.mktemp("socket")
    with RunningServer(home, options=("--listen", f"unix:{home}/docket.socket")) as running:
        yield running


def test_question_is_asked_watched_and_saved_through_the_socket(server: RunningServer, tmp_path: Path) -> None:
    """`docket get --server unix:…` ends 0 with its capture, and asks no proxy; the user that ran it owns the job."""
    environ = clean_environ(tmp_path, http_proxy="http://127.0.0.1:9")
    done = docket("get", "port 53", "--after", "1h", "-w", "x", "--server", server.url, environ=environ, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    assert (tmp_path / "x").stat().st_size > 24
    (job,) = json.loads(docket("jobs", "--json", "--server", server.url, environ=environ).stdout)
    assert job["owner"] == getpass.getuser()
    assert f"docket job {job['id']}" in done.stderr


def test_server_that_was_started_by_the_same_user_is_found(server: RunningServer) -> None:
    """`docket run` announces its socket like any other address."""
    assert server.url.startswith("unix:/")
    done = docket("jobs", environ=server.environ)
    assert done.returncode == ExitCode.OK, done.stderr


def test_socket_of_the_configuration_is_found(server: RunningServer, tmp_path: Path) -> None:
    """Where the configuration names a socket alone, commands go there."""
    config = tmp_path / "docket.yaml"
    config.write_text(f'web: {{listen: ["{server.url}"]}}\nsources: [{{name: "a:b", kind: capture-files, path: /}}]\n')
    done = docket("--config", str(config), "jobs", environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.OK, done.stderr


@pytest.mark.parametrize("url", ["unix:/nonexistent/docket.socket", "unix:docket.socket"])
def test_socket_that_does_not_answer_is_said_so(tmp_path: Path, url: str) -> None:
    """Nobody there, or no address at all: exit code 6 with the address."""
    done = docket("jobs", "--server", url, environ=clean_environ(tmp_path))
    assert (done.returncode, url in done.stderr) == (ExitCode.UNREACHABLE, True)


def test_usual_socket_is_taken_where_it_can_be_used(tmp_path: Path) -> None:
    """It must be a socket; no file, a plain file and a missing directory are none."""
    path = tmp_path / "docket.socket"
    assert usual_socket(path) is None
    (tmp_path / "file").touch()
    assert usual_socket(tmp_path / "file") is None
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert usual_socket(path) == f"unix:{path}"
