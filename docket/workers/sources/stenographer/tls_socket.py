"""TLS over a socket that is read in large pieces. For the stenographer kind only.

Stenographer sends TLS records of 4 kB, and `ssl.SSLSocket` makes two system calls for each. Here the encrypted
bytes are read from the socket up to a quarter of a megabyte at a time, and OpenSSL takes its records out of memory.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

_READ_BYTES = 256 * 1024

_LULL_S = 0.001
"""How long a reader of much data lets more of it arrive, so that it has not to be handled in small pieces."""
_LULLS = 2
"""So many in a row, in which nothing came, and it takes what there is."""
_MUCH_BYTES = 1024 * 1024
"""From here on an answer is a big one; a small one does not wait for more."""

T = TypeVar("T")


class TlsSocket(socket.socket):
    """A connected socket with TLS on it, made by `TlsContext.wrap_socket`. For one thread at a time."""

    _tls: ssl.SSLObject

    def begin(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        """Shake hands. Raises OSError, of which SSLError is one."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._encrypted = memoryview(bytearray(_READ_BYTES))
        self._poll = select.poll()
        self._poll.register(self, select.POLLIN)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._with_peer(self._tls.do_handshake)

    def getpeercert(self) -> dict[str, Any] | None:
        """The verified certificate of the other side."""
        return self._tls.getpeercert()

    def sendall(self, data: Any, flags: int = 0) -> None:  # noqa: ARG002
        """Send all of it. Raises OSError."""
        # Into memory everything fits at once.
        self._with_peer(lambda: self._tls.write(data))

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # noqa: ARG002
        """Read at least one byte; 0 at the end of the stream. Raises TimeoutError, after which nothing is lost."""
        view = memoryview(buffer)
        return self._with_peer(lambda: self._read(view))

    def fill(self, view: memoryview, received_before: int) -> int:
        """Read what has arrived, as far as it fits; waits only when nothing has. 0 at the end of the stream.

        `received_before` tells how much of the same answer was read already: with much of it there is more to come
        within the next moment, and that is let in as well.
        """
        filled = self.recv_into(view)
        size = len(view)
        read: Callable[[int, memoryview], int] = self._tls.read  # type: ignore[assignment]
        patience = lulls = _LULLS if received_before >= _MUCH_BYTES else 0
        try:
            while 0 < filled < size:
                try:
                    # One record each time, of which stenographer sends 250 for a megabyte.
                    while filled < size and (more := read(size - filled, view[filled:])):
                        filled += more
                    break
                except ssl.SSLWantReadError:
                    if self._poll.poll(0):
                        self._receive()
                        lulls = patience
                    elif lulls:
                        lulls -= 1
                        time.sleep(_LULL_S)
                    else:
                        break
        except OSError:
            pass  # it comes again at the next read, after these bytes were used
        return filled

    def _read(self, view: memoryview) -> int:
        try:
            return self._tls.read(len(view), view)  # type: ignore[return-value]
        except ssl.SSLEOFError:
            return 0  # a missing close_notify; whether the answer is whole is for its reader to say

    def _with_peer(self, action: Callable[[], T]) -> T:
        """Do something with TLS, and whatever has to be sent and received for that."""
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self._send()
                self._receive()
                continue
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._send()  # the alert that tells the other side why
                raise
            self._send()
            return result

    def _send(self) -> None:
        if self._outgoing.pending:
            super().sendall(self._outgoing.read())

    def _receive(self) -> None:
        received = super().recv_into(self._encrypted)
        if received:
            self._incoming.write(self._encrypted[:received])
        else:
            self._incoming.write_eof()


class TlsContext(ssl.SSLContext):
    """A context whose sockets are read in large pieces."""

    def wrap_socket(  # type: ignore[override]
        self, sock: socket.socket, *_args: Any, server_hostname: str | None = None, **_kwargs: Any
    ) -> TlsSocket:
        """Take the socket over and shake hands. Raises OSError."""
        timeout_s = sock.gettimeout()
        wrapped = TlsSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        wrapped.settimeout(timeout_s)
        try:
            wrapped.begin(self, server_hostname)
        except BaseException:
            wrapped.close()
            raise
        return wrapped
