"""Well-formed requests to every route, with odd values wherever a client may put one: paths, parameters, headers,
fields of bodies, forms. The requests of `http_requests` are spoiled as HTTP, and few of them get as far."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from docket.domain.request_message import RequestBody
from docket.web.app import PAGES, ROUTES
from docket.web.compat.docket1_handlers import LEGACY
from docket.web.http.route_spec import Route
from tests.fuzz.report import Report, Tracebacks, resident_bytes
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker

VALUES = (
    *("", "x", "0", "-1", "1", "9" * 19, "9" * 5_000, "1.5", "nan", "1e999", "٣", "%00", "\x00", "..", "/etc/passwd"),
    *("a" * 3_000, "𝟙", "null", "true", "[]", '{"a": 1}', "2026-11-24T14:02:00Z", "9999-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00Z", "2026-11-24T14:02:00+99:99", "15m", "9999999999d", "-5m", "port 53", "not " * 200),
    *("(" * 3_000, "host fe80::1%1", "flow tcp 1.2.3.4:5 - 6.7.8.9:10", 'frame contains "x"', "tcp.port == ", "-c1"),
    *("@/etc/passwd", "%(x)s", "%s%s%s", "{0}", "$(id)", "'", '"', "\\", "*", "completed", "-created", *SOURCES),
    *("docket:spool", "no:such", "tcp", "z" * 64, "0" * 64),
)
FIELDS = (
    *RequestBody.__struct_fields__,
    *("filter", "bpf", "sender", "address", "port", "drop_duplicates_ms", "snaplen", "sha256", "bytes", "packets"),
    *("host", "net", "proto", "vlan", "not", "flow", "any_host", "less", "case", "decode_as", "key_log", "keep"),
)
OF_LINKS = ("host", "net", "port", "proto", "proto-name", "after", "before", "after-ago", "sensor", "ignore-weight")
HEADERS = {
    "Origin": ("http://[", "null", "://", "http://a:b:c"),
    "Host": ("[", "a:b:c", "localhost:99999999", "xn--"),
    "Range": ("bytes=-1", "bytes=5-2", "bytes=0-" + "9" * 5_000, "bytes=0-0,1-1", "bytes=٣-"),
    "If-None-Match": ("*", '"', 'W/"x"'),
    "If-Modified-Since": ("x", "Mon, 01 Jan 0000 00:00:00 GMT"),
    "X-Forwarded-For": ("fe80::1%x", "x", ","),
    "X-Forwarded-Host": ("[", ","),
    "X-Remote-User": ("é", "x" * 300, " "),
    "traceparent": ("x", f"00-{'0' * 32}-{'0' * 16}-00"),
    "Authorization": ("Bearer", "bearer x", "Basic x"),
    "Content-Type": (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain",
        "application/json; charset=x",
    ),
    "Sec-Fetch-Site": ("none", "cross-site", "x"),
    "Upgrade": ("websocket",),
}
FORM = b'--x\r\nContent-Disposition: form-data; name="host"\r\n\r\n1.2.3.4\r\n--x--\r\n'
WINDOW = {"after": "2026-11-18T00:00:00Z", "before": "2026-11-19T00:00:00Z", "sources": [SOURCES[0]]}
USER = {"X-Remote-User": "a"}


class Maker:
    """Requests from a seed."""

    def __init__(self, seed: int, site: Site, job_id: str) -> None:
        self.chance = random.Random(seed)
        self.site = site
        self.ids = (job_id, job_id, job_id.upper(), job_id.replace("-", ""), "0192f0c1-0000-7000-8000-000000000001")

    def request(self) -> requests.PreparedRequest:
        chance, route = self.chance, self.chance.choice((*ROUTES, *PAGES, *LEGACY))
        operations = route.handler.operations or {"GET": None}
        method = chance.choice((*operations, *operations, "GET", "POST"))
        params = [param.name for param in getattr(operations.get(method), "params", ())]
        names = [*params, *(OF_LINKS if route in LEGACY else ()), chance.choice(FIELDS)]
        query = "&".join(f"{name}={self._quoted()}" for name in names if chance.random() < 0.3)
        odd = chance.sample(list(HEADERS), chance.choice((0, 0, 1, 2)))
        headers = USER | {name: chance.choice(HEADERS[name]) for name in odd}
        body = self._body() if method in ("POST", "PUT", "DELETE") else b""
        headers.setdefault("Content-Type", "application/json")
        made = {name: value.strip().encode() for name, value in headers.items()}
        plain = requests.Request(method, self.site.url(""), headers=made, data=body)
        prepared = self.site.session.prepare_request(plain)
        prepared.url = self.site.url(self._path(route)) + (f"?{query}" if query else "")
        return prepared

    def _path(self, route: Route) -> str:
        def part(found: re.Match[str]) -> str:
            if "id" in found[0]:
                return self.chance.choice(self.ids)
            if "path" in found[0]:
                return "/".join(self.chance.choice((*OF_LINKS, self._quoted())) or "x" for _ in range(4))
            return self._quoted() or "x"

        return re.sub(r"\{[^}]+\}", part, route.path)

    def _quoted(self) -> str:
        return quote(str(self.chance.choice((*VALUES, *self.ids)))[:1_000], safe="%")

    def _value(self, depth: int = 0) -> Any:
        kind = self.chance.randrange(12)
        if kind == 0 and depth < 3:
            return [self._value(depth + 1) for _ in range(self.chance.randrange(4))]
        if kind == 1 and depth < 3:
            return {self.chance.choice(FIELDS): self._value(depth + 1) for _ in range(self.chance.randrange(4))}
        if kind == 2:
            return self.chance.choice((None, True, 0, -1, 2**31, 2**63, 2**70, 1.5, 1e308))
        return self.chance.choice((*VALUES, *self.ids))

    def _body(self) -> bytes:
        if self.chance.random() < 0.2:
            return self.chance.choice((b"", b"null", b"[]", b'"x"', b"\xff", b"port 53", b"query=port+53", FORM))
        good = {"query": "port 53"} | WINDOW if self.chance.random() < 0.5 else {}
        odd = {self.chance.choice(FIELDS): self._value() for _ in range(self.chance.randrange(4))}
        return json.dumps(good | odd).encode()


def run(place: Path, cases: int, seed: int) -> Report:
    """Send so many to a web app with a finished job."""
    report = Report()
    with Tracebacks(report), _site(place) as (site, job_id):
        maker, before_bytes = Maker(seed, site, job_id), 0
        for number in range(cases):
            before_bytes = before_bytes or (resident_bytes() if number >= cases // 2 else 0)
            request = maker.request()
            status = _status(site, request)
            report.answers[status] += 1
            report.cases += 1
            if status.startswith("5") and status not in ("501", "503", "505"):
                sent = f"{request.url} {dict(request.headers)} {request.body!r:.300}"
                report.faults.append(f"{status} to {request.method} {sent}")
        report.served += site.call("GET", f"api/v1/jobs/{job_id}", headers=USER).status_code == 200
        report.growth_bytes = resident_bytes() - before_bytes
    return report


@contextmanager
def _site(place: Path) -> Iterator[tuple[Site, str]]:
    site = Site(place, trusted_proxies=("127.0.0.1",))
    try:
        site.start_collector()
        site.start_web()
        job_id = str(site.call("POST", "api/v1/jobs", json={"query": "port 53"} | WINDOW, headers=USER).json()["id"])
        with ScriptedWorker(site.broker, SOURCES[0]) as worker:
            worker.take().answer([(1_795_000_000_000_000, b"x" * 60)])
        path = f"api/v1/jobs/{job_id}"
        wait_until(lambda: site.call("GET", path, headers=USER).json()["state"] == "completed", "the job to end")
        yield site, job_id
    finally:
        site.close()


def _status(site: Site, request: requests.PreparedRequest) -> str:
    try:
        with site.session.send(request, timeout=30, allow_redirects=False, stream=True) as answer:
            return str(answer.status_code)
    except requests.RequestException as error:
        return type(error).__name__
