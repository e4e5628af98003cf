"""Listening sockets from the words of the configuration: `host:port`, `[v6]:port`, `unix:/path`."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from docket.config.values import listen_address
from docket.errors import ConfigError, Fault

UNIX_SOCKET_MODE = 0o660
"""The proxy's user is in the socket's group; no other program may connect and name itself a user."""

_BACKLOG = 1024


def open_sockets(urls: Iterable[str]) -> list[socket.socket]:
    """Listen on every address. Raises ConfigError with every address that cannot be listened on."""
    sockets: list[socket.socket] = []
    faults: list[Fault] = []
    for address in urls:
        try:
            sockets += _open(address)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            faults.append(Fault("cannot-listen", f"cannot listen on {address}: {reason}", "web.listen"))
    if faults:
        for opened in sockets:
            opened.close()
        raise ConfigError(faults)
    return sockets


def describe(listening: socket.socket) -> str:
    """The address of a socket as a person or a client would write it, with the port that the kernel chose."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def remove_unix_socket(listening: socket.socket) -> None:
    """Take the name of a unix socket out of the file system; anything else is left alone."""
    if listening.family == socket.AF_UNIX:
        Path(listening.getsockname()).unlink(missing_ok=True)


def _open(address: str) -> list[socket.socket]:
    where = listen_address(address)
    if isinstance(where, Path):
        return [_open_unix(where)]
    return _open_tcp(where.host, where.port)


def _open_tcp(host: str, port: int) -> list[socket.socket]:
    """One socket per address that the host has; a port of the kernel's choice is the same for all of them."""
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            opened = socket.socket(family, kind, protocol)
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setblocking(False)
            chosen = sockets[0].getsockname()[1] or port
            opened.bind((address[0], chosen, *address[2:]))
            opened.listen(_BACKLOG)
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _open_unix(path: Path) -> socket.socket:
    """A stale socket of a process that is gone is replaced; one that is served is not."""
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ValueError("a file that is not a socket is in the way")
        if _answers(path):
            raise ValueError("another process listens there")
        path.unlink()
    opened = socket.socket(socket.AF_UNIX)
    # The name must never be connectable with a wider mode, not even for a moment.
    mask = os.umask(0o777 & ~UNIX_SOCKET_MODE)
    try:
        opened.setblocking(False)
        opened.bind(str(path))
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(mask)
    return opened


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path)) == 0
