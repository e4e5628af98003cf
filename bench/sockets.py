"""WebSockets of many analysts, in one thread that counts what comes and notes delays."""

import itertools
import re
import selectors
import socket
import threading
import time
from datetime import datetime
from urllib.parse import urlsplit

PONG_S = 5.0
_PONG = b"\x8a\x80" + bytes(4)
"""Masked and empty. Sent unasked, so that nothing that comes has to be taken apart to find the pings."""
_EVENT = re.compile(rb'"event":"(job\.\w+)","at":"([^"]+)"')
_MOST_EVENTS = 50


class Sockets:
    """So many listeners of the events of a web app."""

    def __init__(self, url: str, count: int) -> None:
        self.received_bytes = 0
        self.delays_s: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        for _ in range(count):
            self._selector.register(_opened(url), selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def open(self) -> int:
        """How many the web app has not closed."""
        return len(self._selector.get_map())

    def _sockets(self) -> list[socket.socket]:
        return [key.fileobj for key in self._selector.get_map().values() if isinstance(key.fileobj, socket.socket)]

    def _listen(self) -> None:
        next_pong_s = time.monotonic() + PONG_S
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.2):
                assert isinstance(key.fileobj, socket.socket)
                self._receive(key.fileobj)
            if time.monotonic() >= next_pong_s:
                next_pong_s = time.monotonic() + PONG_S
                for sock in self._sockets():
                    sock.send(_PONG)

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(sock)
            sock.close()
        self.received_bytes += len(data)
        now_s = time.time()
        for event in itertools.islice(_EVENT.finditer(data), _MOST_EVENTS):
            if event[1] != b"job.progress":
                self.delays_s.append(now_s - datetime.fromisoformat(event[2].decode()).timestamp())

    def close(self) -> int:
        """Leave; how many were still open."""
        self._stop.set()
        self._thread.join()
        left = self._sockets()
        for sock in left:
            sock.close()
        self._selector.close()
        return len(left)


def _opened(url: str) -> socket.socket:
    address = urlsplit(url)
    sock = socket.create_connection((address.hostname or "", address.port or 80), timeout=30.0)
    head = (
        f"GET {address.path}api/v1/events HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    sock.sendall(head.encode())
    sock.setblocking(False)
    return sock
