"""An outside program run as a child of the tests: started, watched, and always brought to its end.

For the fixtures in tests/services and for bench/. A child dies with the process that started it, so an
interrupted run leaves nothing behind.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class ChildProcess:
    """One running program; its output goes to a log file that is quoted when something goes wrong."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Start the command, appending its output to the log; as another user if one is named (needs root)."""
        # setpriv replaces itself with the program, so the pid below is the program's own.
        wrapper = ["setpriv", "--pdeathsig", "KILL"]
        if user is not None:
            wrapper += ["--reuid", user, "--regid", user, "--init-groups"]
        self._name = Path(command[0]).name
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*wrapper, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
            )

    @property
    def pid(self) -> int:
        """The process id of the program itself."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program is still there."""
        return self._process.poll() is None

    def must_run(self) -> None:
        """Raise RuntimeError with the end of the log if the program has ended."""
        if not self.running:
            raise RuntimeError(f"{self._name} ended with {self._process.returncode}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 30) -> str:
        """Give the last lines of the program's output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout_s: float = 20.0) -> int:
        """Ask the program to end (SIGTERM), kill it if it does not within timeout_s; give its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def wait(self, timeout_s: float = 20.0) -> int:
        """Wait until the program has ended by itself; give its exit status. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout_s)

    def kill(self) -> int:
        """Kill the program (SIGKILL) and wait for its end."""
        self._process.kill()
        return self._process.wait(10.0)
