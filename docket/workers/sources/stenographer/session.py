"""HTTPS to one stenographer through requests, with reads that can be stopped. For `stenographer` only.

A session serves one thread at a time and keeps its connection. What requests lacks is added at its own seams:
a connection that checks the name in the certificate (see `server_identity`), and a response that reads from a patient
socket: one that waits as long as it must, yet looks every quarter of a second whether it should still wait.
Stenographer sends no byte of its answer before it has found packets, so this holds for the headers too.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
import time
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPSConnection

from docket.errors import SourceError
from docket.workers.sources.stenographer.body import Body
from docket.workers.sources.stenographer.interruptible_socket import LOOK_UP_S, InterruptibleSocket, Patience
from docket.workers.sources.stenographer.server_identity import check_name, client_context, explain_tls_failure
from docket.workers.sources.stenographer.tls_socket import TlsSocket

CONNECT_S = 5.0
SHORT_ANSWER_S = 10.0
"""An answer that needs no search (counters, list of files) must begin and end within this."""
LARGEST_SHORT_ANSWER_BYTES = 4_000_000
"""A list of 30,000 files, stenographer's own upper limit, takes 0.6 MB."""

_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class _Response(http.client.HTTPResponse):
    """A response that reads through a patient socket."""

    def __init__(self, sock: TlsSocket, *args: Any, patience: Patience, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(InterruptibleSocket(sock, self.fp, patience))


class _Connection(HTTPSConnection):
    """A connection that is used only after the name in the certificate was checked."""

    def __init__(self, *args: Any, patience: Patience, server_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = functools.partial(_Response, patience=patience)  # type: ignore[assignment]
        self._server_name = server_name

    def connect(self) -> None:
        super().connect()
        try:
            assert isinstance(self.sock, TlsSocket)
            check_name(self.sock.getpeercert() or {}, self._server_name)
        except ssl.SSLError:
            self.close()
            raise


class _Pool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(requests.adapters.HTTPAdapter):
    """One connection to one server, verified by the context that it is given."""

    def __init__(self, context: ssl.SSLContext, patience: Patience, server_name: str) -> None:
        self._context = context
        self._make_pool = functools.partial(_Pool, patience=patience, server_name=server_name)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, assert_hostname=False, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": self._make_pool}


class StenoSession:
    """Requests to one server, one at a time. Every failure is a SourceError with a sentence."""

    def __init__(self, url: str, cert: Path, key: Path, ca: Path, server_name: str | None) -> None:
        """Raises SourceError, `refused`, when a certificate file cannot be used."""
        self._url = url.rstrip("/")
        self._where = urlsplit(url).netloc
        self._cert, self._key, self._ca = cert, key, ca
        self._patience = Patience()
        name = server_name or urlsplit(url).hostname or ""
        # Without requests' session around it, which costs more than the request itself, would read the whole body of a
        # redirect into memory, also where it is not to be followed, and hold whatever cookies a server sets.
        self._adapter = _Adapter(client_context(cert, key, ca), self._patience, name)

    def close(self) -> None:
        self._adapter.close()

    def get(self, path: str) -> str | None:
        """A short text, or None where the server has no such path. Raises SourceError."""
        body = self._send("GET", path, stop=None, until_s=time.monotonic() + SHORT_ANSWER_S)
        try:
            if body.status == 404:
                body.read_text(LARGEST_SHORT_ANSWER_BYTES)
                return None
            self._must_be_200(body, path)
            return body.read_text(LARGEST_SHORT_ANSWER_BYTES)
        finally:
            body.leave()

    def post(self, path: str, text: str, headers: dict[str, str], stop: Event) -> Body:
        """Begin an answer; the caller reads the body and leaves it. Raises SourceError."""
        return self._good(self._send("POST", path, stop=stop, until_s=None, data=text.encode(), headers=headers), path)

    def post_if_there(self, path: str, text: str, stop: Event) -> Body | None:
        """Like `post`, or None where the server has no such path, or no such thing. Raises SourceError."""
        body = self._send("POST", path, stop=stop, until_s=None, data=text.encode(), headers={})
        if body.status != 404:
            return self._good(body, path)
        body.read_text(LARGEST_SHORT_ANSWER_BYTES)
        body.leave()
        return None

    def _good(self, body: Body, path: str) -> Body:
        try:
            self._must_be_200(body, path)
        except SourceError:
            body.leave()
            raise
        return body

    def _send(
        self,
        method: str,
        path: str,
        *,
        stop: Event | None,
        until_s: float | None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Body:
        self._patience.stop, self._patience.until_s = stop, until_s
        prepared = requests.PreparedRequest()
        prepared.prepare(method, self._url + path, headers, data=data)
        try:
            # requests would otherwise add the public CAs to the context.
            response = self._adapter.send(prepared, stream=True, timeout=(CONNECT_S, LOOK_UP_S), verify=str(self._ca))
        except requests.exceptions.RequestException as error:
            raise self._failure(error) from error
        return Body(response, self._where)

    def _failure(self, error: requests.exceptions.RequestException) -> SourceError:
        tls = _cause(error, ssl.SSLError)
        if tls is not None and not isinstance(tls, _CLOSED):
            return SourceError("refused", f"{self._where}: {explain_tls_failure(tls, self._ca, self._cert)}")
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return SourceError("unreachable", f"{self._where} did not accept a connection within {CONNECT_S:g} s")
        broke = tls is not None or _cause(error, ConnectionResetError) or _cause(error, BrokenPipeError)
        if broke or _cause(error, http.client.RemoteDisconnected):
            return self._why_closed()
        if _cause(error, http.client.HTTPException):
            return SourceError("refused", f"{self._where} gave an answer that is not HTTP")
        system = _cause(error, OSError, but_not=requests.exceptions.RequestException)
        reason = getattr(system, "strerror", None) or str(system or "the connection broke")
        return SourceError("unreachable", f"{self._where} cannot be reached: {reason}")

    def _why_closed(self) -> SourceError:
        """The server closed the connection without a word. Was it our certificate?

        In TLS 1.3 the server looks at it after we believe that all is well, and its alert may be lost when it
        closes. In TLS 1.2 the alert is part of the handshake: so try one of those, and send nothing over it.
        """
        context = client_context(self._cert, self._key, self._ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        parts = urlsplit(self._url)
        try:
            with socket.create_connection((parts.hostname, parts.port or 443), CONNECT_S) as sock:
                context.wrap_socket(sock).close()
        except ssl.SSLError as error:
            if not isinstance(error, _CLOSED) and "PROTOCOL_VERSION" not in str(error.reason):
                return SourceError("refused", f"{self._where}: {explain_tls_failure(error, self._ca, self._cert)}")
        except OSError:
            pass  # then it is as the first attempt said
        return SourceError("unreachable", f"{self._where} closed the connection before it answered")

    def _must_be_200(self, body: Body, path: str) -> None:
        if body.status == 200:
            return
        said = body.excerpt()
        sentence = f"{self._where} answered {path} with HTTP status {body.status}"
        raise SourceError("refused", f"{sentence}: {said}" if said else sentence)


def _cause(error: BaseException, kind: type[BaseException], but_not: type[BaseException] | None = None) -> Any:
    """The innermost exception of a kind among the causes, which requests and urllib3 keep in different places."""
    found: BaseException | None = None
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, kind) and not (but_not and isinstance(current, but_not)):
            found = current
        nested = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        waiting.extend(item for item in nested if isinstance(item, BaseException))
    return found
