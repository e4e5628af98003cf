"""Every error has the one shape, on every route, and nothing that is sent takes the service down."""

import dataclasses
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from docket.web.app import PAGES, ROUTES
from docket.web.handlers.base import LARGEST_BODY_BYTES
from docket.web.jobs.service import JobService
from tests.web.docket_site import SOURCES, Site

KEYS = {"code", "message", "field", "position"}
ID = "0192f0c1-0000-7000-8000-000000000000"


def assert_shape(answer: requests.Response, status: int, code: str) -> list[dict[str, Any]]:
    """The one shape, with this status and this first code; gives the faults."""
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    faults: list[dict[str, Any]] = body["errors"]
    assert set(body) == {"error", "errors"}
    assert all(set(fault) - {"suggestion"} == KEYS for fault in faults)
    assert all(fault["message"] for fault in faults)
    assert body["error"] == faults[0]
    assert (answer.status_code, faults[0]["code"]) == (status, code)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])
    return faults


def paths() -> list[str]:
    return [re.sub(r"\{id\}", ID, re.sub(r"\{name:path\}", "app.js", route.path)) for route in (*ROUTES, *PAGES)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One Docket for all questions of this file: none of them may harm it."""
    running = Site(tmp_path_factory.mktemp("site"))
    try:
        running.start_collector()
        running.start_web()
        yield running
        assert running.call("GET", "api/v1/health?live").status_code == 200
        assert running.call("POST", "api/v1/jobs", json={"query": "port 65000"}).status_code == 201
    finally:
        running.close()


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize("method", ["PATCH", "PUT", "BREW"])
def test_wrong_method_is_refused_on_every_route(site: Site, path: str, method: str) -> None:
    """A method that a route does not have is 405, in the one shape, with Allow."""
    answer = site.call(method, path)
    assert_shape(answer, 405, "method-not-allowed")
    assert "Allow" in answer.headers
    assert f'method="{method}"' not in site.call("GET", "metrics").text or method != "BREW"


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "api/v1",
        "api/v2/jobs",
        "api/v1/jobs/",
        "api/v1/jobs//pcap",
        "static/",
        "static/none.js",
        "%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_address_is_not_found(site: Site, path: str, method: str) -> None:
    """An address without a route is 404 for any method; a page's file that is missing is as well."""
    if path.startswith("static/n") and method != "GET":
        assert_shape(site.call(method, path), 405, "method-not-allowed")
    else:
        assert_shape(site.call(method, path), 404, "not-found")


@pytest.mark.parametrize(
    "job_id",
    [
        ID,
        "1",
        "..",
        "%2e%2e",
        "..%2f..%2fledger.sqlite3",
        "%2fetc%2fpasswd",
        ID + "%00",
        ID + "%0a",
        "{" + ID + "}",
        ID.replace("-", ""),
        "x" * 5000,
        "%F0%9F%90%B3",
    ],
)
@pytest.mark.parametrize(
    ("method", "below"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/pcap"), ("GET", "/pcap?follow=1")],
)
def test_id_of_no_job_is_not_found(site: Site, job_id: str, method: str, below: str) -> None:
    """An unknown id, a malformed one and a path in its place all end as 404, whatever is asked of it."""
    request = requests.Request(method, site.url("")).prepare()
    # Set after preparing, since requests would tidy up the dots.
    request.url = site.url(f"api/v1/jobs/{job_id}{below}")
    answer = site.session.send(request, timeout=20, allow_redirects=False)
    assert_shape(answer, 404, "no-such-job")


def test_path_that_is_not_utf_8_is_refused(site: Site) -> None:
    """Bytes that are no text are a bad request in the one shape."""
    assert_shape(site.call("GET", "api/v1/jobs/%FF%FE"), 400, "bad-request")


@pytest.mark.parametrize(
    ("question", "code", "field"),
    [
        ({"querry": "port 53"}, "unknown-field", "querry"),
        ({"query": "host 10.1.2"}, None, "query"),
        ({"query": "port 70000"}, None, "query"),
        ({"query": {"port": 70000}}, None, None),
        ({"query": 7}, "bad-query", "query"),
        ({"query": "port 53 not port 80"}, None, "query"),
        ({"after": "2026-11-24T15:00:00Z", "before": "2026-11-24T14:00:00Z"}, None, None),
        ({"after": "yesterday-ish"}, None, "after"),
        ({"after": 5}, "bad-time", "after"),
        ({"sources": ["rock01:em9"]}, "unknown-source", "sources"),
        ({"sources": ["../../etc:passwd"]}, "bad-source-name", "sources"),
        ({"sources": []}, "bad-sources", "sources"),
        ({"sources": "rock01:em1"}, "bad-sources", "sources"),
        ({"limits": {"bytes": -1}}, "bad-number", "limits.bytes"),
        ({"limits": {"bites": 1}}, "bad-limits", "limits"),
        ({"deadline_s": 0}, "bad-number", "deadline_s"),
        ({"deadline_s": 1e9}, "bad-number", "deadline_s"),
        ({"wait_for_flush": "yes"}, "bad-flag", "wait_for_flush"),
        ({"fresh": 1}, "bad-flag", "fresh"),
        ({"id": "not-a-uuid"}, "bad-id", "id"),
        ({"note": "x" * 3000}, "bad-text", "note"),
        ({"requested_at": "2020-01-01T00:00:00Z"}, "bad-time", "requested_at"),
    ],
)
def test_faulty_question_is_refused(site: Site, question: dict[str, Any], code: str | None, field: str | None) -> None:
    """Each kind of fault is 400 with its code and its field, and no job comes of it."""
    answer = site.call("POST", "api/v1/jobs", json={"query": "", **question})
    fault = assert_shape(answer, 400, code or answer.json()["error"]["code"])[0]
    if field is not None:
        assert fault["field"] == field


@pytest.mark.parametrize("question", [{}, {"after": "5m"}, {"query": None}, {"query": {}}])
def test_question_without_a_query_is_refused(site: Site, question: dict[str, Any]) -> None:
    """Every packet is asked for with an empty query, never by leaving it out."""
    code = "bad-query" if question.get("query", "") is None else "missing-query"
    (fault,) = assert_shape(site.call("POST", "api/v1/jobs", json=question), 400, code)
    assert fault["field"] == "query"
    assert site.call("POST", "api/v1/jobs", json={"query": "", "after": "5m"}).status_code == 201


def test_all_faults_are_told_at_once(site: Site) -> None:
    """Three faults in one question are three entries of `errors`; the first one is `error`."""
    question = {"query": "port 70000", "sources": ["rock01:em9"], "deadline_s": 0, "colour": "red"}
    faults = site.call("POST", "api/v1/jobs", json=question).json()["errors"]
    assert {fault["field"] for fault in faults} == {"query", "sources", "deadline_s", "colour"}


def test_query_of_ten_thousand_terms_is_answered(site: Site) -> None:
    """A huge query is taken or refused in the one shape; it does not take the service down."""
    query = " or ".join(f"port {port}" for port in range(1, 10_001))
    answer = site.call("POST", "api/v1/jobs", json={"query": query})
    assert answer.status_code in (201, 400)


@pytest.mark.parametrize("size", [LARGEST_BODY_BYTES + 1, 1_000_000, 20_000_000])
@pytest.mark.parametrize("path", ["api/v1/jobs", "api/v1/query/check", f"api/v1/jobs/{ID}/cancel"])
def test_large_body_is_refused(site: Site, size: int, path: str) -> None:
    """A body beyond 256 KiB is 413, and the client hears it even when it first sends everything."""
    try:
        answer = site.call("POST", path, data=b"x" * size, headers={"Content-Type": "application/json"})
    except requests.ConnectionError:
        # So much that it is not drained: the connection is cut while the client still sends.
        assert size == 20_000_000
        return
    assert_shape(answer, 413, "body-too-large")


def test_large_body_in_chunks_is_refused(site: Site) -> None:
    """A body that does not say its length is bounded all the same."""
    chunks = (b"x" * 10_000 for _ in range(100))
    answer = site.call("POST", "api/v1/jobs", data=chunks, headers={"Content-Type": "application/json"})
    assert_shape(answer, 413, "body-too-large")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("path", ["api/v1/jobs", "api/v1/query/check"])
def test_wrong_content_type_is_refused(site: Site, kind: str | None, path: str) -> None:
    """A body that is not declared as JSON is 415: no form of another site can send one."""
    headers = {} if kind is None else {"Content-Type": kind}
    assert_shape(site.call("POST", path, data=b'{"query": "port 53"}', headers=headers), 415, "not-json")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"query": "\xff"}']
)
def test_body_that_is_no_json_object_is_refused(site: Site, body: bytes) -> None:
    """Broken JSON, and JSON that is no object, are 400."""
    answer = site.call("POST", "api/v1/jobs", data=body, headers={"Content-Type": "application/json"})
    assert_shape(answer, 400, "bad-json")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "bad-number"),
        ("limit=501", "bad-number"),
        ("limit=x", "bad-number"),
        ("state=done", "bad-state"),
        ("sort=colour", "bad-sort"),
        ("cursor=abc", "bad-cursor"),
    ],
)
def test_bad_list_parameters_are_refused(site: Site, query: str, code: str) -> None:
    """Each parameter of the list is checked."""
    assert_shape(site.call("GET", f"api/v1/jobs?{query}"), 400, code)


