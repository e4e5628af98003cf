"""`docket status` shows what the services of alerts and webhooks had to leave out or give up."""

import json
import sqlite3
from pathlib import Path

from docket.cli.neighbour_checks import neighbours
from docket.domain.clock import now_us
from docket.runtime.exit_codes import ExitCode
from docket.workers.alerts.alert_rules import Budget
from docket.workers.alerts.service import AlertState
from docket.workers.webhooks.delivery_store import DeliveryStore
from tests.cli.running_server import RunningServer, docket


def configure(place: Path) -> None:
    """Both services, which have worked for a while."""
    hook = f"{{name: n8n, url: 'https://n8n.example/', secret: {place}/none}}"
    (place / "webhooks.yaml").write_text(f"hooks: [{hook}]\nstate: {place}/deliveries.sqlite\n")
    (place / "alerts.yaml").write_text(f"inputs: [eve.json]\nrules: [{{name: grave}}]\nstate: {place}/state.json\n")
    store = DeliveryStore(place / "deliveries.sqlite")
    for number in range(3):
        assert store.add("n8n", f"msg_{number}", "docket.job.completed", "j", b"{}", 0)
    waiting = store.due("n8n", 1)
    assert waiting is not None
    store.dead(waiting, "answered 410")
    store.close()
    budgets = {"grave": Budget(asked=[1, now_us() // 10**6, now_us() // 10**6], left_out={"jobs_per_hour": 7})}
    state = AlertState(seen=12, budgets=budgets)
    (place / "state.json").write_text(
        json.dumps(
            {
                "seen": state.seen,
                "budgets": {"grave": {"asked": budgets["grave"].asked, "left_out": budgets["grave"].left_out}},
            }
        )
    )


def test_given_up_events_are_a_fault_and_left_out_alerts_are_shown(tmp_path: Path) -> None:
    """With what to do about the former."""
    configure(tmp_path)
    webhooks, alerts = neighbours(tmp_path)
    assert (webhooks.ok, webhooks.message) == (False, "2 events wait; given up: 1 of n8n")
    assert "docket webhooks --dead" in webhooks.advice
    assert (alerts.ok, alerts.message) == (
        True,
        "12 alerts read, 2 jobs asked in the last day; left out: 7 by rule grave (jobs_per_hour)",
    )


def test_what_is_not_configured_or_not_begun_is_no_fault(tmp_path: Path) -> None:
    """A sensor without either has no line; one whose services have not worked yet says so."""
    assert neighbours(tmp_path) == []
    configure(tmp_path)
    for name in ("deliveries.sqlite", "state.json"):
        (tmp_path / name).unlink()
    assert [(one.name, one.ok) for one in neighbours(tmp_path)] == [("webhooks", True), ("alerts", True)]
    (tmp_path / "state.json").write_text("damaged")
    assert [one.ok for one in neighbours(tmp_path)] == [True, False]


def test_status_shows_them(demo: RunningServer, tmp_path: Path) -> None:
    """On the same screen, and the exit code says that not all is well."""
    configure(tmp_path)
    config = tmp_path / "docket.yaml"
    config.write_text(f"sources: [{{name: 'a:b', kind: capture-files, path: {tmp_path}}}]\n")
    done = docket("--config", str(config), "status", "--server", demo.url, environ=demo.environ)
    assert "given up: 1 of n8n" in done.stdout, done.stderr
    assert "7 by rule grave (jobs_per_hour)" in done.stdout
    assert done.returncode == ExitCode.NOT_WELL
    with sqlite3.connect(tmp_path / "deliveries.sqlite") as store:
        store.execute("DELETE FROM deliveries WHERE dead")
    store.close()
    found = docket("--config", str(config), "status", "--json", "--server", demo.url, environ=demo.environ)
    assert [one["ok"] for one in json.loads(found.stdout)["neighbours"]] == [True, True]
