"""What a service and systemd say to each other: ready, alive, stopping (sd_notify(3)), and sockets that systemd opened
(sd_listen_fds(3)). Without systemd the words go nowhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_FIRST_DESCRIPTOR = 3


def inherited_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd opened for this process."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    sockets = [socket.socket(fileno=_FIRST_DESCRIPTOR + number) for number in range(count)]
    for one in sockets:
        one.set_inheritable(False)
        one.setblocking(False)
    return sockets


class SystemdNotifier:
    """Speaks to the service manager that started this process, if it asked for that (`Type=notify`)."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "") if watched else ""
        self.beat_s = int(usec) / 2_000_000 if usec.isdigit() and int(usec) else None
        """How often `beat` must be called: twice as often as the watchdog looks. None: there is no watchdog."""

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def beat(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(message.encode(), self._address)
