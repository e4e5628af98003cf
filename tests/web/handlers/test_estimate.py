"""How much a question would be, and the guard against a slip of the finger."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docket.config.model import JobsConfig
from docket.domain.timewindow import format_us, parse_time_us
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker

AFTER_US = parse_time_us("2026-11-24T14:00:00Z", None)
MINUTE_US = 60_000_000
MOST_BYTES = 5_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A Docket whose jobs may have 5 kB."""
    site = Site(tmp_path)
    site.config = dataclasses.replace(site.config, jobs=JobsConfig(patience_s=3600, max_bytes=MOST_BYTES))
    with running(site):
        yield site


def over(minutes: int) -> dict[str, str]:
    return {"after": format_us(AFTER_US), "before": format_us(AFTER_US + minutes * MINUTE_US)}


def answer_once(site: Site) -> None:
    """One question over a minute, to which each source answers with ten packets, 760 bytes in all."""
    asked = site.ask(query="port 53", **over(1))
    for name in SOURCES:
        with ScriptedWorker(site.broker, name) as worker:
            worker.take().answer([(AFTER_US + number, bytes(60)) for number in range(10)])
    site.final(asked.id)


def estimate(site: Site, **question: Any) -> dict[str, Any]:
    found: dict[str, Any] = site.call("POST", "api/v1/query/check", json=question).json()["estimate"]
    return found


def test_check_learns_from_jobs(site: Site) -> None:
    """Nothing is known at first; after one answer the same question over ten minutes is ten times as large."""
    assert estimate(site, query="port 53", **over(1))["confidence"] == "none"
    answer_once(site)
    found = wait_until(lambda: (e := estimate(site, query="port 53", **over(10)))["bytes"] and e, "the estimate")
    assert (found["bytes"], found["packets"], found["confidence"]) == (15_200, 200, "high")
    site.stop_web()
    site.start_web()
    assert estimate(site, query="port 53", **over(10)) == found
    assert estimate(site, query="port 53", sources=[SOURCES[0]], **over(10))["bytes"] == 7_600


def test_faulty_question_has_no_estimate(site: Site) -> None:
    """Nobody can ask it."""
    assert estimate(site, query="port", **over(1)) is None


def test_far_too_much_is_refused_unless_insisted(site: Site) -> None:
    """Above the most that a job may have, the asker must insist, or set a limit of his own."""
    answer_once(site)
    wait_until(lambda: estimate(site, query="port 53", **over(10))["bytes"], "the estimate")
    question = {"query": "port 53", **over(10)}
    refused = site.call("POST", "api/v1/jobs", json=question)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too-big")
    assert "about 15 kB" in refused.json()["error"]["message"]
    limited = site.call("POST", "api/v1/jobs", json=question | {"limits": {"packets": 5}})
    insisted = site.call("POST", "api/v1/jobs", json=question | {"force": True})
    assert (limited.status_code, insisted.status_code) == (201, 201)
    again = site.call("POST", "api/v1/jobs", json=question)
    assert (again.status_code, again.json()["id"]) == (200, insisted.json()["id"])


def test_small_questions_pass_the_guard(site: Site) -> None:
    """Up to the limit nobody is bothered."""
    answer_once(site)
    wait_until(lambda: estimate(site, query="port 53", **over(3))["bytes"], "the estimate")
    assert site.call("POST", "api/v1/jobs", json={"query": "port 53", **over(3)}).status_code == 201


def test_other_kinds_of_questions_do_not_refuse(site: Site) -> None:
    """What a port brought says nothing of a protocol or of everything: the guess is shown, and they are asked."""
    answer_once(site)
    wait_until(lambda: estimate(site, query="port 53", **over(10))["bytes"], "the estimate")
    for query in ("udp", "", "host 10.1.2.3"):
        assert estimate(site, query=query, **over(10))["bytes"] > MOST_BYTES
        assert site.call("POST", "api/v1/jobs", json={"query": query, **over(10)}).status_code == 201
