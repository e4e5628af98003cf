"""The stage on which the sample traffic is made: a client, a router and a server, each with a network of its own.

For record.py alone. Needs root, iproute2 and util-linux. All of it is gone when the process is.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SIOCETHTOOL = 0x8946
_OFFLOADS = {"checksum": 0x17, "segmentation": 0x1F, "generic segmentation": 0x24, "generic receive": 0x2C}
"""ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO (linux/ethtool.h). With them a capture has packets no wire ever carries."""


class Host:
    """A machine of the stage: network, host name and name server are its own, the disk is everybody's."""

    def __init__(self, name: str, resolv_conf: Path) -> None:
        """Make the machine; it looks names up where the file says."""
        self.name = name
        holder = ["unshare", "--net", "--uts", "--mount", "setpriv", "--pdeathsig", "KILL", "sleep", "infinity"]
        self._holder = subprocess.Popen(holder)
        self._running: list[subprocess.Popen[bytes]] = []
        own = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != own, f"the network of {name}")
        self.run("hostname", name)
        self.run("mount", "--bind", str(resolv_conf), "/etc/resolv.conf")
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """The process that holds the machine's namespaces."""
        return self._holder.pid

    def command(self, *command: str) -> list[str]:
        """Give the command line that runs a command on this machine."""
        return ["nsenter", f"--target={self.pid}", "--net", "--uts", "--mount", "--", *command]

    def run(self, *command: str) -> None:
        """Run a command to its end; raises CalledProcessError."""
        subprocess.run(self.command(*command), check=True)

    def start(self, *command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program, which is ended with the machine."""
        wrapped = self.command("setpriv", "--pdeathsig", "KILL", *command)
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(wrapped, cwd=cwd, stdin=nowhere, stdout=nowhere, stderr=nowhere)
        self._running.append(process)
        return process

    def settle(self, *lines: str) -> None:
        """Run `ip` once per line, with the line's words as its arguments."""
        for line in lines:
            self.run("ip", *line.split())

    def add_vlan(self, interface: str, vlan: int) -> None:
        """Bring up an interface vlan<number> for a VLAN on another interface."""
        self.start(sys.executable, str(Path(__file__).with_name("vlan.py")), interface, str(vlan))
        wait_for(lambda: self._exists(f"vlan{vlan}"), f"vlan{vlan}")
        self.settle(f"link set vlan{vlan} up")

    def _exists(self, interface: str) -> bool:
        """Whether the machine has the interface."""
        looked = subprocess.run(self.command("ip", "link", "show", interface), capture_output=True, check=False)
        return looked.returncode == 0

    def listens(self, port: int) -> bool:
        """Say whether a program accepts TCP connections on this machine."""
        probe = self.command("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")
        return subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def close(self) -> None:
        """End the machine and all that runs on it."""
        for process in [*reversed(self._running), self._holder]:
            process.terminate()
            process.wait()


def add_cable(one: tuple[Host, str, str], other: tuple[Host, str, str]) -> None:
    """Connect two machines, each given with the interface's name and MAC address there."""
    ends = [f"dk{os.getpid()}{side}" for side in "ab"]
    _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for end, (host, name, mac) in zip(ends, (one, other), strict=True):
        _switch_off_offloads(end)
        _run("ip", "link", "set", end, "address", mac, "netns", str(host.pid), "name", name)
        host.settle(f"link set {name} up")


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Wait until a condition is true; raises TimeoutError, naming what was awaited."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.05)


def _switch_off_offloads(interface: str) -> None:
    """Make the kernel send whole packets of the usual size with their checksums, as hardware would."""
    with socket.socket() as control:
        for number in _OFFLOADS.values():
            value = (ctypes.c_uint32 * 2)(number, 0)
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(control, _SIOCETHTOOL, request)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
