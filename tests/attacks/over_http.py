"""Strangers, other users and tools over HTTP, against the finished job of a user whose jobs are his own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from docket.web.app import ROUTES
from docket.web.auth.tokens import digest
from docket.web.compat.docket1_handlers import LEGACY
from docket.web.compat.stenoread import STENOREAD
from tests.attacks.attempt import Attempt
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker

WINDOW = {"after": "2026-11-18T00:00:00Z", "before": "2026-11-19T00:00:00Z", "sources": [SOURCES[0]]}
TOKEN = "tool-0123456789abcdef"
VICTIM = {"X-Remote-User": "victim"}
ROLES: dict[str, dict[str, str]] = {
    "anonymous": {},
    "user": {"X-Remote-User": "mallory"},
    "tool token": {"Authorization": f"Bearer {TOKEN}"},
}
"""What each sends about himself."""

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
RECORDS = ("", "/manifest", "/signature", "/annotation")
BODIES = {
    "refine": {"filter": "tcp"},
    "annotation": {"note": "x"},
    "dissection": {"decode_as": []},
    "jobs": {"query": ""},
}
"""What the routes take whose bodies are looked at before the job is; by the end of the path."""


def of_a_job() -> dict[str, str]:
    """Every method of every route about one job, and the asset."""
    found: dict[str, str] = {}
    for route in (*ROUTES, *LEGACY):
        path = route.path.replace("{number}", "1")
        if "{id}" in path:
            asset = "record" if path.removeprefix("api/v1/jobs/{id}") in RECORDS else "packets"
            found |= {f"{method} {path}": "job" if method in CHANGING else asset for method in route.handler.operations}
    return found | {"GET api/v1/jobs/{id}/pcap?follow=1": "packets", "GET api/v1/jobs/{id}/pcapng?follow=1": "packets"}


def changing() -> list[tuple[str, str]]:
    """Every method that changes something, with its path."""
    return [
        (method, re.sub(r"\{(?:path:)?path\}|\{\w+:path\}", "host/10.0.0.1/", route.path).replace("{name}", SOURCES[0]))
        for route in (*ROUTES, *LEGACY, *STENOREAD)
        for method in route.handler.operations
        if method in CHANGING
    ]


LISTS = {
    "GET api/v1/jobs": "record",
    "GET api/v1/jobs?owner=victim": "record",
    "GET api/v1/jobs?text=port": "record",
    "GET api/ids": "record",
    "GET api/urls": "record",
    "GET api/status": "record",
    "GET api/jobs": "record",
    "GET api/ids/{id}": "record",
    "GET api/status/{id}": "record",
}

ODD: tuple[tuple[str, str, str, dict[str, str], str], ...] = (
    ("anonymous", "identity", "a token that nobody has", {"Authorization": "Bearer wrong-0123456789abcdef"}, "401"),
    ("anonymous", "identity", "a user's name of 10,000 characters", {"X-Remote-User": "x" * 10_000}, "400"),
    ("anonymous", "identity", "a user's name with a control character", {"X-Remote-User": "a\tb\x01"}, "400"),
    ("anonymous", "identity", "another spelling of the user header", {"X_Remote_User": "victim"}, "404"),
    ("anonymous", "identity", "the user in X-Forwarded-User", {"X-Forwarded-User": "victim"}, "404"),
    ("anonymous", "identity", "the user in Forwarded", {"Forwarded": "for=1;remote_user=victim"}, "404"),
    ("anonymous", "identity", "HTTP Basic with the user's name", {"Authorization": "Basic dmljdGltOng="}, "404"),
    ("tool token", "identity", "a token and the user's name at once", ROLES["tool token"] | VICTIM, "404"),
    ("tool token", "identity", "the token in another scheme", {"Authorization": f"Token {TOKEN}"}, "404"),
    ("user", "packets", "a range of the result", ROLES["user"] | {"Range": "bytes=0-23"}, "404"),
    ("user", "packets", "the result's ETag, guessed", ROLES["user"] | {"If-None-Match": "*"}, "404"),
)
"""Headers on `GET …/pcap`."""

FOREIGN: tuple[tuple[str, str, str, dict[str, str], str], ...] = (
    ("POST", "api/v1/jobs", "ask, marked as cross-site", {"Sec-Fetch-Site": "cross-site"}, "403"),
    ("GET", "api/v1/events", "listen from a page of another site", {"Origin": "https://evil.example"}, "403"),
    (
        "GET",
        "api/uri/host/10.0.0.1/",
        "ask by an image of another site",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        "403",
    ),
    (
        "GET",
        "api/uri/host/10.0.0.1/",
        "ask by an image, in a browser without Sec-Fetch",
        {"User-Agent": "Mozilla/5.0 (Macintosh)", "Accept": "image/png,image/svg+xml,*/*;q=0.8"},
        "403",
    ),
    (
        "GET",
        "api/uri/host/10.0.0.1/",
        "ask by a script, in a browser without Sec-Fetch",
        {"User-Agent": "Mozilla/5.0 (Macintosh)", "Accept": "*/*"},
        "403",
    ),
    (
        "GET",
        "api/uri/host/10.0.0.1/",
        "ask by a frame of another site",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        "403",
    ),
)
"""What the victim's own browser is made to send."""

PATHS = (
    "static/../app.py",
    "static/%2e%2e/app.py",
    "static/..%2f..%2fapp.py",
    "static//etc/passwd",
    "results/..%2f..%2fledger.sqlite3/merged.pcap",
    "api/v1/jobs/..%2f..%2fledger.sqlite3/pcap",
    "api/v1/jobs/%00/pcap",
    "api/v1/sources/..",
    "spool/ledger.sqlite3",
    ".git/config",
)


