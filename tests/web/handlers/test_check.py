"""Checking a question as it is typed, and what each source can answer of its window."""

from collections.abc import Iterator
from typing import Any

import pytest

from docket.domain.job import EventName
from docket.domain.query.canonical import parse
from docket.domain.source import SourceStatus
from docket.domain.timewindow import Window, format_us, parse_time_us
from docket.web.jobs.coverage import coverage
from docket.web.jobs.source_plan import source_plan
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker

AFTER, BEFORE = "2026-11-24T14:02:00Z", "2026-11-24T14:10:00Z"
AFTER_US, BEFORE_US = parse_time_us(AFTER, None), parse_time_us(BEFORE, None)
MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Docket for all questions of this file."""
    with running(Site(tmp_path_factory.mktemp("site"))) as site:
        yield site


def check(site: Site, **question: Any) -> dict[str, Any]:
    """The answer to a check, which is always 200."""
    answer = site.call("POST", "api/v1/query/check", json=question)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    assert body["ok"] is (body["errors"] == [])
    assert body["error"] == (body["errors"][0] if body["errors"] else None)
    return body


def test_good_question_is_explained(site: Site) -> None:
    """Canonical text, a sentence, the sources' own words and the window; no job comes of it."""
    found = check(site, query="port 443 and host 10.1.2.3", after=AFTER, before=BEFORE)
    asked = site.ask(query="port 443 and host 10.1.2.3", after=AFTER, before=BEFORE)
    assert (found["canonical"], found["explanation"]) == (asked.query, asked.explanation)
    assert (found["window"]["after"], found["window"]["before"]) == (asked.after, asked.before)
    assert "14:02" in found["window"]["sentence"]
    assert "port 443" in found["stenographer"]
    assert "443" in found["bpf"]
    assert [one["source"] for one in found["coverage"]] == list(SOURCES)


def test_check_says_what_is_worth_knowing(site: Site) -> None:
    """Why nothing can match, the text that was meant, and that times without a zone were read as UTC."""
    found = check(site, query="tcp and udp", after="2026-11-24 14:02", before=BEFORE)
    assert "nothing can match" in found["hints"][0]
    assert found["window"]["notes"] == ["after without a zone: read as UTC"]
    assert [one["source"] for one in found["plans"]] == list(SOURCES)
    fault = check(site, query="port 80,443")["error"]
    assert fault["suggestion"] == "(port 80 or port 443)"
    assert "suggestion" not in check(site, query="port 70000")["error"]


@pytest.mark.parametrize(
    ("kind", "look_inside", "query", "asked", "kept", "sentence"),
    [
        (
            "stenographer",
            False,
            "host 10.1.2.3 and not port 443",
            "host 10.1.2.3",
            "not port 443",
            "rock01:em1 asks for host 10.1.2.3, keeps what is not port 443.",
        ),
        ("stenographer", False, "host 10.1.2.3", "host 10.1.2.3", "", "rock01:em1 is asked for host 10.1.2.3."),
        ("stenographer", False, "not port 443", "", "not port 443", "all packets of the window are read for that"),
        ("stenographer", True, "host 10.1.2.3", "", "host 10.1.2.3", "plain words look inside of tunnels here"),
        ("capture-files", False, "not port 443", "not port 443", "", "rock01:em1 is asked for not port 443."),
    ],
)
def test_plan_of_a_source(kind: str, look_inside: bool, query: str, asked: str, kept: str, sentence: str) -> None:
    """What the store selects, what the worker keeps, and a warning where that is read from everything."""
    status = SourceStatus(name="rock01:em1", kind=kind, state="online", last_seen=AFTER, look_inside=look_inside)
    plan = source_plan(status, parse(query))
    assert (plan.asked, plan.kept) == (asked, kept)
    assert sentence in plan.sentence
    assert plan.reads_everything is (not asked)


def test_fields_are_checked_like_text(site: Site) -> None:
    """The form of the page and the text of a person are one language."""
    fields = check(site, query={"host": ["10.1.2.3"], "port": 443})
    text = check(site, query="host 10.1.2.3 and port 443")
    assert fields["canonical"] == text["canonical"]


