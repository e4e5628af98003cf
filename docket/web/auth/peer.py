"""Who is at the other end of a unix socket, by the word of the kernel (SO_PEERCRED, unix(7)). For `auth` alone."""

from __future__ import annotations

import functools
import os
import pwd
import socket
import struct
from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

_UCRED = struct.Struct("3i")
"""pid, uid, gid, as `struct ucred` has them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The account of a process that is connected to a unix socket."""

    uid: int
    account: str
    """Empty for an account without a name."""

    @property
    def is_mighty(self) -> bool:
        """Whether it could do everything here anyway: root, and the account that this process runs as."""
        return self.uid in (0, os.geteuid())


def unix_peer(request: HTTPServerRequest) -> Peer | None:
    """The peer of the request's connection; None where that is no unix socket."""
    context = getattr(request.connection, "context", None)
    if getattr(context, "address_family", None) != socket.AF_UNIX:
        return None
    stream = getattr(request.connection, "stream", None)
    connected = getattr(stream, "socket", None)
    if connected is None:
        return Peer(uid=-1, account="")
    _, uid, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(uid=uid, account=_account(uid))


@functools.lru_cache(maxsize=256)
def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