def attempts(place: Path) -> Iterator[Attempt]:
    """Every one, carried out against a web app and a collector of this process."""
    tokens = place / "tokens"
    tokens.write_text(f"tool {digest(TOKEN)}\n")
    site = Site(place, own_jobs_only=True, trusted_proxies=("127.0.0.1",), tokens=tokens, admins=("root",))
    try:
        site.start_collector()
        site.start_web()
        job_id = _finished(site)
        for role, headers in ROLES.items():
            yield from _on_a_job(site, job_id, role, headers)
        yield from _odd(site, job_id)
        yield from _without_a_name(site)
        state = site.call("GET", f"api/v1/jobs/{job_id}", headers=VICTIM).json()["state"]
        yield Attempt("all of them", "result", "the victim's job afterwards", "completed", state)
    finally:
        site.close()


def _finished(site: Site) -> str:
    """A job of the victim, with a packet."""
    asked = site.call("POST", "api/v1/jobs", json={"query": "port 53"} | WINDOW, headers=VICTIM)
    job_id = str(asked.json()["id"])
    with ScriptedWorker(site.broker, SOURCES[0]) as worker:
        worker.take().answer([(1_795_000_000_000_000, b"x" * 60)])
    path = f"api/v1/jobs/{job_id}"
    wait_until(lambda: site.call("GET", path, headers=VICTIM).json()["state"] == "completed", "the job to end")
    return job_id


def _on_a_job(site: Site, job_id: str, role: str, headers: dict[str, str]) -> Iterator[Attempt]:
    for what, asset in of_a_job().items():
        method, path = what.split()
        more = {"json": BODIES.get(path.rpartition("/")[2], {})} if method in CHANGING else {}
        answer = site.call(method, path.format(id=job_id), headers=headers, **more)
        yield Attempt(role, asset, what, "404", str(answer.status_code))
    for what, asset in LISTS.items():
        method, path = what.split()
        answer = site.call(method, path.format(id=job_id), headers=headers)
        shown = "shown" if job_id in answer.text else "not shown"
        yield Attempt(role, asset, what, "not shown", shown)


def _odd(site: Site, job_id: str) -> Iterator[Attempt]:
    for role, asset, tried, headers, expected in ODD:
        answer = site.call("GET", f"api/v1/jobs/{job_id}/pcap", headers=headers)
        yield Attempt(role, asset, tried, expected, str(answer.status_code))
    for method, path, tried, headers, expected in FOREIGN:
        socket = {"Upgrade": "websocket", "Connection": "Upgrade"} if path.endswith("events") else {}
        answer = site.call(method, path.format(id=job_id), headers=VICTIM | headers | socket, json={"query": "port 1"})
        yield Attempt("another site's page", "running job", tried, expected, str(answer.status_code))
    for origin in ("https://evil.example", "null", "http://["):
        for method, path in changing():
            body = BODIES.get(path.rpartition("/")[2], {})
            answer = site.call(method, path.format(id=job_id), headers=VICTIM | {"Origin": origin}, json=body)
            tried = f"{method} {path}, Origin {origin}"
            yield Attempt("another site's page", "job", tried, "403", str(answer.status_code))
    for path in PATHS:
        answer = site.session.send(_raw(site, path), timeout=20, allow_redirects=False)
        leaked = re.search(rb"root:|SQLite format|import ", answer.content) is not None
        happened = (
            "leaked" if leaked else "refused" if answer.status_code in (400, 404, 405) else str(answer.status_code)
        )
        yield Attempt("user", "files of the machine", f"GET {path}", "refused", happened)
    same = site.call("POST", "api/v1/jobs", json={"query": "port 53"} | WINDOW, headers=ROLES["user"])
    other = "a job of his own" if msgspec.json.decode(same.content)["id"] != job_id else "the victim's job"
    yield Attempt("user", "packets", "ask the identical question", "a job of his own", other)
    taken = {"id": job_id, "query": "port 53"} | WINDOW
    answer = site.call("POST", "api/v1/jobs", json=taken, headers=ROLES["user"])
    yield Attempt("user", "record", "ask with the id of the victim's job", "409", str(answer.status_code))
    answer = site.call("POST", "api/v1/jobs", json={"query": "", "parent": job_id}, headers=ROLES["user"])
    yield Attempt("user", "packets", "refine the victim's result by its id", "404", str(answer.status_code))
    owned = site.call(
        "POST", "api/v1/jobs", json={"query": "port 7", "owner": "victim"} | WINDOW, headers=ROLES["user"]
    )
    yield Attempt("user", "identity", "ask in the victim's name", "mallory", owned.json()["owner"])


def _without_a_name(site: Site) -> Iterator[Attempt]:
    answer = site.call("POST", "api/v1/jobs", json={"query": "port 53"} | WINDOW)
    yield Attempt("anonymous", "sources", "ask", "403", str(answer.status_code))
    answer = site.call("DELETE", f"api/v1/sources/{SOURCES[0]}")
    yield Attempt("anonymous", "sources", "forget a source", "403", str(answer.status_code))
    answer = site.call("DELETE", f"api/v1/sources/{SOURCES[0]}", headers=ROLES["user"])
    yield Attempt("user", "sources", "forget a source", "403", str(answer.status_code))


def _raw(site: Site, path: str) -> Any:
    """A request whose path nobody tidies."""
    import requests

    prepared = site.session.prepare_request(requests.Request("GET", site.url(""), headers=ROLES["user"]))
    prepared.url = site.url(path)
    return prepared
