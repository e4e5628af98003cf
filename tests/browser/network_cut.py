"""The network between a browser and the server, to be cut and mended: a TCP relay on 127.0.0.1.

It can also play the proxy that names its user.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_BLOCK_BYTES = 65_536


class Cable:
    """Relays to a port. While it is cut, connections break and new ones are refused, websockets included."""

    def __init__(self, port: int, user: str = "") -> None:
        """With a user, every request gets the header with that name."""
        self._target = port
        self._extra = f"\r\nX-Remote-User: {user}".encode() if user else b""
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = 0

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def mend(self) -> None:
        """Take connections, at the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Break what is open and refuse what comes."""
        with self._lock:
            listener, self._listener = self._listener, None
            ends, self._ends = self._ends, set()
        if listener is not None:
            # Closing alone does not wake the thread that waits in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        with near, socket.socket() as far:
            with contextlib.suppress(OSError):
                far.connect(("127.0.0.1", self._target))
                with self._lock:
                    if self._listener is None:
                        return
                    self._ends |= {near, far}
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far, self._extra)
                back.join()
            with self._lock:
                self._ends -= {near, far}


def _pump(source: socket.socket, sink: socket.socket, extra: bytes = b"") -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK_BYTES):
            # The page's requests are small: the line with the host is never torn apart.
            sink.sendall(block.replace(b"\r\nHost: ", extra + b"\r\nHost: ") if extra else block)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