def test_fault_has_its_position(site: Site) -> None:
    """The page marks the fault at its place; what could be read is still told."""
    found = check(site, query="host 10.1.2.3 and port 70000", after=AFTER, before=BEFORE)
    assert (found["ok"], found["canonical"], found["error"]["field"]) == (False, None, "query")
    assert found["error"]["position"] == len("host 10.1.2.3 and port ")
    assert found["window"]["after"] == "2026-11-24T14:02:00.000000Z"


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        (
            {"query": "port 70000", "after": "soon", "sources": ["rock01:em9"], "x": 1},
            {"query", "after", "sources", "x"},
        ),
        ({"query": 5}, {"query"}),
        ({"query": {"host": 5}}, {"host"}),
        ({"after": 5}, {"after"}),
        ({"before": []}, {"before"}),
        ({"after": BEFORE, "before": AFTER}, {"before"}),
        ({"sources": "rock01:em1"}, {"sources"}),
        ({"sources": [1]}, {"sources"}),
    ],
)
def test_all_faults_are_found_at_once(site: Site, question: dict[str, Any], fields: set[str]) -> None:
    """Every field with a fault is named in one answer."""
    found = {fault["field"].removeprefix("query.") for fault in check(site, **question)["errors"]}
    assert found == fields


def test_coverage_comes_from_what_sources_say(site: Site) -> None:
    """A worker's word on its oldest packet and its flush edge shows in the next check."""
    with ScriptedWorker(site.broker, SOURCES[0]) as worker:
        worker.announce(EventName.SOURCE_STATS, oldest_us=AFTER_US + MINUTE_US, readable_us=BEFORE_US)

        def told() -> dict[str, Any] | None:
            (first,) = check(site, query="port 53", after=AFTER, before=BEFORE, sources=[SOURCES[0]])["coverage"]
            return first if first["state"] == "part" else None

        assert wait_until(told, "the coverage to be known") == {
            "source": SOURCES[0],
            "state": "part",
            "from": "2026-11-24T14:03:00.000000Z",
            "until": "2026-11-24T14:10:00.000000Z",
            "sentence": f"packets of {SOURCES[0]} begin 2026-11-24 14:03:00 UTC",
        }


@pytest.mark.parametrize(
    ("oldest_us", "readable_us", "state", "part"),
    [
        (AFTER_US, BEFORE_US, "full", (AFTER_US, BEFORE_US)),
        (0, BEFORE_US + MINUTE_US, "full", (AFTER_US, BEFORE_US)),
        (AFTER_US + 1, BEFORE_US, "part", (AFTER_US + 1, BEFORE_US)),
        (AFTER_US + MINUTE_US, BEFORE_US - MINUTE_US, "part", (AFTER_US + MINUTE_US, BEFORE_US - MINUTE_US)),
        (0, BEFORE_US - 1, "not-yet", (AFTER_US, BEFORE_US - 1)),
        (0, AFTER_US, "not-yet", None),
        (BEFORE_US, BEFORE_US + MINUTE_US, "aged-out", None),
        (None, BEFORE_US, "unknown", None),
        (0, None, "unknown", None),
    ],
)
def test_coverage_of_a_window(
    oldest_us: int | None, readable_us: int | None, state: str, part: tuple[int, int] | None
) -> None:
    """Both edges of the window against both edges of the store, to the microsecond."""
    status = SourceStatus(
        name="rock01:em1",
        kind="k",
        state="online",
        oldest=None if oldest_us is None else format_us(oldest_us),
        readable_until=None if readable_us is None else format_us(readable_us),
        last_seen=AFTER,
    )
    found = coverage(status, Window(AFTER_US, BEFORE_US))
    expected = (None, None) if part is None else tuple(map(format_us, part))
    assert (found.state, (found.begins, found.until)) == (state, expected)
    assert "rock01:em1" in found.sentence


def test_offline_source_says_why() -> None:
    """Its last words are part of the sentence."""
    status = SourceStatus(name="rock01:em1", kind="k", state="offline", last_seen=AFTER, error="cable cut")
    found = coverage(status, Window(AFTER_US, BEFORE_US))
    assert (found.state, found.sentence) == ("offline", "rock01:em1 is offline: cable cut")
