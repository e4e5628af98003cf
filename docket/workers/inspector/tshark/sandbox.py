"""A program of its own: gives up every right that dissecting packets does not need, then becomes the dissector.

`child` starts it as `python -I -S sandbox.py LIMITS READABLE… -- PROGRAM ARGUMENT…`; it is not imported. It has to run
before anything else does, in one thread: hence a script, with nothing but the standard library, and no logging.

What the program loses: all sockets, signals to others, the limits, turns, keys and memory of others, the rights, times
and lengths of files, and the system calls that could give any of it back (seccomp); all but the named files, reading
included (Landlock), the network and the sight of other processes' sockets (namespaces), new privileges, writing any
file, dumping core, outliving its parent, and time, memory and threads beyond the limits. Without the filter of system
calls the program does not start; where a kernel or a unit forbids Landlock or namespaces, the others stay.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x4000_0000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls have the same numbers on every architecture (linux/landlock.h)."""

_EXECUTE, _READ_FILE, _READ_DIRECTORY = 1, 4, 8
_WRITE = 0x2 | 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x4000
"""Write, read, list, remove, make directories and files, truncate: in a directory that is given for it."""
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""All rights to files that each version of Landlock can take away; later versions have those of the fifth."""
_ALL_NETWORK, _ALL_SCOPES = 0x3, 0x3

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _DENY = 0x7FFF_0000, 0x0005_0000 | 1
"""SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with EPERM (linux/seccomp.h)."""
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
"""Instructions of the kernel's packet filter: load a word, compare and jump, return (linux/bpf_common.h)."""
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32 = 0x4000_0000
"""From here on the numbers of x86_64 are those of its second ABI, which would pass by the list."""
_ON_ITSELF = {
    # kill tgkill, prlimit64, sched_setparam sched_setscheduler sched_setaffinity sched_setattr
    "x86_64": (62, 234, 302, 142, 144, 203, 314),
    "aarch64": (129, 131, 261, 118, 119, 122, 274),
}
"""Allowed where the first argument is the program itself: limits and turns of other processes of the user could be
taken away as well as their lives."""
_FCNTL = {"x86_64": 72, "aarch64": 25}
_FCNTL_DENIED = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel would send others a signal in the program's stead."""
_DENIED = {
    "x86_64": (
        *(41, 42, 53, 49, 50),  # socket connect socketpair bind listen
        *(200, 129, 297, 101, 310, 311, 312),  # tkill rt_(tg)sigqueueinfo ptrace, process_vm_readv, _writev, kcmp
        *(76, 90, 91, 268, 92, 93, 94, 260),  # truncate, (f)chmod(at), (fl)chown(at): Landlock leaves them
        *(132, 235, 261, 280, 188, 189, 190, 197, 198, 199),  # utime and the like, (lf)setxattr, (lf)removexattr
        *(141, 251, 256, 279),  # setpriority ioprio_set migrate_pages move_pages
        *(248, 249, 250, 29, 64, 68, 240),  # add_key request_key keyctl, shmget semget msgget mq_open
        *(253, 294, 254, 300, 304),  # inotify_init(1), _add_watch, fanotify_init, open_by_handle_at
        *(272, 308, 165, 166, 155, 161, 135),  # unshare setns mount umount2 pivot_root chroot personality
        *(298, 321, 323),  # perf_event_open bpf userfaultfd
    ),
    "aarch64": (
        *(198, 203, 199, 200, 201),
        *(130, 138, 240, 117, 270, 271, 272),
        *(45, 52, 53, 54, 55),
        *(88, 5, 6, 7, 14, 15, 16),
        *(140, 30, 238, 239),
        *(217, 218, 219, 194, 190, 186, 180),
        *(26, 27, 262, 265),
        *(97, 268, 40, 39, 41, 51, 92),
        *(241, 280, 282),
    ),
}
_DENIED_EVERYWHERE = (
    *(424, 425, 426, 427, 434, 438),  # pidfd_send_signal, io_uring_setup, _enter, _register, pidfd_open, pidfd_getfd
    *(428, 429, 430, 442, 452, 463, 466, 469),  # open_tree move_mount fsopen mount_setattr, fchmodat2 setxattrat …
    *(440, 448),  # process_madvise process_mrelease
)
"""The same on every architecture."""

_WRITABLE = "+"
"""In front of the one directory that the program may write to."""

_FORBIDDEN = 126
"""The exit code of a sandbox that could not be built."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("directory", ctypes.c_int32))


def main(arguments: Sequence[str]) -> None:
    """Build the sandbox and run the program in it; does not come back."""
    limits, *rest = arguments
    split = rest.index("--")
    readable, command = rest[:split], rest[split + 1 :]
    cpu_s, memory_bytes, threads, nice, file_bytes = (int(number) for number in limits.split(","))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit(_FORBIDDEN)
    with contextlib.suppress(OSError):
        os.nice(nice)
    alone = not libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS)
    _lock_files(libc, readable)
    if not _lock_system_calls(libc):
        sys.exit(_FORBIDDEN)
    # Last, because the limits would hit the building of the sandbox too.
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_NOFILE, 64)
    # A second between them: at the first the program ends by a signal of its own, at the second by SIGKILL.
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)
    _limit(resource.RLIMIT_AS, memory_bytes)
    if alone:  # elsewhere it would count all processes of the user
        _limit(resource.RLIMIT_NPROC, threads)
    os.execv(command[0], command)


def _limit(what: int, most: int, hard: int | None = None) -> None:
    # A limit that is set lower already stays.
    with contextlib.suppress(ValueError):
        resource.setrlimit(what, (most, most if hard is None else hard))


def _lock_system_calls(libc: ctypes.CDLL) -> bool:
    """Deny sockets and signals to others. A file right does not stop `connect` to a unix socket."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return False
    filter_ = system_call_filter(machine, os.getpid())
    program = _FilterProgram(len(filter_) // 8, filter_)
    return not libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def system_call_filter(machine: str, own_pid: int) -> bytes:
    """The filter as the kernel takes it: denies with EPERM, and allows a program to signal its own threads.

    It looks at `struct seccomp_data`: number at 0, architecture at 4, first argument at 16, second at 24.
    """
    denied = (*_DENIED[machine], *_DENIED_EVERYWHERE)
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _DENY), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _DENY)]
    for number in denied:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    lines += [(_EQUAL, 0, len(_FCNTL_DENIED) + 3, _FCNTL[machine]), (_LOAD, 0, 0, 24)]
    lines += [(_EQUAL, len(_FCNTL_DENIED) - place, 0, command) for place, command in enumerate(_FCNTL_DENIED)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    for number in _ON_ITSELF[machine]:
        # Zero means the caller, or, where signals are sent, its process group, which it has for itself.
        lines += [(_EQUAL, 0, 5, number), (_LOAD, 0, 0, 16), (_EQUAL, 2, 0, own_pid), (_EQUAL, 1, 0, 0)]
        lines += [(_RETURN, 0, 0, _DENY), (_RETURN, 0, 0, _ALLOW)]
    lines += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


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
    for name in readable:
        path = name.removeprefix(_WRITABLE)
        try:
            directory = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = _READ_FILE | _EXECUTE | (_READ_DIRECTORY if os.path.isdir(path) else 0)
        if name != path:
            allowed = _WRITE
        rule = _PathRule(rights & allowed, directory)
        libc.syscall(_ADD_RULE, rules, 1, ctypes.byref(rule), 0)
        os.close(directory)
    libc.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


if __name__ == "__main__":
    main(sys.argv[1:])
