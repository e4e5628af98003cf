"""Whether a network interface can be recorded right now: it is there, and it is up. For `service`."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct

_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1
_REQUEST = struct.Struct("16sH14x")
_LONGEST_NAME = 15


def why_not(interface: str) -> str:
    """What is wrong with it, for the log; empty if nothing is, or if it is none of the kernel's network interfaces."""
    name = interface.encode()
    if interface == "any" or len(name) > _LONGEST_NAME:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        try:
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, _REQUEST.pack(name, 0))
        except OSError as error:
            return "is not there" if error.errno == errno.ENODEV else ""
    _, flags = _REQUEST.unpack(answer)
    return "" if flags & _IFF_UP else "is down"
