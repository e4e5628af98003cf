"""A sensor with a real systemd as PID 1, inside of this machine: units, sandboxes, watchdog, reboot and power cut.

Its root is an overlay over this machine's own, with a tmpfs for all that is written, so it has this machine's packages
and nothing is left of it. Its network is its own. Needs root and systemd-nspawn (package systemd-container).

As on a real sensor: unit order, sockets, notify, watchdog, restart and start limits, sandboxes (mounts, users, seccomp,
capabilities), journald, sysusers, tmpfiles, dpkg's scripts. Not as there: IPAddressDeny has no effect, and LimitNOFILE
cannot go above the hard limit of the shell around (drop-ins for the broker and stenographer).
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.waiting import wait_until

BOOT_S = 180.0
COMMAND_S = 300.0
"""Generous: beside other tests a machine of two processors may take ten times as long."""
LOOK_S = 0.3
"""Between two looks, each of which is a program that loads the machine."""

_OUTER = r"""
set -eu
machine=$1 name=$2
# A cgroup of its own, beside those of other machines.
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if mkdir -p "$hierarchy/$name" 2>/dev/null; then echo $$ > "$hierarchy/$name/cgroup.procs" || true; fi
done
mount -t tmpfs -o mode=755 tmpfs "$machine/disk"
mkdir "$machine"/disk/upper "$machine"/disk/work "$machine"/disk/root
root=$machine/disk/root
mount -t overlay -o "lowerdir=/,upperdir=$machine/disk/upper,workdir=$machine/disk/work" overlay "$root"
# Nothing of what this machine itself has switched on starts in there, and packages may start what they install.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/usr/sbin/policy-rc.d "$root"/var/lib/rabbitmq/mnesia
rm -rf "$root"/etc/docket "$root"/var/spool/docket "$root"/var/lib/docket
rm -rf "$root"/etc/rabbitmq "$root"/var/lib/rabbitmq/.erlang.cookie
mkdir -p "$root/etc/rabbitmq" "$root/etc/systemd/system-generators"
ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-sysv-generator"
: > "$root/etc/machine-id"; : > "$root/etc/fstab"
echo rock01 > "$root/etc/hostname"; echo '127.0.0.1 localhost rock01 sensor.example' > "$root/etc/hosts"
for unit in rabbitmq-server stenographer stenographer@ docket; do
  mkdir -p "$root/etc/systemd/system/$unit.service.d"
  printf '[Service]\nLimitNOFILE=16000\n' > "$root/etc/systemd/system/$unit.service.d/limits.conf"
done
off=
trap 'off=yes; kill -KILL $inner 2>/dev/null || true' TERM
# nspawn ends 0 only when the machine was switched off. After a reboot and a power cut it boots from the same disk.
while true; do
  systemd-nspawn --directory="$root" --boot --register=no --keep-unit --private-network --capability=all \
    --link-journal=no --machine="$name" --hostname=rock01 --bind-ro="$machine/share:/srv/share" \
    </dev/null >>"$machine/console" 2>&1 & inner=$!
  echo $inner > "$machine/nspawn"
  code=0
  wait $inner || code=$?
  [ "$code" != 0 ] && [ -z "$off" ] || break
