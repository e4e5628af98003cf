"""Where lines of EVE come from: a file that is rotated or truncated, a unix socket, a list in Redis, the bus."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from docket.bus.interface import Broker, Consumer, Delivery
from docket.bus.permissions import ALERTS
from docket.bus.topology import ALERT_KEY, ALERTS_QUEUE, JOBS, Binding, service_queue
from docket.errors import BusError
from docket.workers.alerts.eve import LONGEST_LINE_BYTES

MOST_LINES = 1000
"""Taken at once, so that what was done is noted often."""
MOST_BYTES = 32 * 1024 * 1024
"""Of the lines that are taken at once."""
MOST_CONNECTIONS = 32
"""At a unix socket. Suricata has one; another one takes the place of the oldest."""
LONGEST_HEAD_BYTES = 1_000
LARGEST_REDIS_BYTES = 512 * 1024 * 1024
"""What Redis keeps under a key at most."""
CONNECT_S = 5.0
BUS = "bus:"
BUS_PREFETCH = 200
BUS_WAIT_S = 0.01


class AlertInput(Protocol):
    """What is the same for all of them."""

    def lines(self) -> list[bytes]:
        """What there is now, a bounded number; does not wait. Raises OSError."""

    def position(self) -> list[int]:
        """Where to go on after a restart; empty where that is not up to us."""

    def settle(self) -> None:
        """What `lines` gave last is done with, and noted."""

    def close(self) -> None: ...


class EveFile:
    """A file that grows. Another file under its name is read from its beginning, the old one to its end first."""

    def __init__(self, path: Path, position: list[int]) -> None:
        self._path = path
        self._inode, self._offset = position if len(position) == 2 else (0, 0)
        self._file = None if not self._inode else self._reopened()

    def _reopened(self) -> int | None:
        """The file as it was left, if it is still there under its name, or under another one beside it."""
        with contextlib.suppress(OSError):
            for entry in (self._path, *sorted(self._path.parent.glob(f"{self._path.name}*"))):
                if entry.stat().st_ino == self._inode:
                    return os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = 0
        return None

    def lines(self) -> list[bytes]:
        if self._file is None:
            self._open()
        found = self._read()
        # Only once the old file has no more lines is the new one taken up.
        if not found and self._is_replaced():
            self.close()
            self._open()
            found = self._read()
        return found

    def _open(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            inode = os.fstat(self._file).st_ino
            if inode != self._inode:
                self._inode, self._offset = inode, 0

    def _is_replaced(self) -> bool:
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return False

    def _read(self) -> list[bytes]:
        if self._file is None:
            return []
        if os.fstat(self._file).st_size < self._offset:
            self._offset = 0  # truncated: logrotate's copytruncate
        block = os.pread(self._file, 4 << 20, self._offset)
        whole = block[: block.rfind(b"\n") + 1].splitlines(keepends=True)[:MOST_LINES]
        if not whole and len(block) == 4 << 20:
            whole = [block]  # no line has so many bytes; what follows is judged by itself
        self._offset += sum(map(len, whole))
        return whole

    def position(self) -> list[int]:
        return [self._inode, self._offset]

    def settle(self) -> None:
        """The position says it."""

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None


class EveSocket:
    """A unix socket on which Suricata connects to us: `filetype: unix_stream`."""

    def __init__(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        path.chmod(0o660)
        self._listening.listen(8)
        self._listening.setblocking(False)
        self._open: dict[socket.socket, bytes] = {}

    def lines(self) -> list[bytes]:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listening.accept()
            connection.setblocking(False)
            self._open[connection] = b""
            if len(self._open) > MOST_CONNECTIONS:
                self._leave(next(iter(self._open)))
        return [line for connection in tuple(self._open) for line in self._of(connection)]

    def _of(self, connection: socket.socket) -> list[bytes]:
        try:
            block = connection.recv(1 << 20)
        except BlockingIOError:
            return []
        except OSError:
            block = b""
        if not block:
            self._leave(connection)
            return []
        *whole, rest = (self._open[connection] + block).split(b"\n")
        self._open[connection] = rest[: 1 << 20]
        return whole

    def _leave(self, connection: socket.socket) -> None:
        del self._open[connection]
        connection.close()

    def position(self) -> list[int]:
        return []

    def settle(self) -> None:
        """What was taken is gone from it."""

    def close(self) -> None:
        for one in (*self._open, self._listening):
            one.close()


class EveRedis:
    """A list into which Suricata pushes (`mode: list`). What is taken is gone from it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._password = unquote(parts.password or "")
        self._key = parts.path.strip("/") or "suricata"
        self._connection: socket.socket | None = None
        self._taken_bytes = 0

    def lines(self) -> list[bytes]:
        try:
            if self._connection is None:
                self._connection = socket.create_connection(self._address, CONNECT_S)
                self._answers = self._connection.makefile("rb")
                if self._password:
                    self._call(b"AUTH", self._password.encode())
            self._taken_bytes = 0
            # LPUSH is Suricata's default, so the oldest lies at the right; a count needs Redis 6.2.
            return self._call(b"RPOP", self._key.encode(), str(MOST_LINES).encode())
        except OSError:
            self.close()
            raise
        except (ValueError, RecursionError, OverflowError) as error:
            self.close()
            raise OSError("what answers there is no Redis") from error

    def _call(self, *words: bytes) -> list[bytes]:
        assert self._connection is not None
        command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self._connection.sendall(command)
        return self._answer()

    def _answer(self, *, of_list: bool = False) -> list[bytes]:
        """One reply of RESP 2, or one line of its list. Raises OSError for an error and where the connection ends."""
        head = self._answers.readline(LONGEST_HEAD_BYTES).rstrip(b"\r\n")
        kind, rest = head[:1], head[1:]
        if kind == b"*" and not of_list:
            return [line for _ in range(_number(rest, MOST_LINES)) for line in self._answer(of_list=True)]
        if kind == b"$":
            return [] if rest == b"-1" else [self._line(_number(rest, LARGEST_REDIS_BYTES) + 2)[:-2]]
        if kind in (b"+", b":"):
            return [rest]
        raise OSError(f"Redis says {rest.decode(errors='replace')[:100] or 'nothing'}")

    def _line(self, size_bytes: int) -> bytes:
        """One of the list; of one that is no line of Suricata's, or has no room any more, only the beginning."""
        kept = min(size_bytes, LONGEST_LINE_BYTES + 3, max(MOST_BYTES - self._taken_bytes, 3))
        self._taken_bytes += kept
        line = self._answers.read(kept)
        missing = size_bytes - len(line)
        while missing > 0 and (passed := self._answers.read(min(missing, LONGEST_LINE_BYTES))):
            missing -= len(passed)
        if missing:
            raise OSError("Redis broke off")
        return line

    def position(self) -> list[int]:
        return []

    def settle(self) -> None:
        """What was taken is gone from it."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _number(text: bytes, most: int) -> int:
    """Raises ValueError."""
    number = int(text)
    if number < 0 or number > most:
        raise ValueError(f"{number} is no length")
    return number


class EveBus:
    """The queue `docket.alerts`: lines of EVE that a tool published with the routing key `alert`."""

    def __init__(self, receiver: Consumer) -> None:
        self._receiver = receiver
        self._in_hand: list[Delivery] = []

    def lines(self) -> list[bytes]:
        size_bytes = 0
        while len(self._in_hand) < BUS_PREFETCH and size_bytes < MOST_BYTES:
            delivery = self._receiver.receive(BUS_WAIT_S)
            if delivery is None:
                break
            self._in_hand.append(delivery)
            size_bytes += len(delivery.body)
        return [bytes(delivery.body) for delivery in self._in_hand]

    def position(self) -> list[int]:
        return []

    def settle(self) -> None:
        for delivery in self._in_hand:
            delivery.ack()
        self._in_hand.clear()

    def close(self) -> None:
        self._receiver.close()


def open_bus(broker: Broker) -> EveBus:
    """Declare the queue and read it. Raises OSError while the broker is away."""
    try:
        broker.declare_queue(service_queue(ALERTS_QUEUE), [Binding(JOBS, ALERTS_QUEUE, ALERT_KEY)], ALERTS)
    except BusError as error:
        raise OSError(str(error)) from error
    return EveBus(broker.receiver("alerts", [ALERTS_QUEUE], prefetch=BUS_PREFETCH))


def open_input(name: str, position: list[int], broker: Broker) -> AlertInput:
    """Raises OSError."""
    if name == BUS:
        return open_bus(broker)
    if name.startswith("unix:"):
        return EveSocket(Path(name.removeprefix("unix:")))
    return EveRedis(name) if name.startswith("redis:") else EveFile(Path(name), position)
