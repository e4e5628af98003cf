"""A source that is gone for good is forgotten: it is not listed and not asked, until its worker announces it again."""

from docket.bus.messages import encode
from docket.bus.topology import EVENTS, source_queue
from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from docket.spool.ledger_reader import LedgerReader
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site

GONE = "rock09:em7"


def announce(site: Site, event: EventName, state: str) -> None:
    """What a worker of the source says."""
    status = SourceStatus(name=GONE, kind="stenographer", state=state, last_seen=now_text())
    publisher = site.broker.publisher("a worker")
    publisher.publish(
        EVENTS, event.value, encode(EventMessage(event=event, at=now_text(), source=status)), persistent=False, wait_s=5
    )
    publisher.close()


def listed(site: Site) -> dict[str, str]:
    return {one["name"]: one["state"] for one in site.call("GET", "api/v1/sources").json()["sources"]}


def recorded(site: Site) -> set[str]:
    """The sources that the collector has in its ledger."""
    reader = LedgerReader(site.spool.ledger)
    try:
        return {one.name for one in reader.sources()}
    finally:
        reader.close()


def test_forgotten_source_is_asked_no_more(site: Site) -> None:
    """It leaves list and default sources; online it cannot be forgotten; its worker brings it back."""
    site.broker.declare([*SOURCES, GONE])
    worker = site.broker.receiver("a worker", [source_queue(GONE)], prefetch=1)
    worker.receive(0.1)
    announce(site, EventName.SOURCE_ONLINE, "online")
    wait_until(lambda: GONE in recorded(site), "the collector to know the source")
    wait_until(lambda: listed(site).get(GONE) == "online", "the source")
    refused = site.call("DELETE", f"api/v1/sources/{GONE}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "source-online")
    announce(site, EventName.SOURCE_OFFLINE, "offline")
    wait_until(lambda: listed(site).get(GONE) == "offline", "the source offline")
    answer = site.call("DELETE", f"api/v1/sources/{GONE}")
    assert (answer.status_code, answer.json()) == (200, {"name": GONE, "done": True})
    assert GONE not in listed(site)
    assert GONE not in recorded(site)
    job = site.call("POST", "api/v1/jobs", json={"query": "port 53"}).json()
    assert GONE not in {source["name"] for source in job["sources"]}
    announce(site, EventName.SOURCE_ONLINE, "online")
    wait_until(lambda: listed(site).get(GONE) == "online", "the source again")
    worker.close()


def test_source_without_a_worker_is_forgotten_too(site: Site) -> None:
    """The collector never believed in it, but the list shows what was heard, and has to be rid of it."""
    announce(site, EventName.SOURCE_OFFLINE, "offline")
    wait_until(lambda: listed(site).get(GONE) == "offline", "the source")
    assert GONE not in recorded(site)
    answer = site.call("DELETE", f"api/v1/sources/{GONE}")
    assert (answer.status_code, answer.json()) == (200, {"name": GONE, "done": True})
    assert GONE not in listed(site)


def test_what_cannot_be_forgotten(site: Site) -> None:
    """A configured source is removed from the configuration, and an unknown one is not found."""
    configured = site.call("DELETE", f"api/v1/sources/{SOURCES[0]}")
    assert configured.status_code == 409
    assert site.call("DELETE", "api/v1/sources/rock99:em9").status_code == 404
