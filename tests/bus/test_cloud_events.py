"""Events carry the attributes of CloudEvents, beside a body that stays as it is."""

from pathlib import Path

from docket.bus.cloud_events import attributes
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import decode_event
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker

AT = "2026-11-24T14:02:00.000000Z"


def test_attributes_of_an_event_without_number() -> None:
    """The source is the subject, and time and subject together are the id."""
    status = SourceStatus(name="rock01:em1", kind="k", state="online", last_seen=AT)
    found = attributes(EventMessage(event=EventName.SOURCE_STATS, at=AT, source=status), "worker")
    assert found == {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": f"{AT}/rock01:em1",
        "cloudEvents:source": "/docket/worker",
        "cloudEvents:type": "docket.source.stats",
        "cloudEvents:time": AT,
        "cloudEvents:subject": "rock01:em1",
    }


def test_published_event_names_its_place_in_the_ledger(tmp_path: Path) -> None:
    """What the collector publishes carries the number as the id, and the job as the subject."""
    site = Site(tmp_path)
    try:
        assert isinstance(site.broker, MemoryBroker)
        receiver = site.broker.receiver("a router", [], prefetch=10, listen=["job.requested"])
        site.start_collector()
        site.start_web()
        with ScriptedWorker(site.broker, SOURCES[0]):
            job = site.ask(query="port 53", sources=[SOURCES[0]])
        delivery = wait_until(lambda: receiver.receive(0.1), "the event")
        assert delivery is not None
        event = decode_event(delivery.body, delivery.routing_key)
        assert delivery.headers["cloudEvents:id"] == str(event.seq)
        assert delivery.headers["cloudEvents:subject"] == job.id
        assert delivery.headers["cloudEvents:type"] == "docket.job.requested"
        receiver.close()
    finally:
        site.close()
