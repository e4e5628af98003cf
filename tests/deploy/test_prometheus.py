"""The figures and the alert rules, held against Prometheus' own promtool: each rule fires where its cause is made."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docket.bus import topology
from docket.bus.messages import encode
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
_LINE = re.compile(r"([a-z_]+)(\{.*\})? (\S+)")


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


def samples(text: str) -> dict[str, str]:
    found = (_LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    return {f"{one[1]}{one[2] or ''}": one[3] for one in found if one is not None and one[3] not in ("NaN", "+Inf")}


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


def publish(key: str, body: bytes) -> Callable[[Site, ScriptedWorker], None]:
    return lambda site, _: site.broker.publisher("a tool").publish(topology.JOBS, key, body)


CAUSES: dict[str, Callable[[Site, ScriptedWorker], object]] = {
    "DocketCollectorSilent": lambda site, _: site.stop_collector(),
    "DocketSourceDown": lambda _, em1: em1.announce(EventName.SOURCE_OFFLINE),
    "DocketSourceError": lambda site, _: tell(site, error="Connection refused."),
    "DocketRecorderSilent": lambda site, _: tell(site, stats={"last_written": 1}),
    "DocketRecorderDrops": lambda site, _: tell(site, stats={"dropped": 40}),
    "DocketIndexBehind": lambda site, _: tell(site, stats={"behind": 20_000_000_000}),
    "DocketGap": answered(Verdict.GAP),
    "DocketAnswersFallShort": answered(Verdict.CUT),
    "DocketDeadlineMissed": answered(Verdict.TIMED_OUT),
    "DocketDeadLetters": publish("job.request", b"{}"),
    "DocketRejected": publish("job.request", b"{}"),
}
"""What is done to a Docket that is well."""

SERIES = {
    "DocketDown": {'up{job="docket"}': ("1", "0")},
    "DocketLedgerUnreadable": {"docket_ledger_up": ("1", "0")},
    "DocketBusDown": {"docket_bus_connected": ("1", "0")},
    "DocketSpoolLow": {"docket_spool_free_bytes": ("1e9", "6e8"), "docket_spool_min_free_bytes": ("5e8", "5e8")},
    "DocketQueueUnread": {'docket_queue_consumers{queue="docket.collector"}': ("1", "0")},
    "DocketFault": {'docket_fault{fault="unit docket.service"}': ("_", "1")},
}
"""What cannot be done to a Docket inside a test's process: the figures as they then are."""


def fires(promtool: str, folder: Path, alert: str, series: dict[str, tuple[str, str]]) -> bool:
    """Whether the alert fires an hour after the figures changed, and did not fire before. By promtool."""
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)'
    question = f"max_over_time(({firing})[40m:1m])"
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": f"{before}x59 {after}x60"} for name, (before, after) in series.items()
                ],
                "promql_expr_test": [
                    {"expr": question, "eval_time": when, "exp_samples": [{"labels": "{}", "value": value}]}
                    for when, value in (("59m", 0), ("100m", 1))
                ],
            }
        ],
    }
    path = folder / "case.yml"
    path.write_text(yaml.safe_dump(case))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.returncode == 0


def rules() -> dict[str, str]:
    """Alert to expression."""
    return {rule["alert"]: rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}


def test_rules_are_accepted(promtool: str) -> None:
    """promtool finds no fault in them."""
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_rule_has_a_cause_here() -> None:
    """None is shipped that no test lets fire."""
    assert sorted(rules()) == sorted({*CAUSES, *SERIES})


@pytest.mark.parametrize("alert", sorted(CAUSES))
def test_rule_fires_for_its_cause(alert: str, well: tuple[Site, ScriptedWorker], promtool: str, tmp_path: Path) -> None:
    """The figures before and after the cause, as a running Docket gives them, make the rule fire."""
    site, em1 = well
    before, expression = samples(figures(site)), rules()[alert]
    CAUSES[alert](site, em1)
    # Silence takes minutes to be noticed; the age of a heartbeat only grows.
    add = {"docket_collector_silent_seconds": "100"} if alert == "DocketCollectorSilent" else {}

    def now_fires() -> bool:
        after = samples(figures(site)) | add
        series = {
            name: (before.get(name, "_"), value)
            for name, value in after.items()
            if name.partition("{")[0] in expression and (name in before or "queue" in name)
        }
        series |= {name: (value, "_") for name, value in before.items() if name in expression and name not in after}
        return bool(series) and fires(promtool, tmp_path, alert, series)

    wait_until(now_fires, f"{alert} to fire", timeout_s=30, step_s=0.3)


@pytest.mark.parametrize("alert", sorted(SERIES))
def test_rule_fires_for_its_figures(alert: str, promtool: str, tmp_path: Path) -> None:
    """Where a test cannot make the cause, the figures it would leave."""
    assert fires(promtool, tmp_path, alert, SERIES[alert])


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
    known = set(re.findall(r"^# TYPE (docket_\w+) ", figures(site), flags=re.MULTILINE))
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
    known = set(re.findall(r"^# TYPE (docket_\w+) ", figures(site), flags=re.MULTILINE))
    known = {name for name in known if not name.endswith("_created")}
    section = (ROOT / "docs/http-api.md").read_text().partition("### `GET metrics`")[2].partition("\n### ")[0]
    documented = {name for row in re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE) for name in row.split("`")}
    assert known - documented == set()