done
wait
"""


class BootedMachine:
    """Commands run in it as root, with the environment of a login on a real machine."""

    def __init__(self, directory: Path) -> None:
        """Make it and boot it. `share` in it is a directory of the host, at /srv/share, read-only."""
        needs.root("to boot a machine inside of this one")
        needs.program("systemd-nspawn", "systemd-container")
        self._directory = directory
        self.share = directory / "share"
        for name in ("share", "disk"):
            (directory / name).mkdir()
        self._name = f"docket-{os.getpid()}-{directory.name}"[:60].replace("_", "-")
        command = [needs.program("unshare", "util-linux"), "--mount", "--propagation", "private"]
        outer = [*command, "bash", "-c", _OUTER, "outer", str(directory), self._name]
        self._outer = ChildProcess(outer, directory / "outer.log")
        try:
            self._wait_up(None)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            reason = f"{error}\n{self._outer.log_tail()}\n{self._console()}"
            self.close()
            needs.missing(f"systemd-nspawn cannot boot a machine here: {reason}")

    def _console(self) -> str:
        console = self._directory / "console"
        return "\n".join(console.read_text(errors="replace").splitlines()[-20:]) if console.exists() else ""

    @property
    def init_pid(self) -> int | None:
        """The process here that is PID 1 there; None while there is none."""
        try:
            outer = (self._directory / "nspawn").read_text().strip()
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def _wait_up(self, before: int | None) -> None:
        """Wait until systemd has booted, as another process than the one `before`."""

        def up() -> bool:
            self._outer.must_run()
            if self.init_pid in (None, before):
                return False
            state = self.try_run("systemctl is-system-running").stdout.strip()
            return state in ("running", "degraded")

        wait_until(up, "systemd in the machine", timeout_s=BOOT_S)
        # nspawn mounts the v1 controllers read-only. Once they are writable, systemd uses them: limits are in force.
        self.try_run(
            "for c in memory pids cpu cpuacct devices blkio; do mount -o remount,rw,bind /sys/fs/cgroup/$c; done; "
            "systemctl daemon-reexec"
        )
        wait_until(lambda: self.try_run("systemctl is-system-running").stdout.strip() != "", "systemd again")

    def _command(self, script: str) -> list[str]:
        entered = ["nsenter", "-t", str(self.init_pid), "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i"]
        environ = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]
        return [*entered, *environ, "sh", "-c", f"cd /root && {script}"]

    def try_run(
        self, script: str, *, timeout_s: float = COMMAND_S, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell as root to its end, however it ends."""
        return subprocess.run(
            self._command(script), capture_output=True, text=True, input=stdin, timeout=timeout_s, check=False
        )

    def run(self, script: str, *, timeout_s: float = COMMAND_S, stdin: str = "") -> str:
        """Run a line of shell as root to a good end; what it wrote. Raises AssertionError with what it said."""
        done = self.try_run(script, timeout_s=timeout_s, stdin=stdin)
        assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, script: str, log: Path) -> ChildProcess:
        """Start a line of shell that goes on beside the test."""
        return ChildProcess(self._command(script), log)

    def write(self, path: str, content: str) -> None:
        """Replace the content of a file, whose owner and mode stay; a new one belongs to root."""
        self.run(f"mkdir -p $(dirname {path}); cat > {path}", stdin=content)

    def read(self, path: str) -> str:
        return self.run(f"cat {path}")

    def reboot(self) -> None:
        """An orderly one."""
        before = self.init_pid
        self.try_run("systemctl reboot")
        self._wait_up(before)

    def cut_power(self) -> None:
        """Kill PID 1 and with it everything, at once; what was written to the disk is there at the next boot."""
        before = self.init_pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        self._wait_up(before)

    def close(self) -> None:
        init = self.init_pid
        self._outer.stop()
        if init is not None:
            # nspawn that is killed leaves it behind, with all its services.
            with contextlib.suppress(ProcessLookupError):
                os.kill(init, signal.SIGKILL)
        pid_file = self._directory / "nspawn"
        if pid_file.exists():
            gone = Path(f"/proc/{pid_file.read_text().strip()}")
            wait_until(lambda: not gone.exists(), "the machine to be off", timeout_s=30)
        for hierarchy in ("systemd", "unified"):
            top = Path("/sys/fs/cgroup") / hierarchy / self._name
            # What is left of it, dead processes that no one has reaped yet, is in no one's way.
            with contextlib.suppress(TimeoutError):
                wait_until(functools.partial(_without_cgroups, top), f"{top} to be empty", timeout_s=5)
        shutil.rmtree(self._directory / "disk", ignore_errors=True)

    def until(self, script: str, holds: Callable[[str], bool], what: str, timeout_s: float = 180.0) -> str:
        """Run a line of shell until what it writes is as wanted; that."""

        def look() -> str:
            told = self.try_run(script).stdout
            return told if holds(told) else ""

        return wait_until(look, what, timeout_s=timeout_s, step_s=LOOK_S)


def _without_cgroups(top: Path) -> bool:
    """Remove the cgroup and those below it, as far as no process is in them any more."""
    for directory, _, _ in sorted(os.walk(top), reverse=True):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()
    return not top.exists()
