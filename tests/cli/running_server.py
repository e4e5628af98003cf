"""A `docket run` as its user starts it, with `--demo` or with sources of its own, and the command line beside it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.waiting import wait_until

DOCKET = (sys.executable, "-m", "docket")


def clean_environ(home: Path, **more: str) -> dict[str, str]:
    """The environment without anything that would lead a command to another server, configuration, state or Docket."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKET_", "XDG_", "PYTHON"))}
    return kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PYTHONUNBUFFERED": "1"} | more


class RunningServer:
    """Started by `with`; `url` is the address that it printed. With `demo` false, sources come with the options."""

    def __init__(
        self, home: Path, command: Sequence[str] = DOCKET, options: Sequence[str] = (), *, demo: bool = True
    ) -> None:
        self.home = home
        self.log = home / "docket.log"
        self.scratch = home / "scratch"
        self.scratch.mkdir()
        self.environ = clean_environ(home, TMPDIR=str(self.scratch))
        self._command = [*command, "run", *(["--demo"] if demo else []), *(options or ("--listen", "127.0.0.1:0"))]

    def __enter__(self) -> "RunningServer":
        self.child = ChildProcess(self._command, self.log, env=self.environ)
        try:
            self.url = wait_until(self._announced, "docket run to be ready", timeout_s=30.0)
        except TimeoutError:
            self.child.kill()
            raise AssertionError(self.child.log_tail()) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop()

    def _announced(self) -> str:
        self.child.must_run()
        found = re.search(r"^Docket is ready: (\S+)$", self.log.read_text(), flags=re.MULTILINE)
        return found[1] if found else ""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`docket run --demo`, ready: one for all tests of commands and of clients."""
    needs.program("tcpdump", "tcpdump")
    with RunningServer(tmp_path_factory.mktemp("demo")) as server:
        yield server


def docket(
    *arguments: str, environ: Mapping[str, str], cwd: Path | None = None, command: Sequence[str] = DOCKET
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; it finds its server as the environment says."""
    return subprocess.run(
        [*command, *arguments],
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
