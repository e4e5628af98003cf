"""The HTTP interface, a method per route. `docket.client` wraps it for other programs, the commands use it as it is.

Every answer of the server becomes a value with types, every refusal one exception. What the inspector answers is
imported only where it is asked: numpy and cryptography come with it, a third of the time that a command takes to start.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import requests

from docket import __version__
from docket.client.login import Login
from docket.client.unix_socket import HOST, UnixAdapter, UnixResolver
from docket.config.values import UNIX, listen_address
from docket.domain.api import CheckAnswer, ErrorBody, Health, JobList, SourceList
from docket.domain.decoding import prepare
from docket.domain.job import Job
from docket.domain.source import SourceStatus
from docket.errors import ServerRefused, ServerUnreachable
from docket.spool.manifest import Manifest

if TYPE_CHECKING:
    from docket.workers.inspector.rpc_messages import PacketPage, StreamPage
    from docket.workers.inspector.tshark.summary import Summary

CONNECT_S = 5.0
READ_S = 60.0
"""A listing or a check takes milliseconds; a minute without a byte means that the server hangs."""

CHUNK_BYTES = 256 * 1024

T = TypeVar("T")


class Client:
    """A Docket server at `url`, which is the base path's address, `http://127.0.0.1:8080/app/docket/`, or its unix
    socket, `unix:/run/docket/docket.socket`."""

    def __init__(self, url: str, login: Login | None = None) -> None:
        self._login = login or Login()
        self.headers = {"User-Agent": f"docket/{__version__}"}
        """What goes with every request, also with that for the WebSocket."""
        self.resolver: UnixResolver | None = None
        """For the WebSocket, where the server is behind a unix socket."""
        if self._login.authorization is not None:
            self.headers["Authorization"] = self._login.authorization
        self._session = requests.Session()
        # Else a password of ~/.netrc would take the place of the one that was given.
        self._session.auth = _as_it_is
        if url.startswith(UNIX):
            self.url = url
            self._base = f"http://{HOST}/"
            self._use_socket(url)
        else:
            self.url = self._base = url.rstrip("/") + "/"
        self._session.headers.update(self.headers)

    def _use_socket(self, url: str) -> None:
        try:
            path = listen_address(url)
        except ValueError as error:
            raise ServerUnreachable(str(error)) from error
        assert isinstance(path, Path)
        self._session.mount(self._base, UnixAdapter(path))
        self._session.trust_env = False  # no proxy leads to a socket
        self.resolver = UnixResolver(path=path)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, so that this machine's services are its own."""
        return self.resolver is not None or urlsplit(self._base).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Whom the WebSocket trusts; None without TLS."""
        return self._login.tls() if self._base.startswith("https:") else None

    @property
    def events_url(self) -> str:
        """The address of the WebSocket."""
        parts = urlsplit(self._base)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit((scheme, parts.netloc, f"{parts.path}api/v1/events", "", ""))

    def page_url(self, job_id: str) -> str:
        """The job's page, for people; the command that shows it, where only a socket is known."""
        return f"{self.url}jobs/{job_id}" if self.resolver is None else f"docket job {job_id}"

    def ask(self, question: Mapping[str, Any]) -> tuple[Job, bool]:
        """Ask; gives the job, and whether it is new rather than an identical one that is there already."""
        response = self._call("POST", "api/v1/jobs", json=question)
        return _read(response, Job), response.status_code == 201

    def check(self, question: Mapping[str, Any]) -> CheckAnswer:
        """What a question means, or what is wrong with it; nothing is asked."""
        return _read(self._call("POST", "api/v1/query/check", json=question), CheckAnswer)

    def job(self, job_id: str) -> Job:
        return _read(self._call("GET", _job_path(job_id)), Job)

    def job_document(self, job_id: str) -> dict[str, Any]:
        """One job as the server tells it, with its events."""
        return _read(self._call("GET", _job_path(job_id)), dict[str, Any])

    def jobs(self, **filters: str | int | None) -> JobList:
        """One page of jobs, newest first."""
        return _read(self._call("GET", "api/v1/jobs", params=filters), JobList)

    def manifest(self, job_id: str) -> Manifest:
        """The evidence to a job's result."""
        return _read(self._call("GET", f"{_job_path(job_id)}/manifest"), Manifest)

    def manifest_bytes(self, job_id: str) -> bytes:
        """The same as it was signed."""
        return self._call("GET", f"{_job_path(job_id)}/manifest").content

    def signature(self, job_id: str) -> bytes:
        """Of the manifest. Raises ServerRefused where the result is not signed."""
        return self._call("GET", f"{_job_path(job_id)}/signature").content

    def packet_sources(self, job_id: str) -> bytes:
        """The source of every packet. Raises ServerRefused where there is but one."""
        return self._call("GET", f"{_job_path(job_id)}/packet-sources").content

    def signing_key(self) -> bytes:
        """The public key, PEM. Raises ServerRefused where results are not signed."""
        return self._call("GET", "api/v1/signing-key").content

    def cancel(self, job_id: str, *, keep: bool = True) -> Job:
        return _read(self._call("POST", f"{_job_path(job_id)}/cancel", json={"keep": keep}), Job)

    def retry(self, job_id: str) -> Job:
        return _read(self._call("POST", f"{_job_path(job_id)}/retry", json={}), Job)

    def packets(
        self, job_id: str, display_filter: str, offset: int, limit: int, sources: Sequence[str] = ()
    ) -> PacketPage:
        """One page of the packets of a finished job."""
        from docket.workers.inspector.rpc_messages import PacketPage

        query = {"filter": display_filter, "offset": offset, "limit": limit, "source": list(sources)}
        return _read(self._call("GET", f"{_job_path(job_id)}/packets", params=query), PacketPage)

    def summary(self, job_id: str) -> Summary:
        """What is in a finished job's packets, or what is known of it by now."""
        from docket.workers.inspector.tshark.summary import Summary

        return _read(self._call("GET", f"{_job_path(job_id)}/summary"), Summary)

    def stream(self, job_id: str, number: int, **wanted: str | int) -> StreamPage:
        """A page of what two ends of a finished job's packets sent to each other."""
        from docket.workers.inspector.rpc_messages import StreamPage

        return _read(self._call("GET", f"{_job_path(job_id)}/streams/{number}", params=wanted), StreamPage)

    def refine(self, job_id: str, order: Mapping[str, Any]) -> Job:
        """Make a job of a part of a finished one's packets."""
        return _read(self._call("POST", f"{_job_path(job_id)}/refine", json=order), Job)

    def delete(self, job_id: str) -> None:
        self._call("DELETE", _job_path(job_id))

    def sources(self) -> tuple[SourceStatus, ...]:
        return _read(self._call("GET", "api/v1/sources"), SourceList).sources

    def forget_source(self, name: str) -> None:
        """Have a source that is gone for good asked no more."""
        self._call("DELETE", f"api/v1/sources/{quote(name, safe='')}")

    def health(self) -> Health:
        """The server's word on itself, also when that is that it is not well (503)."""
        return _read(self._call("GET", "api/v1/health", also=(503,)), Health)

    def metrics(self) -> str:
        """The server's figures, in Prometheus' text."""
        return self._call("GET", "metrics").text

    def download(
        self, job_id: str, write: Callable[[bytes], object], *, follow: bool = False, kind: str = "pcap"
    ) -> str:
        """Hand the PCAP to `write`, piece by piece; gives its SHA-256. With `follow` it may still grow.

        `kind` is `pcap`, or `pcapng` for a finished job.
        """
        digest = hashlib.sha256()
        query = {"follow": "1"} if follow else {}
        response = self._call("GET", f"{_job_path(job_id)}/{kind}", params=query, stream=True)
        with response, self._translated():
            for chunk in response.iter_content(CHUNK_BYTES):
                digest.update(chunk)
                write(chunk)
        return digest.hexdigest()

    def _call(self, method: str, path: str, *, also: tuple[int, ...] = (), **more: Any) -> requests.Response:
        with self._translated():
            # A job in progress may send nothing for long while its download is followed.
            patience = (CONNECT_S, None if more.get("stream") else READ_S)
            response = self._session.request(
                method,
                self._base + path,
                timeout=patience,
                allow_redirects=False,
                verify=self._login.trusted,
                **more,
            )
            if response.status_code >= 300 and response.status_code not in also:
                raise _refusal(response)
            return response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            hint = "; name its authority with --ca FILE" if isinstance(error, requests.exceptions.SSLError) else ""
            raise ServerUnreachable(f"no answer from {self.url}: {_cause(error)}{hint}") from error


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _job_path(job_id: str) -> str:
    return f"api/v1/jobs/{quote(job_id, safe='')}"


def _read(response: requests.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ServerUnreachable(f"{response.url} does not answer as a Docket server does: {error}") from error


def _refusal(response: requests.Response) -> ServerRefused | ServerUnreachable:
    """The server's faults, or the plain status where something else than Docket answered."""
    try:
        faults = msgspec.json.decode(response.content, type=ErrorBody)
    except (msgspec.ValidationError, msgspec.DecodeError):
        if response.status_code == 401:
            return ServerUnreachable(f"{response.url} wants another user or password: --user NAME")
        return ServerUnreachable(f"{response.url} answers {response.status_code} {response.reason}; is that Docket?")
    return ServerRefused(list(faults.errors or [faults.error]), response.status_code)


def _cause(error: BaseException) -> str:
    """The innermost reason, without the libraries' wrapping."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


prepare(ErrorBody)
