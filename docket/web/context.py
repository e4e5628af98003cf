"""Everything that the handlers work with, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docket.bus.async_interface import AsyncBusClient
from docket.config.loader import DEFAULT_PATH
from docket.config.model import Config
from docket.domain.job import Job
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.web.auth.access import Access
from docket.web.auth.audit import Audit
from docket.web.auth.authenticator import Authenticator
from docket.web.health.health_faults import HealthFaults
from docket.web.health.queue_depths import QueueDepths
from docket.web.health.readiness import Readiness
from docket.web.http.executor import Executor
from docket.web.http.metrics import Metrics
from docket.web.http.urls import Urls
from docket.web.jobs.job_commands import JobCommands
from docket.web.jobs.job_history import JobHistory
from docket.web.jobs.link_cache import LinkCache
from docket.web.jobs.pcapng_follower import PcapngFollower
from docket.web.jobs.result_follower import ResultFollower
from docket.web.jobs.service import JobService
from docket.web.jobs.size_guard import SizeGuard
from docket.web.jobs.snapshot import SnapshotBuilder
from docket.web.jobs.surveys import Surveys
from docket.web.live.async_ledger import Ledger
from docket.web.live.event_feed import EventFeed

LEDGER_THREADS = 4
FILE_THREADS = 8
"""Separate pools: a slow disk under a download must not hold up a list."""

CERTIFICATES = (DEFAULT_PATH.parent / "tls", DEFAULT_PATH.parent / "bus-tls")
"""Where the pages put those of the proxy and of the broker; health looks when they end."""


@dataclass(frozen=True, slots=True)
class AppContext:
    config: Config
    link: AsyncBusClient
    authenticator: Authenticator
    urls: Urls
    metrics: Metrics
    files: Executor
    ledger_executor: Executor
    reader: LedgerReader
    ledger: Ledger
    spool: Spool
    event_feed: EventFeed
    snapshots: SnapshotBuilder
    job_history: JobHistory
    job_service: JobService
    surveys: Surveys
    access: Access
    audit: Audit
    job_commands: JobCommands
    link_cache: LinkCache
    readiness: Readiness

    @classmethod
    def build(cls, config: Config, link: AsyncBusClient, reader: LedgerReader, spool: Spool) -> AppContext:
        """Start nothing yet; must be called where the event loop runs. Raises ConfigError."""
        authenticator = Authenticator(config.web)
        urls = Urls(config.web.base_path)
        metrics = Metrics()
        ledger_executor = Executor("ledger", LEDGER_THREADS)
        files = Executor("files", FILE_THREADS)
        ledger = Ledger(reader, ledger_executor)
        event_feed = EventFeed(link, ledger, urls, metrics)
        event_feed.add_listener(metrics.jobs.on_event)
        job_history = JobHistory(ledger, event_feed)
        surveys = Surveys(link)
        queue_depths = QueueDepths()
        faults = HealthFaults(link, files, (*map(Path, config.bus_tls.values()), *CERTIFICATES))
        guard = SizeGuard(config.jobs.max_bytes, job_history, surveys)
        job_service = JobService(config, link, ledger, event_feed, spool, files, guard)
        return cls(
            config=config,
            link=link,
            authenticator=authenticator,
            urls=urls,
            metrics=metrics,
            files=files,
            ledger_executor=ledger_executor,
            reader=reader,
            ledger=ledger,
            spool=spool,
            event_feed=event_feed,
            snapshots=SnapshotBuilder(ledger, job_service, urls),
            job_history=job_history,
            job_service=job_service,
            surveys=surveys,
            access=Access(config.web, job_service),
            audit=Audit(link),
            job_commands=JobCommands(link, job_service, event_feed),
            link_cache=LinkCache(),
            readiness=Readiness(config.spool, link, ledger, spool, files, job_service, queue_depths, faults),
        )

    def follow(self, job: Job) -> ResultFollower:
        """The job's result while it grows."""
        return ResultFollower(self.job_service, self.spool, self.files, job)

    def follow_as_pcapng(self, job: Job) -> PcapngFollower:
        """The same as pcapng."""
        return PcapngFollower(self.follow(job), self.job_service, self.spool, self.files, job)

    @property
    def pools(self) -> tuple[tuple[str, Executor], ...]:
        return ("files", self.files), ("ledger", self.ledger_executor)

    async def close(self) -> None:
        await self.files.close()
        # SQLite crashes where a connection is closed under a thread that reads from it.
        await self.ledger_executor.close()
        self.reader.close()
