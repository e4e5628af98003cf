"""A dissector that was taken over by the packets that it reads: what its sandbox still lets it do."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from tests.attacks.attempt import Attempt

TRIED: tuple[tuple[str, str, str], ...] = (
    ("API", "connect to Docket's unix socket", "socket.socket(socket.AF_UNIX).connect({path!r})"),
    ("API", "make a pair of sockets", "socket.socketpair()"),
    ("network", "make a TCP socket", "socket.socket(socket.AF_INET)"),
    ("network", "make an IPv6 socket", "socket.socket(socket.AF_INET6)"),
    ("network", "make a raw socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    ("network", "make a netlink socket", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    ("services", "signal the service that started it", "os.kill({parent}, 0)"),
    ("services", "signal PID 1", "os.kill(1, 0)"),
    ("services", "open a descriptor of another process", "call(434, {parent}, 0)"),
    ("services", "trace another process", "call(101, 16, {parent}, 0, 0)"),
    ("services", "read another process's memory", "call(310, {parent}, 0, 0, 0, 0, 0)"),
    ("services", "queue a signal to a thread of the service", "call(297, {parent}, {parent}, 0, info)"),
    ("services", "have the kernel send the service a signal", "fcntl.fcntl(0, 8, {parent})"),
    ("services", "take the limits of the service away", "resource.prlimit({parent}, resource.RLIMIT_NOFILE, (64, 64))"),
    ("services", "take the turns of the service away", "os.setpriority(os.PRIO_PROCESS, {parent}, 19)"),
    ("services", "take processors away from the service", "os.sched_setaffinity({parent}, {{0}})"),
    ("services", "look into the kernel's keys", "call(250, 0, -4, 1)"),
    ("services", "share memory", "call(29, 0, 4096, 0o1600)"),
    ("services", "set up io_uring, which passes by filters", "call(425, 8, 0)"),
    ("files of the machine", "read /etc/passwd", "open('/etc/passwd').read()"),
    ("files of the machine", "read the environment of its parent", "open('/proc/{parent}/environ').read()"),
    ("files of the machine", "list /", "os.listdir('/')"),
    ("files of the machine", "write into /tmp", "open('/tmp/docket-attack', 'w')"),
    ("files of the machine", "write into /dev/shm", "open('/dev/shm/docket-attack', 'w')"),
    ("packets of other jobs", "read a result beside its own", "open({other!r}).read()"),
    ("packets of other jobs", "let everybody read a result", "os.chmod({other!r}, 0o644)"),
    ("packets of other jobs", "cut a result", "os.truncate({other!r}, 3)"),
    ("packets of other jobs", "make a result look old", "os.utime({other!r}, (1, 1))"),
    ("packets of other jobs", "mark a result", "os.setxattr({other!r}, 'user.x', b'1')"),
    ("packets of other jobs", "watch what is done with results", "call(294, 0)"),
    ("machine", "have name spaces of its own", "call(272, 0x20000000)"),
    ("machine", "load a program into the kernel", "call(321, 0, (ctypes.c_char * 128)(), 128)"),
    ("machine", "become root", "os.setuid(0) or os.geteuid() == 0 and open('/etc/shadow').read()"),
    ("machine", "mount a file system", "call(165, 0, 0, 0, 0, 0) == 0 or no()"),
    (
        "files of the machine",
        "have another program read /etc/passwd",
        "os.execv('/usr/bin/cat', ['cat', '/etc/passwd'])",
    ),
)
"""Each ends with an error of Python where it is refused."""

PREAMBLE = """
import ctypes, fcntl, os, resource, socket
info = (ctypes.c_char * 128)()
def no(): raise PermissionError
def call(*parts):
    if ctypes.CDLL(None, use_errno=True).syscall(*parts) < 0: no()
    return 0
"""


def attempts(place: Path) -> Iterator[Attempt]:
    """Every one, from a process in the sandbox of the dissectors."""
    with socket.socket(socket.AF_UNIX) as listener:
        path, other = place / "web.socket", place / "other.pcap"
        other.write_text("packets")
        listener.bind(str(path))
        listener.listen()
        for asset, tried, code in TRIED:
            script = PREAMBLE + code.format(path=str(path), parent=os.getpid(), other=str(other))
            command = [sys.executable, "-I", "-c", script]
            readable = [sys.prefix, sys.base_prefix]
            with SandboxedProcess(command, Limits(20.0), [], readable=readable) as child:
                done = child.finish(accept=(0, 1))
            yield Attempt("dissector process", asset, tried, "refused", "done" if done == 0 else "refused")