@pytest.mark.parametrize(
    ("path", "body"), [("cancel", {"keep": "yes"}), ("retry", {"deadline_s": 0}), ("cancel", {"x": 1})]
)
def test_bad_orders_are_refused(site: Site, path: str, body: dict[str, Any]) -> None:
    """The bodies of cancel and retry are checked before anything else."""
    answer = site.call("POST", f"api/v1/jobs/{ID}/{path}", json=body)
    assert_shape(answer, 400, answer.json()["error"]["code"])


@pytest.mark.parametrize("since", ["x", "-1", "1" * 30])
def test_bad_since_is_refused(site: Site, since: str) -> None:
    """The WebSocket's parameter is checked before the upgrade."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    assert_shape(site.call("GET", f"api/v1/events?since={since}", headers=headers), 400, "bad-number")


def test_plain_request_to_the_websocket_is_told_to_upgrade(site: Site) -> None:
    """Without an upgrade the address answers 426."""
    answer = site.call("GET", "api/v1/events")
    assert_shape(answer, 426, "not-a-websocket")
    assert answer.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_malformed_http_ends_the_connection_only(site: Site, raw: bytes) -> None:
    """Whatever the bytes are, the connection ends and the next one is served."""
    with site.connect() as connection, suppress(ConnectionError):
        connection.sendall(raw)
        with suppress(OSError):
            connection.shutdown(1)  # it has ended before everything was sent
        while connection.recv(65_536):
            pass
    assert site.call("GET", "api/v1/health?live").status_code == 200


def test_missing_ledger_is_unavailable(tmp_path: Path) -> None:
    """Before the collector's first start, everything that reads the ledger is 503 in the one shape."""
    bare = Site(tmp_path)
    bare.spool.create()
    try:
        bare.start_web()
        for path in ("api/v1/jobs", f"api/v1/jobs/{ID}", f"api/v1/jobs/{ID}/pcap"):
            answer = bare.call("GET", path)
            assert_shape(answer, 503, "spool-unavailable")
            assert answer.headers["Retry-After"] == "5"
        names = [one["name"] for one in bare.call("GET", "api/v1/sources").json()["sources"]]
        assert names == list(SOURCES)
    finally:
        bare.close()


def test_low_space_refuses_new_questions(tmp_path: Path) -> None:
    """Below the configured free space a question is 507 before anything breaks."""
    low = Site(tmp_path)
    spool = dataclasses.replace(low.config.spool, min_free_bytes=10**18)
    low.config = dataclasses.replace(low.config, spool=spool)
    low.spool.create()
    try:
        low.start_web()
        assert_shape(low.call("POST", "api/v1/jobs", json={"query": "port 53"}), 507, "spool-low")
    finally:
        low.close()


def test_unexpected_exception_is_a_plain_500(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is answered in the one shape, with nothing of its text, and the log has it under the request id."""

    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(JobService, "story", broken)
    answer = site.call("GET", f"api/v1/jobs/{uuid.uuid4()}")
    assert_shape(answer, 500, "internal")
    assert "secret" not in answer.text
