"""A clean machine inside of this one: the same system, in which nothing that is written stays. Needs root.

Its root is an overlay over the real one in a mount namespace of its own; the network is shared. It is gone with the
process that holds the namespace.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.waiting import wait_until

UNITS = Path("/usr/lib/systemd/system")


class Machine:
    """Commands run in it as root, or as a unit's own user."""

    def __init__(self, directory: Path, shared: Sequence[Path] = ()) -> None:
        """Make it; `shared` directories of the real machine are there at the same path."""
        needs.root("to make a machine inside of this one")
        self._directory = directory
        self._holder = ChildProcess(
            [needs.program("unshare", "util-linux"), "--mount", "--propagation", "private", "sleep", "infinity"],
            directory / "machine.log",
        )
        self._namespace = f"/proc/{self._holder.pid}/ns/mnt"
        wait_until(self._separate, "the mount namespace")
        scratch, self.root = directory / "machine", directory / "machine/root"
        scratch.mkdir()
        steps = [
            f"mount -t tmpfs -o mode=755 tmpfs {scratch}",
            f"mkdir {scratch}/upper {scratch}/work {self.root}",
            f"mount -t overlay -o lowerdir=/,upperdir={scratch}/upper,workdir={scratch}/work overlay {self.root}",
            # What a Docket of the real machine left there.
            f"rm -rf {self.root}/var/spool/docket {self.root}/var/lib/docket {self.root}/etc/docket",
            f"mount -t proc proc {self.root}/proc",
            f"mount --rbind /dev {self.root}/dev",
            f"mount -t tmpfs -o mode=755 tmpfs {self.root}/run",
            # Packages ask this file before they start services of their own.
            f"printf '#!/bin/sh\\nexit 101\\n' > {self.root}/usr/sbin/policy-rc.d",
            f"chmod 755 {self.root}/usr/sbin/policy-rc.d",
            *(f"mkdir -p {self.root}{path} && mount --bind {path} {self.root}{path}" for path in shared),
        ]
        self._enter(["sh", "-ec", "\n".join(steps)])

    def _separate(self) -> bool:
        self._holder.must_run()
        return os.readlink(self._namespace) != os.readlink("/proc/self/ns/mnt")

    def _enter(self, command: Sequence[str]) -> str:
        whole = [needs.program("nsenter", "util-linux"), f"--mount={self._namespace}", "--", *command]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]}: {done.stdout}{done.stderr}")
        return done.stdout

    def command(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs a command in the machine with a clean environment."""
        plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **(environ or {})}
        settings = [f"{name}={value}" for name, value in plain.items()]
        entered = [needs.program("nsenter", "util-linux"), f"--mount={self._namespace}", "--", "chroot", str(self.root)]
        return [*entered, "env", "-i", *settings, *command]

    def run(self, *command: str) -> str:
        """Run a command as root to its end; its output. Raises RuntimeError with what it said on failure."""
        done = subprocess.run(self.command(command), capture_output=True, text=True, timeout=180, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, content: str | bytes, owner: str = "root:root", mode: str = "644") -> None:
        """Write a file in the machine."""
        data = content.encode() if isinstance(content, str) else content
        order = f"mkdir -p $(dirname {path}); cat > {path}; chown {owner} {path}; chmod {mode} {path}"
        subprocess.run(self.command(["sh", "-ec", order]), input=data, check=True, timeout=30)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def start_unit(self, name: str, instance: str = "", listen: str = "") -> ChildProcess:
        """Start a unit's own command line as its own user and groups; `listen` is a socket that is opened for it."""
        settings = _settings(self.read(str(UNITS / name)))
        groups = [settings["Group"], *settings.get("SupplementaryGroups", "").split()]
        words = settings["ExecStart"].replace("%i", instance).split()
        if listen:
            words = ["systemd-socket-activate", "-l", listen, *words]
        who = ["setpriv", "--reuid", settings["User"], "--regid", settings["Group"], "--groups", ",".join(groups)]
        locked = ["--no-new-privs", "--bounding-set", "-all"]
        log = self._directory / f"{name.replace('@', f'@{instance}')}.log"
        child = ChildProcess(self.command([*who, *locked, *words]), log)
        if listen:
            # systemd-socket-activate knows no SocketMode.
            wait_until(lambda: self.run("sh", "-c", f"test -S {listen} && echo there || true"), "the socket")
            self.run("chmod", re.findall(r"SocketMode=(\d+)", self.read(str(UNITS / "docket.socket")))[0], listen)
        return child

    def close(self) -> None:
        self._holder.kill()


def _settings(unit: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", unit, flags=re.MULTILINE))
