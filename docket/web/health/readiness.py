"""Every check of this server: whether new questions are taken, and whether all of Docket works.

For `GET health`, which the page and `docket status` show, and for the figures, which so name the same faults.
"""

from __future__ import annotations

from typing import NamedTuple

from docket import __version__
from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import QueueDepth
from docket.config.model import SpoolConfig
from docket.domain.api import Check, Health, Status
from docket.domain.clock import now_us
from docket.domain.source import SourceStatus
from docket.domain.units import size_text
from docket.errors import SpoolError
from docket.spool.collector_health import SILENCE_S, CollectorHealth
from docket.spool.layout import Spool
from docket.web.health.health_faults import HealthFaults, fault
from docket.web.health.queue_depths import QueueDepths
from docket.web.http.executor import Executor
from docket.web.jobs.service import JobService
from docket.web.live.async_ledger import Ledger

ADVICE = {
    "broker": "systemctl status rabbitmq-server; then `bus` in the configuration",
    "ledger": "systemctl status docket-collector: it makes the ledger, and the web app reads it in spool.path",
    "spool": "delete results, or lower spool.max_bytes or spool.keep; what else fills the disk?",
    "collector": "systemctl status docket-collector; journalctl -u docket-collector",
}


class LedgerFigures(NamedTuple):
    """What the ledger says of itself and of the collector."""

    seq: int
    """Of its last event."""
    collector: CollectorHealth | None
    """The collector's last heartbeat."""


class Overview(NamedTuple):
    """What one look at all of Docket gave: the checks, and the figures that they judge."""

    health: Health
    ledger: LedgerFigures | None
    """None while it cannot be read; as with the free space of the spool."""
    free_bytes: int | None
    sources: list[SourceStatus]
    depths: dict[str, QueueDepth]
    """By queue, as far as they can be seen."""


class Readiness:
    """One per process."""

    def __init__(
        self,
        config: SpoolConfig,
        link: AsyncBusClient,
        ledger: Ledger,
        spool: Spool,
        files: Executor,
        job_service: JobService,
        queue_depths: QueueDepths,
        health_faults: HealthFaults,
    ) -> None:
        self._config = config
        self._link = link
        self._ledger = ledger
        self._spool = spool
        self._files = files
        self._job_service = job_service
        self._queue_depths = queue_depths
        self._faults = health_faults

    async def overview(self) -> Overview:
        """Look at everything once. A check that is well is listed only for this server, the collector and sources."""
        broker = await self._broker()
        ledger_check, collector, ledger = await self._of_ledger()
        space, free_bytes = await self._space()
        sources = await self._job_service.sources_or_configured()
        seen = None if ledger is None else ledger.collector
        depths = await self._queue_depths.of(self._link, [source.name for source in sources], seen)
        faults = await self._faults.others(sources, depths)
        needed = (broker, ledger_check, space)
        checks = (*needed, collector, *map(_source, sources), *faults)
        if not all(check.ok for check in needed):
            status = Status.DOWN
        else:
            status = Status.OK if all(check.ok for check in checks) else Status.DEGRADED
        health = Health(status=status, ready=status is not Status.DOWN, version=__version__, checks=checks)
        return Overview(health, ledger, free_bytes, sources, depths)

    async def _broker(self) -> Check:
        if not self._link.connected:
            return _wrong("broker", "no connection to the message bus")
        refusal = await self._faults.broker()
        return refusal or Check(name="broker", ok=True, message="connected")

    async def _of_ledger(self) -> tuple[Check, Check, LedgerFigures | None]:
        try:
            figures = LedgerFigures(await self._ledger.last_seq(), await self._ledger.collector())
        except SpoolError as error:
            unknown = _wrong("collector", "not known without the ledger")
            return _wrong("ledger", str(error)), unknown, None
        ledger = Check(name="ledger", ok=True, message=f"{figures.seq} events")
        return ledger, _collector(figures.collector), figures

    async def _space(self) -> tuple[Check, int | None]:
        try:
            free_bytes = await self._files.run(self._spool.free_bytes)
        except SpoolError as error:
            return _wrong("spool", str(error)), None
        least_bytes = self._config.min_free_bytes
        words = f"{size_text(free_bytes)} free, new jobs need {size_text(least_bytes)}"
        if free_bytes < least_bytes:
            return _wrong("spool", words), free_bytes
        return Check(name="spool", ok=True, message=words), free_bytes


def _wrong(name: str, message: str) -> Check:
    return fault(name, message, ADVICE[name])


def _collector(health: CollectorHealth | None) -> Check:
    if health is None:
        return _wrong("collector", "was never started")
    silence_s = health.silent_s(now_us())
    if silence_s > SILENCE_S:
        return _wrong("collector", f"nothing heard for {silence_s:.0f} s")
    if health.trouble:
        return _wrong("collector", health.trouble)
    aside = f"; {health.set_aside} unknown results are in the spool's aside/" if health.set_aside else ""
    return Check(name="collector", ok=True, message=f"running, {health.open_jobs} open jobs{aside}")


def _source(status: SourceStatus) -> Check:
    name = f"source {status.name}"
    if status.state == "online" and not status.error:
        return Check(name=name, ok=True, message=status.state)
    interface = status.name.rpartition(":")[2]
    store = "" if status.kind == "capture-files" else f" stenographer@{interface}"
    return fault(name, status.error or status.state, f"systemctl status docket-worker@{interface}{store}")
