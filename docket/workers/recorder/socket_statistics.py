"""What the kernel counts for the packet socket of another process: received packets, and those that found no room.

dumpcap reports its drops when it ends, and writes none into the files of a ring. The socket is taken over from it with
pidfd_getfd (Linux 5.6), which its parent may do; it goes on capturing. For `service`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import NamedTuple

_PIDFD_GETFD = 438
"""The same number on every architecture."""
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_LONGEST_ANSWER_BYTES = 12
_COUNTS = struct.Struct("=II")


class Counts(NamedTuple):
    """Since the last look: the kernel begins with 0 after each."""

    received: int
    """Those that were dropped not among them."""
    dropped: int


class SocketStatistics:
    """The counters of the packet socket of one process. One thread uses it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._socket: socket.socket | None = None

    def read(self) -> Counts | None:
        """None as long as the process has no such socket. Raises OSError where the kernel does not allow it."""
        if self._socket is None:
            self._socket = _packet_socket(self._pid)
        if self._socket is None:
            return None
        packets, dropped = _COUNTS.unpack_from(
            self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _LONGEST_ANSWER_BYTES)
        )
        return Counts(packets - dropped, dropped)

    def close(self) -> None:
        """Let go of the socket, which captures as long as anyone holds it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _packet_socket(pid: int) -> socket.socket | None:
    """A second handle of it. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if _is_socket(pid, name):
                found = socket.socket(fileno=_taken(process, int(name)))
                if found.family == socket.AF_PACKET:
                    return found
                found.close()
    finally:
        os.close(process)
    return None


def _is_socket(pid: int, name: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    except FileNotFoundError:
        return False  # closed meanwhile


def _taken(process: int, number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    handle: int = libc.syscall(_PIDFD_GETFD, process, number, 0)
    if handle < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return handle
