"""From an alert to packets in the spool without a hand: bus, collector and web app are the real ones."""

from pathlib import Path

from docket.domain.timewindow import parse_time_us
from docket.workers.alerts.alert_rules import AlertRule, AlertsConfig
from docket.workers.alerts.service import AlertService
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker
from tests.workers.alerts.test_alerts import line


def test_alert_becomes_a_capture_of_its_conversation(tmp_path: Path) -> None:
    """The job is listed by the alert, and its result holds what the source sent."""
    eve = tmp_path / "eve.json"
    eve.write_bytes(line(7, 30) + line(7, 31))
    rule = AlertRule(name="grave", severity=1, sources=(SOURCES[0],))
    config = AlertsConfig(inputs=(str(eve),), rules=(rule,), state=str(tmp_path / "state.json"))
    site = Site(tmp_path)
    try:
        site.start_collector()
        site.start_web()
        with ScriptedWorker(site.broker, SOURCES[0]) as em1:
            AlertService(config, site.broker).step()
            reading = em1.take()
            reading.answer([(parse_time_us("2026-11-24T14:00:29Z", None), b"\x00" * 60)])
            by_alert = "api/v1/jobs?tag=alert:2024217"
            (found,) = wait_until(lambda: site.call("GET", by_alert).json()["jobs"], "the job in the list")
            job = site.final(found["id"])
            assert site.call("GET", "api/v1/jobs?tag=alert:202421").json()["jobs"] == []
        assert job.id == reading.request.id
        assert job.tags == ("alert:2024217", "rule:grave")
        assert (job.query, job.packets) == ("flow tcp 10.1.2.3:40007 - 192.0.2.7:443", 1)
        assert len(site.call("GET", f"api/v1/jobs/{job.id}/pcap").content) == 24 + 16 + 60
    finally:
        site.close()
