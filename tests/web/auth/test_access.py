"""Who may see and change a job is one rule for every door: lists, jobs, downloads, sockets, the old interface."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docket.bus.messages import AuditMessage
from docket.config.model import WebConfig
from docket.domain.job import Job
from docket.web.auth.access import Access
from docket.web.auth.authenticator import Principal
from tests.services.waiting import wait_until
from tests.web.auth.test_authenticator import UnixConnection
from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker

PACKET = [(1_795_000_000_000_000, b"x" * 60)]


class Door:
    """The unix socket of a site, for one user."""

    def __init__(self, path: Path, user: str) -> None:
        self._path, self._user = path, user

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded body (bytes where it is no JSON)."""
        connection = UnixConnection(self._path)
        # A proxy that has asked no one for a name still says for whom it speaks.
        headers = {"X-Remote-User": self._user} if self._user else {"X-Forwarded-For": "192.0.2.9"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else msgspec.json.encode(body)
        connection.request(method, f"/app/docket/{path}", content, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.headers.get_content_type() == "application/json":
            return answer.status, msgspec.json.decode(data)
        return answer.status, data

    def ask(self, **question: object) -> str:
        status, job = self.call("POST", "api/v1/jobs", question)
        assert status in (200, 201), job
        return str(job["id"])


def site_with(folder: Path, **web: Any) -> Site:
    return Site(folder, listen=("127.0.0.1:0", f"unix:{folder}/web.socket"), admins=("root",), **web)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Site]:
    """A Docket where jobs are for their owners."""
    with running(site_with(tmp_path, own_jobs_only=True)) as site:
        yield site


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Site]:
    """A Docket where everybody sees everything."""
    with running(site_with(tmp_path)) as site:
        yield site


def finished(site: Site, door: Door, **question: object) -> str:
    """A job of the door's user, answered in full."""
    job_id = door.ask(sources=[SOURCES[0]], **question)
    with ScriptedWorker(site.broker, SOURCES[0]) as worker:
        worker.take().answer(PACKET)
    wait_until(lambda: Door(door._path, "root").call("GET", f"api/v1/jobs/{job_id}")[1]["state"] == "completed", "it")
    return job_id


WINDOW = {"after": "2026-11-18T00:00:00Z", "before": "2026-11-19T00:00:00Z"}


def test_hidden_job_does_not_exist(private: Site, tmp_path: Path) -> None:
    """With own_jobs_only somebody else's job is nowhere: not in lists, at its address, in downloads, in the old
    interface; it cannot be changed; and an identical question is a job of one's own."""
    anna, ben, root = (Door(tmp_path / "web.socket", user) for user in ("anna", "ben", "root"))
    job_id = finished(private, anna, query="port 53", **WINDOW)
    for path in (f"api/v1/jobs/{job_id}", f"api/v1/jobs/{job_id}/pcap", f"results/{job_id}/merged.pcap"):
        assert ben.call("GET", path)[0] == 404
        assert anna.call("GET", path)[0] == 200
        assert root.call("GET", path)[0] == 200
    for method, path in (("DELETE", f"api/v1/jobs/{job_id}"), ("POST", f"api/v1/jobs/{job_id}/retry")):
        assert ben.call(method, path)[0] == 404
    for name, nothing in (("ids", []), ("urls", {}), ("status", {}), ("jobs", [])):
        assert ben.call("GET", f"api/{name}/{job_id}")[1] == nothing
        assert ben.call("GET", f"api/{name}/")[1] == nothing
    assert ben.call("GET", "api/v1/jobs")[1]["total"] == 0
    assert ben.call("GET", "api/v1/jobs?owner=anna")[1]["total"] == 0
    assert anna.call("GET", "api/v1/jobs")[1]["total"] == 1
    assert root.call("GET", "api/v1/jobs?owner=anna")[1]["total"] == 1
    assert ben.ask(query="port 53", sources=[SOURCES[0]], **WINDOW) != job_id
    assert anna.ask(query="port 53", sources=[SOURCES[0]], **WINDOW) == job_id
    status, refused = ben.call("POST", "api/v1/jobs", {"id": job_id, "query": "port 53", **WINDOW})
    assert (status, refused["error"]["code"]) == (409, "id-taken")


def test_nobody_in_particular_cannot_ask_for_owners_only(private: Site, tmp_path: Path) -> None:
    """Without a name there is no owner, so nothing is asked and nothing is seen."""
    nobody = Door(tmp_path / "web.socket", "")
    status, refused = nobody.call("POST", "api/v1/jobs", {"query": "port 53"})
    assert (status, refused["error"]["code"]) == (403, "no-user")
    assert private.call("POST", "api/v1/jobs", json={"query": "port 53"}).status_code == 403
    assert nobody.call("GET", "api/v1/jobs")[1]["total"] == 0
    assert private.call("GET", "api/ids/").json() == []


@pytest.mark.usefixtures("private")
def test_socket_tells_of_own_jobs_alone(tmp_path: Path) -> None:
    """The snapshot and the events on the WebSocket follow the same rule."""
    anna, ben = (Door(tmp_path / "web.socket", user) for user in ("anna", "ben"))
    hidden = anna.ask(query="port 53")
    own = ben.ask(query="port 54")
    wait_until(lambda: ben.call("GET", "api/v1/jobs")[1]["total"] == 1, "the job in the ledger")
    later = anna.ask(query="port 55")
    last = ben.ask(query="port 56")
    for since in ("", "?since=0"):
        heard = asyncio.run(messages(tmp_path / "web.socket", "ben", f"api/v1/events{since}", last))
        assert own.encode() in heard
        assert hidden.encode() not in heard
        assert later.encode() not in heard


