"""The figures, the alert rules and the dashboard, held against promtool and each other."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest

from docket.bus import topology
from docket.bus.messages import encode
from docket.cli import service_factory
from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Verdict
from docket.domain.source import SourceStatus
from tests.services import needs
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/docket.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/docket.json"


@pytest.fixture(scope="module")
def promtool() -> str:
    return needs.program("promtool", "prometheus")


@pytest.fixture
def well(tmp_path: Path) -> Iterator[tuple[Site, ScriptedWorker]]:
    """A Docket whose two sources are there, with figures as they are when all is well."""
    site = Site(tmp_path)
    try:
        site.start_collector()
        site.start_web()
        with ScriptedWorker(site.broker, SOURCES[0]) as em1, ScriptedWorker(site.broker, SOURCES[1]):
            tell(site, stats={"dropped": 0, "behind": 0, "last_written": 4_000_000_000})
            wait_until(lambda: 'docket_recorder_dropped_packets{source="rock01:em1"} 0.0' in figures(site), "figures")
            yield site, em1
    finally:
        site.close()


def figures(site: Site) -> str:
    return site.call("GET", "metrics").text


def of_services() -> str:
    """What the other services serve, whose figures are there once their modules are loaded."""
    assert service_factory
    return generate_latest(REGISTRY).decode()


def families(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (docket_\w+) ", text, flags=re.MULTILINE))


def tell(site: Site, *, stats: dict[str, int] | None = None, error: str | None = None) -> None:
    """Say something about the first source."""
    now = now_text()
    status = SourceStatus(
        name=SOURCES[0], kind="scripted", state="online", last_seen=now, error=error, stats=stats or {}
    )
    message = encode(EventMessage(event=EventName.SOURCE_STATS, at=now, source=status))
    site.broker.publisher("teller of figures").publish(topology.EVENTS, "source.stats", message, persistent=False)


def answered(verdict: Verdict) -> Callable[[Site, ScriptedWorker], None]:
    """One job whose one source answers with the verdict."""

    def cause(site: Site, em1: ScriptedWorker) -> None:
        job = site.ask(query="port 53", sources=[SOURCES[0]])
        reading = em1.take()
        reading.begin()
        reading.end(verdict, "as it is", usable=True)
        site.final(job.id)

    return cause


def rules() -> dict[str, str]:
    """Alert to expression."""
    return {rule["alert"]: rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}


def test_rules_are_accepted(promtool: str) -> None:
    """promtool finds no fault in them."""
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_metrics_are_accepted(well: tuple[Site, ScriptedWorker], promtool: str) -> None:
    """promtool parses them and has nothing to say about families of ours but names of gauges that are kept."""
    site, em1 = well
    answered(Verdict.COMPLETE)(site, em1)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=figures(site), capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    assert "error while linting" not in done.stderr


def test_dashboard_and_rules_use_figures_that_there_are(well: tuple[Site, ScriptedWorker]) -> None:
    """No panel and no rule asks for a figure that Docket does not have."""
    site, em1 = well
    answered(Verdict.COMPLETE)(site, em1)
    known = families(figures(site)) | families(of_services())
    known |= {f"{name}{end}" for name in known for end in ("_bucket", "_sum", "_count")}
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked += rules().values()
    used = {name for expression in asked for name in re.findall(r"docket_\w+", expression)}
    assert used - known == set()
    assert len(dashboard["panels"]) >= 10


def test_every_figure_is_documented(well: tuple[Site, ScriptedWorker]) -> None:
    """And no other is."""
    site, em1 = well
    answered(Verdict.COMPLETE)(site, em1)
    known = {name for name in families(figures(site)) if not name.endswith("_created")}
    section = (ROOT / "docs/http-api.md").read_text().partition("### `GET metrics`")[2].partition("\n### ")[0]
    documented = {name for row in re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE) for name in row.split("`")}
    assert known - documented == set()


def test_every_figure_of_the_services_is_documented() -> None:
    """On the page about Prometheus, or with those of the web app."""
    pages = (ROOT / "docs/neighbours/prometheus.md").read_text() + (ROOT / "docs/http-api.md").read_text()
    known = {name for name in families(of_services()) if not name.endswith("_created")}
    assert {name for name in known if f"`{name}`" not in pages} == set()
