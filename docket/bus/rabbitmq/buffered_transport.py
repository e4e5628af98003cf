"""py-amqp's connection over TCP with a buffer of its own. For `bus.rabbitmq.connection`.

py-amqp takes a frame off the socket in three reads and changes the socket's time-out before and after it: some
twenty-five system calls for a small message, and at each of them a process with several threads may lose Python's lock.
Here one read takes all that has come, and several messages can be written at once. TLS goes py-amqp's own way.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from struct import Struct
from typing import Any

from amqp.exceptions import UnexpectedFrame
from amqp.transport import TCPTransport
from kombu.transport import pyamqp

_READ_BYTES, _MOST_READ_BYTES = 64 * 1024, 1024 * 1024
"""Taken at once; of a larger frame, as much as is missing of it."""

WRITE_TIMEOUT_S = 10.0
"""For one frame (128 KiB), or all that is written together. A broker that takes nothing for so long is treated as
lost."""

_HEAD = Struct(">BHI")
"""Kind, channel and size of what follows, before the byte at the end (AMQP 0-9-1, 4.2.3)."""

_END = 0xCE

Frame = tuple[int, int, bytes]


class BufferedTransport(TCPTransport):  # type: ignore[misc]
    """Frames out of large reads. The socket keeps its mode: a wait comes before the read."""

    _write: Callable[[Any], Any]

    def _setup_transport(self) -> None:
        super()._setup_transport()
        self._received = bytearray()
        self._poll = select.poll()
        self._poll.register(self.sock, select.POLLIN)

    def buffered_frame(self) -> Frame | None:
        """The next frame, if all of it is here. Raises UnexpectedFrame."""
        if not self.has_frame:
            return None
        received = self._received
        kind, channel, size = _HEAD.unpack_from(received)
        end = _HEAD.size + size
        if received[end] != _END:
            raise UnexpectedFrame(f"a frame ends in {received[end]:#04x}")
        with memoryview(received) as view:
            payload = bytes(view[_HEAD.size : end])
        del received[: end + 1]
        return kind, channel, payload

    @property
    def has_frame(self) -> bool:
        """Whether a whole frame is here, so that nothing needs to come from the broker."""
        return bool(self._received) and self._missing <= 0

    @property
    def _missing(self) -> int:
        """How many bytes are missing of the next frame, at least."""
        received = self._received
        size = _HEAD.unpack_from(received)[2] if len(received) >= _HEAD.size else 0
        return _HEAD.size + size + 1 - len(received)

    def frame(self, timeout_s: float | None) -> Frame:
        """Wait for a frame for so long at most, None: for ever. Raises TimeoutError, OSError, UnexpectedFrame."""
        while (frame := self.buffered_frame()) is None:
            try:
                wanted = min(max(self._missing, _READ_BYTES), _MOST_READ_BYTES)
                data = self.sock.recv(wanted, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._await(timeout_s)
                continue
            except OSError:
                self.connected = False
                raise
            if not data:
                self.connected = False
                raise ConnectionResetError(errno.ECONNRESET, "the broker closed the connection")
            self._received += data
        return frame

    def read_frame(self) -> Frame:
        return self.frame(None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is written in the block at its end, at once."""
        pieces: list[bytes] = []
        # The memory of a piece is used for the next one as soon as this returns.
        write, self._write = self._write, lambda piece: pieces.append(bytes(piece))
        try:
            yield
        finally:
            self._write = write
            if pieces:
                self.write(b"".join(pieces))

    @contextmanager
    def having_timeout(self, timeout: float | None) -> Iterator[socket.socket]:  # noqa: ARG002
        """The socket as it is: the kernel bounds how long a write takes, and reading waits by itself."""
        yield self.sock

    def _await(self, timeout_s: float | None) -> None:
        if (timeout_s is not None and timeout_s <= 0) or not self._poll.poll(timeout_s and timeout_s * 1000):
            raise TimeoutError("nothing came from the broker in time")


class BufferedConnection(pyamqp.Connection):  # type: ignore[misc]
    """py-amqp's connection, which reads through the buffer where there is no TLS."""

    def Transport(self, host: str, connect_timeout: float, ssl: Any = False, *timeouts: Any, **options: Any) -> Any:
        if ssl:
            return super().Transport(host, connect_timeout, ssl, *timeouts, **options)
        return BufferedTransport(host, connect_timeout, write_timeout=WRITE_TIMEOUT_S, **options)

    def blocking_read(self, timeout: float | None = None) -> Any:
        transport = self.transport
        if not isinstance(transport, BufferedTransport):
            return super().blocking_read(timeout)
        return self.on_inbound_frame(transport.frame(timeout))

    @property
    def has_frame(self) -> bool:
        """Whether something can be read without waiting for the broker."""
        transport = self.transport
        if isinstance(transport, BufferedTransport):
            return transport.has_frame
        return bool(transport.sock.pending())

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is written in the block at its end, at once."""
        transport = self.transport
        with transport.together() if isinstance(transport, BufferedTransport) else nullcontext():
            yield


class BufferedKombu(pyamqp.Transport):  # type: ignore[misc]
    """Has kombu use it: kombu takes the class of its connection from its transport."""

    Connection = BufferedConnection
