"""The web app on a real RabbitMQ: a bus that goes away is an error for askers and no gap for watchers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.bus.async_interface import AsyncBusClient
from docket.bus.factory import open_broker, open_link
from docket.domain.job import State
from docket.domain.timewindow import parse_time_us
from docket.web.jobs import service
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker
from tests.web.sockets import Socket

pytestmark = pytest.mark.rabbitmq

START_US = parse_time_us("2026-11-24T14:02:00Z", None)
WINDOW = {"after": "2026-11-24T14:02:00Z", "before": "2026-11-24T14:10:00Z"}


class AmqpSite(Site):
    """The same Docket on RabbitMQ."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, bus=url)
        self.broker.close()
        self.broker = open_broker(url, {})
        self.broker.declare(SOURCES)

    def link(self) -> AsyncBusClient:
        return open_link(self.config.bus, {})


@pytest.fixture
def site(tmp_path: Path, amqp_url: str) -> Iterator[Site]:
    with running(AmqpSite(tmp_path, amqp_url)) as site:
        yield site


def test_job_runs_over_rabbitmq(site: Site) -> None:
    """Asked over HTTP, answered over AMQP, told on the WebSocket, downloaded."""
    with ScriptedWorker(site.broker, SOURCES[0]) as worker, Socket(site) as watcher:
        job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        worker.take().answer([(START_US, b"x" * 60)])
        watcher.wait_for("job.completed", job.id)
        assert len(site.call("GET", f"api/v1/jobs/{job.id}/pcap").content) == 24 + 16 + 60


def test_lost_bus_refuses_askers_and_keeps_watchers(
    site: Site, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the broker is down a question is 503, health says so, and lists are still served. When it is back,
    the socket that stayed open is told everything in order."""
    monkeypatch.setattr(service, "PUBLISH_S", 0.5)
    with Socket(site) as watcher:
        job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        watcher.wait_for("job.requested", job.id)
        broker.stop()
        wait_until(lambda: site.call("GET", "api/v1/health").status_code == 503, "health to notice")
        refused = site.call("POST", "api/v1/jobs", json={"query": "port 54", **WINDOW})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bus-unavailable")
        assert refused.headers["Retry-After"] == "5"
        assert site.call("GET", "api/v1/jobs").json()["total"] == 1
        broker.start()
        wait_until(lambda: site.call("GET", "api/v1/health").status_code == 200, "health to recover", timeout_s=30)
        with ScriptedWorker(site.broker, SOURCES[0]) as worker:
            worker.take().answer([(START_US, b"x" * 60)])
            newest = watcher.wait_for("job.completed", job.id)["seq"]
        assert watcher.seqs() == list(range(watcher.first["seq"] + 1, newest + 1))
        assert site.final(job.id).state is State.COMPLETED
        again = site.call("POST", "api/v1/jobs", json={"query": "port 54", **WINDOW})
        assert again.status_code == 201


def test_undeclared_bus_is_an_error_for_askers(tmp_path: Path, amqp_url: str) -> None:
    """Where no queue would take the question, the asker hears it instead of waiting for ever."""
    bare = Site(tmp_path, bus=amqp_url)
    bare.link = lambda: open_link(amqp_url, {})  # type: ignore[method-assign]
    bare.spool.create()
    try:
        bare.start_web()
        answer = bare.call("POST", "api/v1/jobs", json={"query": "port 53"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bus-unavailable")
    finally:
        bare.close()
