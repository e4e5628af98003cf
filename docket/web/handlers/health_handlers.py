"""`GET api/v1/health` and `GET metrics`: whether this process lives, whether Docket works, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from docket import __version__
from docket.bus.interface import QueueDepth
from docket.domain.api import Check, Health, Status
from docket.domain.clock import now_us
from docket.domain.job import State
from docket.domain.source import SourceStatus
from docket.domain.timewindow import US_PER_S, parse_time_us
from docket.errors import SpoolError
from docket.spool.collector_health import CollectorHealth
from docket.web.handlers.base import Handler
from docket.web.health.readiness import LedgerFigures
from docket.web.http.metrics import CONTENT_TYPE, Exposition
from docket.web.http.route_spec import Operation, Operations, Param

NAMED_STATS = (
    ("behind", "docket_index_behind_bytes", "Bytes of captures that are still to be indexed."),
    ("behind_files", "docket_index_behind_files", "Capture files that are still to be indexed."),
    ("index_reported", "docket_index_reported_seconds", "When the indexer last said how far it is, Unix."),
    ("index_bytes", "docket_index_bytes", "Size of the index."),
    (
        "dropped",
        "docket_recorder_dropped_packets",
        "Packets that the recorder says it dropped, in files that are indexed or were read whole.",
    ),
    ("last_written", "docket_recorder_last_written_seconds", "When the directory was written to last, Unix."),
)
"""Counters of sources that people alert on."""


class HealthHandler(Handler):
    """Liveness and readiness."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Readiness with every check; with ?live only whether the process answers",
            gives={200: Health, 503: Health},
            params=(Param("live", "Present: say only that this process lives"),),
        )
    }

    async def get(self) -> None:
        live = bool(self.get_query_arguments("live"))
        health = _alive() if live else (await self.services.readiness.overview()).health
        self.write_json(health, 200 if health.ready else 503)

    head = get


class MetricsHandler(Handler):
    """Figures for Prometheus."""

    operations: ClassVar[Operations] = {"GET": Operation("Figures for Prometheus", gives={200: "text/plain"})}

    async def get(self) -> None:
        page = Exposition()
        services = self.services
        services.metrics.add_to(page)
        page.value("docket_sockets", "gauge", "WebSockets that are open.", len(services.event_feed.send_queues))
        waiting = sum(map(len, services.event_feed.send_queues))
        page.value("docket_socket_messages_waiting", "gauge", "Messages that wait for slow sockets.", waiting)
        page.value("docket_bus_connected", "gauge", "1 while the bus is there.", services.link.connected)
        page.value("docket_live_seq", "gauge", "Last event sent to the sockets.", services.event_feed.seq)
        page.value(
            "docket_jobs_pending", "gauge", "Jobs asked here that the ledger lacks.", len(services.job_service.pending)
        )
        busy = (({"pool": name}, pool.busy) for name, pool in services.pools)
        page.add("docket_threads_busy", "gauge", "Calls that run or wait, by pool of threads.", busy)
        overview = await services.readiness.overview()
        await self._add_ledger(page, overview.ledger)
        self._add_space(page, overview.free_bytes)
        _add_faults(page, overview.health)
        _add_queues(page, overview.depths)
        _add_sources(page, overview.sources)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(page.text(services.metrics.registry))

    head = get

    async def _add_ledger(self, page: Exposition, ledger: LedgerFigures | None) -> None:
        """Jobs, sequence and collector; left out, and shown as down, while they cannot be read."""
        try:
            states = None if ledger is None else await self.services.ledger.states()
        except SpoolError:
            states = None
        page.value("docket_ledger_up", "gauge", "1 while the ledger can be read.", states is not None)
        if ledger is None or states is None:
            return
        page.value("docket_ledger_seq", "gauge", "Last event in the ledger.", ledger.seq)
        counts = (({"state": state.value}, states[state]) for state in State)
        page.add("docket_jobs", "gauge", "Jobs in the ledger, by state.", counts)
        _add_collector(page, ledger.collector)

    def _add_space(self, page: Exposition, free_bytes: int | None) -> None:
        if free_bytes is None:
            return
        least_bytes = self.services.config.spool.min_free_bytes
        page.value("docket_spool_free_bytes", "gauge", "Free space where the spool is.", free_bytes)
        page.value("docket_spool_min_free_bytes", "gauge", "New jobs are refused below this.", least_bytes)


def _alive() -> Health:
    check = Check(name="process", ok=True, message="answers")
    return Health(status=Status.OK, ready=True, version=__version__, checks=(check,))


def _add_collector(page: Exposition, health: CollectorHealth | None) -> None:
    if health is None:
        return
    page.value(
        "docket_collector_silent_seconds", "gauge", "Age of the collector's heartbeat.", health.silent_s(now_us())
    )
    page.value("docket_spool_used_bytes", "gauge", "What results and parts take up.", health.used_bytes)
    page.value("docket_spool_max_bytes", "gauge", "The quota of results and parts.", health.max_bytes)


def _add_faults(page: Exposition, health: Health) -> None:
    """One sample for each check that is not well; what to do stands in a family of its own, as labels do not change."""
    bad = [check for check in health.checks if not check.ok]
    page.add("docket_fault", "gauge", "1 for each fault of GET health.", (({"fault": one.name}, 1) for one in bad))
    advice = (({"fault": one.name, "advice": one.advice}, 1) for one in bad)
    page.add("docket_fault_info", "gauge", "What to do about each fault of GET health.", advice)


def _add_queues(page: Exposition, depths: Mapping[str, QueueDepth]) -> None:
    messages = (({"queue": name}, depth.messages) for name, depth in depths.items())
    page.add("docket_queue_messages", "gauge", "Messages in each queue of the bus.", messages)
    consumers = (({"queue": name}, depth.consumers) for name, depth in depths.items())
    page.add("docket_queue_consumers", "gauge", "Consumers of each queue of the bus.", consumers)


def _age_s(at: str) -> float:
    return max(0.0, (now_us() - parse_time_us(at, None)) / US_PER_S)


def _add_sources(page: Exposition, sources: Sequence[SourceStatus]) -> None:
    up = (({"source": one.name, "kind": one.kind}, float(one.state == "online")) for one in sources)
    page.add("docket_source_up", "gauge", "1 while the source is online.", up)
    errors = (({"source": one.name}, float(bool(one.error))) for one in sources)
    page.add("docket_source_error", "gauge", "1 while the source's store does not answer its worker.", errors)
    heard = (({"source": one.name}, _age_s(one.last_seen)) for one in sources if one.last_seen)
    page.add("docket_source_silent_seconds", "gauge", "Time since the source was heard of.", heard)
    stats = (({"source": one.name, "stat": name}, value) for one in sources for name, value in one.stats.items())
    page.add("docket_source_stat", "gauge", "The source's own counters, by name.", stats)
    gaps = (({"source": one.name}, len(one.gaps)) for one in sources)
    page.add("docket_source_gaps", "gauge", "Stretches without a sign of recording that the source knows.", gaps)
    for stat, name, about in NAMED_STATS:
        named = (({"source": one.name}, one.stats[stat]) for one in sources if stat in one.stats)
        page.add(name, "gauge", about, named)
    oldest = (({"source": one.name}, parse_time_us(one.oldest, None) / US_PER_S) for one in sources if one.oldest)
    page.add("docket_source_oldest_packet_seconds", "gauge", "Time of the source's oldest packet, Unix.", oldest)
