"""A network namespace of a test's own, with virtual cables in it. Needs root.

The namespace has no name: it lives as long as the process that holds it, so nothing is left after a run that was
cut short.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.waiting import wait_until


class Namespace:
    """A private network stack without IPv6 of its own, so that no packet is on its cables but the test's."""

    def __init__(self, directory: Path) -> None:
        """Make the namespace; the log of the process that holds it goes to the directory."""
        needs.root("to make a network namespace")
        self._holder = ChildProcess(
            [needs.program("unshare", "util-linux"), "--net", "sleep", "infinity"], directory / "netns.log"
        )
        self._path = Path(f"/proc/{self._holder.pid}/ns/net")
        wait_until(self._separate, "the network namespace")
        self.run(["ip", "link", "set", "lo", "up"])
        for scope in ("all", "default"):
            self.run([needs.program("sysctl", "procps"), "-qw", f"net.ipv6.conf.{scope}.disable_ipv6=1"])

    def _separate(self) -> bool:
        self._holder.must_run()
        return os.readlink(self._path) != os.readlink("/proc/self/ns/net")

    @property
    def pid(self) -> int:
        """The process that holds the namespace; `ip link set … netns PID` moves a cable's end there."""
        return self._holder.pid

    def command(self, command: Sequence[str]) -> list[str]:
        """Give the command line that runs a command inside the namespace."""
        return [needs.program("nsenter", "util-linux"), f"--net={self._path}", "--", *command]

    def run(self, command: Sequence[str]) -> None:
        """Run a command inside the namespace to its end; raises RuntimeError with what it said on failure."""
        done = subprocess.run(self.command(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def add_cable(self, one_end: str, other_end: str) -> None:
        """Make a veth pair and set both ends up, promiscuous: what is sent at one end arrives at the other."""
        self.run(["ip", "link", "add", one_end, "type", "veth", "peer", "name", other_end])
        for end in (one_end, other_end):
            self.run(["ip", "link", "set", end, "promisc", "on", "up"])

    def close(self) -> None:
        """Let the namespace and its cables go."""
        self._holder.kill()
