"""HTTP and WebSocket through a unix socket, for `docket.client.http_client` and `docket.client.follow` alone.

Neither requests nor Tornado knows such addresses; each has a place where a connection of another kind can be put.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from tornado.netutil import Resolver
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

HOST = "localhost"
"""What stands in addresses and in `Host`; it leads nowhere."""


class UnixAdapter(HTTPAdapter):
    """Sends every request of a session through one socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pool = _Pool(HOST, socket_path=str(path))

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class UnixResolver(Resolver):
    """Finds every host behind one socket."""

    def initialize(self, path: Path) -> None:
        self._path = path

    async def resolve(self, *_: Any, **__: Any) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, str(self._path))]


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, socket_path: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self._socket_path = socket_path

    def _new_conn(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX)
        try:
            opened.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
            opened.connect(self._socket_path)
        except OSError:
            opened.close()
            raise
        return opened


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
