"""Users come from the proxy and from nobody else; other sites' pages change nothing."""

import http.client
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from docket.config.model import WebConfig
from docket.web.auth.authenticator import Authenticator, Principal
from tests.web.docket_site import Site, running
from tests.web.sockets import Socket


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, as a proxy on the same machine speaks it."""

    def __init__(self, path: Path) -> None:
        super().__init__("sensor.example", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def ask_over_unix(path: Path, headers: dict[str, str], **question: object) -> tuple[int, dict[str, object]]:
    """Status and body of a question that comes through the unix socket."""
    body = msgspec.json.encode(question)
    with closing(UnixConnection(path)) as connection:
        # The server may refuse at the headers and close before the body has left.
        with suppress(BrokenPipeError):
            connection.request("POST", "/app/docket/api/v1/jobs", body, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Site]:
    """A Docket on a unix socket and on TCP."""
    with running(Site(tmp_path, listen=("127.0.0.1:0", f"unix:{tmp_path}/web.socket"), admins=("root",))) as site:
        yield site


@pytest.mark.usefixtures("behind")
def test_user_header_on_the_unix_socket_is_the_owner(tmp_path: Path) -> None:
    """The proxy's user owns the job, whatever owner the body names."""
    status, job = ask_over_unix(
        tmp_path / "web.socket", {"X-Remote-User": "anna"}, query="port 53", owner="somebody else"
    )
    assert (status, job["owner"]) == (201, "anna")


def test_user_is_told_to_the_page(tmp_path: Path) -> None:
    """The snapshot on the WebSocket says whom the proxy named; each gets the own name, also from a kept snapshot."""
    site = Site(tmp_path, trusted_proxies=("127.0.0.1",))
    try:
        site.start_collector()
        site.start_web()
        for user in ("anna", "bert", ""):
            with Socket(site, headers={"X-Remote-User": user} if user else None) as watcher:
                assert watcher.first["user"] == user
    finally:
        site.close()


@pytest.mark.usefixtures("behind")
def test_name_beyond_ascii_is_read_as_utf_8(tmp_path: Path) -> None:
    """What the proxy sends as UTF-8 is the name that people read."""
    header = "ævar".encode().decode("latin-1")
    _, job = ask_over_unix(tmp_path / "web.socket", {"X-Remote-User": header}, query="port 53")
    assert job["owner"] == "ævar"


@pytest.mark.usefixtures("behind")
def test_nobody_in_particular_may_name_an_owner(tmp_path: Path) -> None:
    """Where the proxy names no user the body's owner stands, and may be empty."""
    proxy = {"X-Forwarded-For": "192.0.2.9"}
    named = ask_over_unix(tmp_path / "web.socket", proxy, query="port 53", owner="ticket system")[1]
    unnamed = ask_over_unix(tmp_path / "web.socket", proxy, query="port 54")[1]
    assert (named["owner"], unnamed["owner"]) == ("ticket system", "")


@pytest.mark.usefixtures("behind")
def test_program_at_the_unix_socket_is_the_account_it_runs_as(tmp_path: Path) -> None:
    """Without a proxy the kernel's word counts, whatever owner the body names."""
    job = ask_over_unix(tmp_path / "web.socket", {}, query="port 53", owner="somebody else")[1]
    assert job["owner"] == pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Stream:
    """A connection whose other end the test chooses."""

    uid: int
    socket: "Stream" = field(init=False)

    def __post_init__(self) -> None:
        self.socket = self

    def getsockopt(self, *_: object) -> bytes:
        return struct.pack("3i", 1, self.uid, self.uid)


