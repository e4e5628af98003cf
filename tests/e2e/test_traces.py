"""A trace goes with a job from the HTTP request that asks to the last event, through every service."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.memory.memory_queue import Message
from docket.bus.topology import FRAGMENTS, fragment_queue, source_queue
from docket.runtime.logs import DocketFormatter
from docket.runtime.traces import with_trace
from docket.workers.interface.service import InterfaceWorker
from docket.workers.sources.kinds import open_source
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_trace_goes_through_every_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Request, fragments and events carry it, and the log lines of web, worker and collector name it."""
    site, stop = Site(tmp_path), threading.Event()
    seen: list[tuple[str, str, object]] = []
    offer = MemoryBroker.offer_until

    def watched(broker: MemoryBroker, message: Message, **more: Any) -> None:
        seen.append((message.exchange, message.routing_key, message.headers.get("traceparent")))
        offer(broker, message, **more)

    monkeypatch.setattr(MemoryBroker, "offer_until", watched)
    worker = InterfaceWorker(site.config, site.broker, [open_source(source) for source in site.config.sources])
    thread = threading.Thread(target=worker.run, args=(stop,))
    try:
        site.start_collector()
        site.start_web()
        thread.start()
        wait_until(lambda: site.broker.depth(source_queue(SOURCES[0])).consumers, "the worker to listen")
        with caplog.at_level(logging.INFO, "docket"):
            answer = site.call(
                "POST", "api/v1/jobs", json={"query": "port 53", "after": "5m"}, headers={"traceparent": TRACE}
            )
            job = site.final(answer.json()["id"])
    finally:
        stop.set()
        thread.join()
        site.close()
    events = {key: trace for exchange, key, trace in seen if key.startswith("job.") and exchange == "docket.events"}
    assert {"job.requested", "job.source"} < set(events)
    assert set(events.values()) == {TRACE}
    fragments = [trace for exchange, _, trace in seen if exchange == FRAGMENTS]
    assert fragments
    assert set(fragments) == {TRACE}
    lines = [record for record in caplog.records if job.id in record.getMessage()]
    assert lines
    assert all(DocketFormatter(journal=True).format(line).endswith(f" trace={TRACE_ID}") for line in lines)
    assert site.broker.depth(fragment_queue(0)).messages == 0


def test_line_without_a_trace_stays_as_it_is() -> None:
    """Of a job that nobody traces, and of none."""
    lines = ["job 0192f0c1-7b1e-7cc3-8a52-3f0d6f1c9b10: done", "collector started"]
    assert [with_trace(line) for line in lines] == lines