async def messages(path: Path, user: str, address: str, until: str) -> bytes:
    """What a socket hears until a job is told of, as raw frames."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(
        f"GET /app/docket/{address} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"X-Remote-User: {user}\r\n\r\n".encode()
    )
    heard = b""
    while until.encode() not in heard:
        heard += await asyncio.wait_for(reader.read(65536), 10)
    writer.close()
    await writer.wait_closed()
    return heard


def test_shared_jobs_are_seen_by_all_and_changed_by_owners(shared: Site, tmp_path: Path) -> None:
    """By default everybody sees and downloads; cancelling is for the owner and the admins."""
    anna, ben, root = (Door(tmp_path / "web.socket", user) for user in ("anna", "ben", "root"))
    job_id = anna.ask(query="port 53")
    assert ben.call("GET", f"api/v1/jobs/{job_id}")[0] == 200
    for action in ("cancel", "retry"):
        status, refused = ben.call("POST", f"api/v1/jobs/{job_id}/{action}")
        assert (status, refused["error"]["code"]) == (403, "not-owner")
    wait_until(lambda: root.call("GET", "api/v1/jobs")[1]["total"] == 1, "the job in the ledger")
    assert root.call("POST", f"api/v1/jobs/{job_id}/cancel")[0] == 200
    unowned = Door(tmp_path / "web.socket", "").ask(query="port 54")
    wait_until(lambda: root.call("GET", "api/v1/jobs")[1]["total"] == 2, "the job in the ledger")
    assert ben.call("POST", f"api/v1/jobs/{unowned}/cancel")[0] == 200
    assert shared.call("POST", f"api/v1/jobs/{job_id}/retry").status_code == 403


def test_everything_is_in_the_audit_trail(shared: Site, tmp_path: Path) -> None:
    """Asking, downloading, being refused and deleting are `audit.*` on the bus, with user, job and request."""
    heard: list[AuditMessage] = []
    link = shared.link()

    async def listen() -> None:
        link.listen(["audit.#"], lambda _, body: heard.append(msgspec.json.decode(body, type=AuditMessage)))
        await link.start()
        await asyncio.to_thread(act)
        await asyncio.to_thread(wait_until, lambda: len(heard) >= 4, "four entries")
        await link.stop()

    anna, ben = (Door(tmp_path / "web.socket", user) for user in ("anna", "ben"))
    ids: list[str] = []

    def act() -> None:
        ids.append(finished(shared, anna, query="port 53", **WINDOW))
        assert ben.call("GET", f"api/v1/jobs/{ids[0]}/pcap")[0] == 200
        assert ben.call("DELETE", f"api/v1/jobs/{ids[0]}")[0] == 403
        assert anna.call("DELETE", f"api/v1/jobs/{ids[0]}")[0] in (200, 202)

    asyncio.run(listen())
    told = [(message.event, message.user, message.job_id) for message in heard]
    assert told == [
        ("audit.asked", "anna", ids[0]),
        ("audit.downloaded", "ben", ids[0]),
        ("audit.refused", "ben", ids[0]),
        ("audit.deleted", "anna", ids[0]),
    ]
    assert all(message.address == "unix" and message.request for message in heard)


def principal(user: str, *, proxied: bool = True, is_admin: bool = False) -> Principal:
    return Principal(user=user, address="192.0.2.1", proxied=proxied, is_admin=is_admin)


TCP = ("127.0.0.1:8080",)
UNIX = ("unix:/run/docket/docket.socket",)


@pytest.mark.parametrize(
    ("web", "who", "owner", "sees", "changes"),
    [
        (WebConfig(listen=TCP), principal("", proxied=False), "anna", True, True),
        (WebConfig(listen=UNIX), principal(""), "anna", True, False),
        (WebConfig(listen=(*TCP, *UNIX)), principal("", proxied=False), "anna", True, False),
        (WebConfig(listen=UNIX), principal(""), "", True, True),
        (WebConfig(listen=UNIX), principal("ben"), "anna", True, False),
        (WebConfig(listen=UNIX), principal("anna"), "anna", True, True),
        (WebConfig(listen=UNIX), principal("root", is_admin=True), "anna", True, True),
        (WebConfig(listen=UNIX, own_jobs_only=True), principal("ben"), "anna", False, False),
        (WebConfig(listen=UNIX, own_jobs_only=True), principal("ben"), "", False, False),
        (WebConfig(listen=UNIX, own_jobs_only=True), principal(""), "", False, False),
        (WebConfig(listen=UNIX, own_jobs_only=True), principal("anna"), "anna", True, True),
        (WebConfig(listen=UNIX, own_jobs_only=True), principal("root", is_admin=True), "anna", True, True),
    ],
)
def test_rules(web: WebConfig, who: Principal, owner: str, sees: bool, changes: bool) -> None:
    """The whole table of `docs/security.md`."""
    job = msgspec.convert(
        dict.fromkeys(("id", "query", "asked", "explanation", "after", "before", "note", "created_at", "deadline"), "")
        | {"state": "completed", "owner": owner},
        Job,
    )
    # The rules need no job service; looking jobs up does.
    access = Access(web, None)  # type: ignore[arg-type]
    assert (access.may_see(who, job), access.may_change(who, job)) == (sees, changes)