def principal_of(account: str, headers: dict[str, str], web: WebConfig) -> Principal:
    """Who a request through the unix socket is from, when a process of the account is connected."""
    connection = SimpleNamespace(
        context=SimpleNamespace(address_family=socket.AF_UNIX, remote_ip="0.0.0.0", protocol="http"),
        stream=Stream(pwd.getpwnam(account).pw_uid),
    )
    request = HTTPServerRequest(
        start_line=RequestStartLine("GET", "/", "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "localhost"} | headers),
        connection=cast(HTTPConnection, connection),
    )
    return Authenticator(web).principal(request)


@pytest.mark.parametrize(
    ("account", "headers", "user", "proxied"),
    [
        ("www-data", {"Forwarded": "for=192.0.2.1;remote_user=anna"}, "anna", True),
        ("www-data", {"Forwarded": "for=192.0.2.1"}, "", True),
        ("www-data", {}, "", True),
        ("root", {"Forwarded": "for=192.0.2.1;remote_user=anna"}, "anna", True),
        ("root", {"Forwarded": "for=192.0.2.1"}, "", True),
        ("root", {}, "root", True),
        ("daemon", {"Forwarded": "for=192.0.2.1;remote_user=anna"}, "", False),
        ("daemon", {"X-Remote-User": "root"}, "daemon", False),
        ("daemon", {}, "daemon", False),
    ],
)
def test_only_a_proxy_names_users_at_the_unix_socket(
    account: str, headers: dict[str, str], user: str, proxied: bool
) -> None:
    """The header of any other account is ignored; it is who the kernel says it is, with the rights of that name."""
    found = principal_of(account, headers, WebConfig(user_header="Forwarded", admins=("root", "anna")))
    assert (found.user, found.proxied, found.is_admin) == (user, proxied, user in ("root", "anna"))


def test_forged_user_header_over_tcp_is_ignored(behind: Site) -> None:
    """Anybody can send the header over TCP, so it says nothing there."""
    answer = behind.call("POST", "api/v1/jobs", json={"query": "port 53"}, headers={"X-Remote-User": "root"})
    assert (answer.status_code, answer.json()["owner"]) == (201, "")


@pytest.mark.parametrize(
    ("proxies", "owner"), [(("127.0.0.1",), "anna"), (("127.0.0.0/8",), "anna"), (("10.0.0.0/8", "::1"), "")]
)
def test_trusted_proxy_over_tcp_is_believed(tmp_path: Path, proxies: tuple[str, ...], owner: str) -> None:
    """The header counts from exactly the addresses and networks that the configuration names."""
    proxied = Site(tmp_path, trusted_proxies=proxies)
    try:
        proxied.start_collector()
        proxied.start_web()
        answer = proxied.call("POST", "api/v1/jobs", json={"query": "port 53"}, headers={"X-Remote-User": "anna"})
        assert answer.json()["owner"] == owner
    finally:
        proxied.close()


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("value", ["x" * 300, "a\u200bb".encode().decode("latin-1"), b"\xff\xfe".decode("latin-1")])
def test_user_header_that_is_no_name_is_refused(tmp_path: Path, value: str) -> None:
    """A name that is too long, unprintable or not UTF-8 is 400, not a user of that name."""
    status, body = ask_over_unix(tmp_path / "web.socket", {"X-Remote-User": value}, query="port 53")
    assert (status, body["error"]["code"]) == (400, "bad-user")  # type: ignore[index]


@pytest.mark.usefixtures("behind")
def test_two_user_headers_are_refused(tmp_path: Path) -> None:
    """A client's header that a proxy let through beside its own decides nothing."""
    connection = UnixConnection(tmp_path / "web.socket")
    connection.putrequest("GET", "/app/docket/api/v1/sources")
    connection.putheader("X-Remote-User", "root")
    connection.putheader("X-Remote-User", "anna")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, msgspec.json.decode(answer.read())["error"]["code"]) == (400, "bad-user")
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://{host}"}, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://{host}"}, 403),
        ({"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ],
)
def test_only_our_own_page_and_programs_change_anything(behind: Site, headers: dict[str, str], status: int) -> None:
    """A request that another site's page makes a browser send is 403; without an Origin it is a program's."""
    host = behind.root.removeprefix("http://")
    sent = {name: value.format(host=host) for name, value in headers.items()}
    answer = behind.call("POST", "api/v1/jobs", json={"query": "port 53"}, headers=sent)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "foreign-origin"


@pytest.mark.usefixtures("behind")
def test_proxy_may_say_under_which_host_it_serves(tmp_path: Path) -> None:
    """Behind a proxy that changes Host, X-Forwarded-Host names the page's origin."""
    headers = {"Origin": "https://docket.example", "X-Forwarded-Host": "docket.example"}
    assert ask_over_unix(tmp_path / "web.socket", headers, query="port 53")[0] == 201


def test_request_id_of_a_proxy_is_kept(behind: Site, tmp_path: Path) -> None:
    """A trusted proxy's id comes back, so that both logs can be laid side by side; a stranger's does not."""
    connection = UnixConnection(tmp_path / "web.socket")
    connection.request("GET", "/app/docket/api/v1/sources", headers={"X-Request-Id": "proxy-7"})
    trusted = connection.getresponse()
    trusted.read()
    connection.close()
    stranger = behind.call("GET", "api/v1/sources", headers={"X-Request-Id": "proxy-7"})
    assert trusted.headers["X-Request-Id"] == "proxy-7"
    assert stranger.headers["X-Request-Id"] != "proxy-7"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("attacker.example", 421),
        ("127.0.0.1.example", 421),
    ],
)
def test_name_of_another_site_does_not_reach_the_loopback(site: Site, host: str, status: int) -> None:
    """A page whose own name was resolved to 127.0.0.1 (DNS rebinding) reads no job."""
    answer = site.call("GET", "api/v1/jobs", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "foreign-host"


def test_bad_token_is_one_line_of_the_log_and_of_the_audit_trail(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a traceback nor silence: who tried what, and that it was refused."""
    with caplog.at_level("INFO", "docket"):
        answer = site.call("GET", "api/v1/jobs", headers={"Authorization": "Bearer 0123456789abcdef"})
        site.call("GET", "api/v1/health")
    assert answer.status_code == 401
    lines = [record.getMessage() for record in caplog.records if "/api/v1/jobs" in record.getMessage()]
    assert [record for record in caplog.records if record.exc_info] == []
    assert sum(" 401 in " in line for line in lines) == 1
    assert sum("bad-token" in line for line in lines) == 1
