"""A program of its own: gives up every right that dissecting packets does not need, then becomes the dissector.

`child` starts it as `python -I -S sandbox.py LIMITS READABLE… -- PROGRAM ARGUMENT…`; nobody imports it. It has to run
before anything else does, in one thread: hence a script, with nothing but the standard library, and no logging.

What the program loses: all but the named files, reading included (Landlock), the network and the sight of other
processes' sockets (namespaces), new privileges, writing any file, dumping core, outliving its parent, and time,
memory and threads beyond the limits. Where a kernel or a unit forbids one of these means, the others stay.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x4000_0000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls have the same numbers on every architecture (linux/landlock.h)."""

_EXECUTE, _READ_FILE, _READ_DIRECTORY = 1, 4, 8
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""All rights to files that each version of Landlock can take away; later versions have those of the fifth."""
_ALL_NETWORK, _ALL_SCOPES = 0x3, 0x3

_FORBIDDEN = 126
"""The exit code of a sandbox that could not be built."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("directory", ctypes.c_int32))


def main(arguments: Sequence[str]) -> None:
    """Build the sandbox and run the program in it; does not come back."""
    limits, *rest = arguments
    split = rest.index("--")
    readable, command = rest[:split], rest[split + 1 :]
    cpu_s, memory_bytes, threads, nice = (int(number) for number in limits.split(","))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit(_FORBIDDEN)
    with contextlib.suppress(OSError):
        os.nice(nice)
    alone = not libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS)
    _lock_files(libc, readable)
    # Last, because the limits would hit the building of the sandbox too.
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_AS, memory_bytes)
    if alone:  # elsewhere it would count all processes of the user
        _limit(resource.RLIMIT_NPROC, threads)
    os.execve(command[0], command, os.environ)


def _limit(what: int, most: int) -> None:
    # A limit that somebody has set lower already stays.
    with contextlib.suppress(ValueError):
        resource.setrlimit(what, (most, most))


def _lock_files(libc: ctypes.CDLL, readable: Sequence[str]) -> None:
    """Leave only the named files and directories, for reading and running. Old kernels have no Landlock."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    rights = _FILE_RIGHTS[min(version, 5)]
    ruleset = _Ruleset(rights, _ALL_NETWORK, _ALL_SCOPES)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    if rules < 0:
        return
    for path in readable:
        try:
            directory = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = _READ_FILE | _EXECUTE | (_READ_DIRECTORY if os.path.isdir(path) else 0)
        rule = _PathRule(rights & allowed, directory)
        libc.syscall(_ADD_RULE, rules, 1, ctypes.byref(rule), 0)
        os.close(directory)
    libc.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


if __name__ == "__main__":
    main(sys.argv[1:])
