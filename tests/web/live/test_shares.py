"""What one user may hold of jobs and sockets, and that another one is served beside him."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from docket.web import app
from docket.web.auth.tokens import digest
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.sockets import Socket

GREEDY, OTHER = ({"Authorization": f"Bearer {name}-0123456789abcdef"} for name in ("greedy", "other"))
WINDOW = {"after": "2026-11-24T14:02:00Z", "before": "2026-11-24T14:10:00Z", "sources": [SOURCES[0]]}


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web app with two users, two open jobs each and four sockets for all."""
    monkeypatch.setattr(app, "MOST_SOCKETS", 4)
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{name} {digest(f'{name}-0123456789abcdef')}\n" for name in ("greedy", "other")))
    site = Site(tmp_path, tokens=tokens)
    site.config = dataclasses.replace(site.config, jobs=dataclasses.replace(site.config.jobs, open_per_user=2))
    try:
        site.start_collector()
        site.start_web()
        yield site
    finally:
        site.close()


def ask(site: Site, headers: dict[str, str], port: int) -> requests.Response:
    return site.call("POST", "api/v1/jobs", json={"query": f"port {port}"} | WINDOW, headers=headers)


def test_the_socket_that_goes_is_of_the_user_with_most(shared: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A fifth socket takes the place of the greedy user's oldest, whoever opens it; the log names the user."""
    with ExitStack() as stack:
        greedy = [stack.enter_context(Socket(shared, headers=GREEDY)) for _ in range(4)]
        other = stack.enter_context(Socket(shared, headers=OTHER))
        assert wait_until(greedy[0].wait_closed, "the oldest to be closed") == 1013
        stack.enter_context(Socket(shared, headers=GREEDY))
        assert wait_until(greedy[1].wait_closed, "the next one") == 1013
        assert (other.close_code, greedy[3].close_code) == (None, None)
        quota = shared.call("GET", "api/v1/quota", headers=GREEDY).json()
    assert quota["sockets"] == {"used": 3, "most": 4}
    assert "one of the 4 of greedy is closed" in caplog.text


def test_open_jobs_of_a_user_are_bounded(shared: Site) -> None:
    """The third is refused with a sentence; another user's is not, and what is held can be seen."""
    jobs = [ask(shared, GREEDY, port).json()["id"] for port in (1, 2)]
    wait_until(lambda: shared.call("GET", "api/v1/jobs").json()["total"] == 2, "both in the ledger")
    refused = ask(shared, GREEDY, 3)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["Retry-After"] != "") == (429, "too-many-jobs", True)
    assert ask(shared, OTHER, 3).status_code == 201
    quota = shared.call("GET", "api/v1/quota", headers=GREEDY).json()
    assert (quota["user"], quota["open_jobs"]) == ("greedy", {"used": 2, "most": 2})
    shared.call("POST", f"api/v1/jobs/{jobs[0]}/cancel", headers=GREEDY)
    wait_until(lambda: ask(shared, GREEDY, 4).status_code == 201, "room for another one")


def test_the_collector_counts_by_itself(shared: Site) -> None:
    """What comes past the web app is rejected with the same reason."""
    for port in (1, 2):
        ask(shared, GREEDY, port)
    wait_until(lambda: shared.call("GET", "api/v1/jobs").json()["total"] == 2, "both in the ledger")
    with Socket(shared, headers=OTHER) as watcher:
        shared_question = {"schema": "docket.job.request/1", "id": "0192f0c1-0000-7000-8000-000000000001"} | WINDOW
        body = json.dumps(shared_question | {"query": "port 9", "owner": "greedy"}).encode()
        publisher = shared.broker.publisher("tool")
        publisher.publish("docket.jobs", "job.request", body)
        publisher.close()
        told = watcher.wait_for("job.rejected")
    assert "greedy has 2 open jobs, the most that are allowed at a time" in told["reason"]
