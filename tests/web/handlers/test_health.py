"""Health says truthfully what works, and metrics give the figures."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from docket.bus import topology
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us, parse_time_us
from docket.web.http.metrics import Exposition
from docket.web.jobs.known_sources import NEVER_HEARD, known_sources
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker


def checks(site: Site, status: int = 200) -> tuple[str, dict[str, bool]]:
    """The overall status and each check."""
    answer = site.call("GET", "api/v1/health")
    assert answer.status_code == status
    body: dict[str, Any] = answer.json()
    assert set(body) == {"status", "ready", "version", "checks"}
    assert body["ready"] is (status == 200)
    return body["status"], {check["name"]: check["ok"] for check in body["checks"]}


@pytest.mark.usefixtures("em1", "em2")
def test_all_is_well(site: Site) -> None:
    """With bus, ledger, space, collector, inspector and both sources there, the status is ok; without a reader a queue
    is named."""
    unread = f"queue {topology.INSPECTOR_QUEUE}"
    wait_until(lambda: checks(site)[1].get(unread) is False, "the inspector to be missed")
    site.broker.receiver("inspector", [topology.INSPECTOR_QUEUE], prefetch=1)
    names = ["broker", "ledger", "spool", "collector", *(f"source {name}" for name in SOURCES)]
    wait_until(lambda: checks(site)[0] == "ok", "all to be well")
    assert checks(site) == ("ok", dict.fromkeys(names, True))


@pytest.mark.usefixtures("em1")
def test_missing_source_is_degraded(site: Site, em2: ScriptedWorker) -> None:
    """Questions are still taken, so the HTTP status stays 200."""
    site.broker.receiver("inspector", [topology.INSPECTOR_QUEUE], prefetch=1)
    wait_until(lambda: checks(site)[0] == "ok", "all to be well")
    em2.announce(EventName.SOURCE_OFFLINE)
    wait_until(lambda: checks(site)[0] == "degraded", "the source to be missed")
    assert checks(site)[1][f"source {SOURCES[1]}"] is False


def test_without_ledger_or_space_it_is_down(tmp_path: Path) -> None:
    """What refuses new questions is 503; liveness stays 200."""
    bare = Site(tmp_path)
    bare.config = dataclasses.replace(bare.config, spool=dataclasses.replace(bare.config.spool, min_free_bytes=10**18))
    bare.spool.create()
    try:
        bare.start_web()
        status, found = checks(bare, 503)
        told = bare.call("GET", "api/v1/health").json()["checks"]
        assert [one["name"] for one in told if not one["ok"] and not one["advice"]] == []
        assert (status, found["broker"], found["ledger"], found["spool"], found["collector"]) == (
            "down",
            True,
            False,
            False,
            False,
        )
        live = bare.call("GET", "api/v1/health?live")
        assert (live.status_code, live.json()["status"]) == (200, "ok")
        lines = bare.call("GET", "metrics").text.splitlines()
        assert {one["name"] for one in told if not one["ok"]} == {
            line.split('"')[1] for line in lines if line.startswith("docket_fault{")
        }
    finally:
        bare.close()


def test_metrics_count_what_happens(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """Requests by route and status, jobs by state, events, sources and queues are in the text."""
    job = site.ask(query="port 53")
    em1.take().answer([])
    em2.take().answer([])
    site.final(job.id)
    site.call("GET", "api/v1/jobs/none")
    text = site.call("GET", "metrics").text
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert samples['docket_http_requests_total{method="POST",route="api/v1/jobs",status="201"}'] == "1.0"
    assert samples['docket_http_requests_total{method="GET",route="api/v1/jobs/{id}",status="404"}'] == "1.0"
    assert samples['docket_http_request_seconds_count{route="api/v1/jobs"}'] == "1.0"
    assert samples['docket_jobs{state="completed"}'] == "1.0"
    assert samples['docket_events_total{event="job.completed"}'] == "1.0"
    assert samples[f'docket_source_up{{kind="scripted",source="{SOURCES[0]}"}}'] == "1.0"
    assert samples['docket_queue_messages{queue="docket.collector"}'] == "0.0"
    assert samples["docket_bus_connected"] == "1.0"
    assert samples["docket_live_seq"] == samples["docket_ledger_seq"]
    assert float(samples["docket_spool_free_bytes"]) > 0


def test_metrics_are_well_formed(site: Site) -> None:
    """Each family is announced once before its samples, as the exposition format asks."""
    site.call("GET", "api/v1/jobs")
    family, seen = "", set()
    for line in site.call("GET", "metrics").text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        elif not line.startswith("#"):
            assert line.startswith(family)
            float(line.rsplit(" ", 1)[1])


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and line ends in a label cannot forge a sample."""
    page = Exposition()
    page.add("a", "gauge", "About.", [({"name": 'x"} 1\nb{y="\\'}, 2)])
    assert page.text() == '# HELP a About.\n# TYPE a gauge\na{name="x\\"} 1\\nb{y=\\"\\\\"} 2.0\n'


def _status(name: str, last_seen: str, state: str = "online") -> SourceStatus:
    return SourceStatus(name=name, kind="k", state=state, last_seen=last_seen)


def test_latest_word_of_each_source_counts() -> None:
    """Configuration, ledger and bus are laid together; the newest wins."""
    now_us = parse_time_us("2026-11-24T14:00:10Z", None)
    at = [format_us(now_us - age * 1_000_000) for age in (1, 5)]
    known = known_sources(
        [],
        [_status("b:1", at[1], "offline"), _status("a:1", at[0])],
        {"b:1": _status("b:1", at[0])},
        now_us,
    )
    assert [(one.name, one.state, one.last_seen) for one in known] == [
        ("a:1", "online", at[0]),
        ("b:1", "online", at[0]),
    ]


def test_silent_source_is_offline() -> None:
    """Half a minute without a word, and a source is offline, even if nobody said so."""
    now_us = parse_time_us("2026-11-24T14:00:00Z", None)
    known = known_sources([], [_status("a:1", "2026-11-24T13:59:29.000000Z")], {}, now_us)
    assert [(one.state, one.error) for one in known] == [
        ("offline", "nothing was heard since 2026-11-24T13:59:29.000000Z")
    ]


def test_configured_source_that_never_spoke_is_listed(site: Site) -> None:
    """It is offline, with the reason."""
    listed = site.call("GET", "api/v1/sources").json()["sources"]
    assert [(one["name"], one["state"], one["last_seen"], one["error"]) for one in listed] == [
        (name, "offline", "", NEVER_HEARD) for name in SOURCES
    ]
