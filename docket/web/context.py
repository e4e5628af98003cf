"""Everything that the handlers work with, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass

from docket.bus.async_interface import Link
from docket.config.model import Config
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.web.auth.access import Access
from docket.web.auth.audit import Audit
from docket.web.auth.authenticator import Gate
from docket.web.compat.link_cache import Recents
from docket.web.http.executor import Threads
from docket.web.http.metrics import Metrics
from docket.web.http.urls import Addresses
from docket.web.jobs.async_ledger import Ledger
from docket.web.jobs.job_commands import Orders
from docket.web.jobs.job_history import Experience
from docket.web.jobs.service import Desk
from docket.web.live.event_feed import Hub
from docket.web.live.snapshot import Beginnings

LEDGER_THREADS = 4
FILE_THREADS = 8
"""Separate pools: a slow disk under a download must not hold up a list."""


@dataclass(frozen=True, slots=True)
class Services:
    config: Config
    link: Link
    gate: Gate
    addresses: Addresses
    metrics: Metrics
    files: Threads
    ledger_threads: Threads
    reader: LedgerReader
    ledger: Ledger
    spool: Spool
    hub: Hub
    beginnings: Beginnings
    experience: Experience
    desk: Desk
    access: Access
    audit: Audit
    orders: Orders
    recents: Recents

    @classmethod
    def build(cls, config: Config, link: Link, reader: LedgerReader, spool: Spool) -> Services:
        """Start nothing yet; must be called where the event loop runs. Raises ConfigError."""
        gate = Gate(config.web)
        addresses = Addresses(config.web.base_path)
        metrics = Metrics()
        ledger_threads = Threads("ledger", LEDGER_THREADS)
        files = Threads("files", FILE_THREADS)
        ledger = Ledger(reader, ledger_threads)
        hub = Hub(link, ledger, addresses, metrics)
        experience = Experience(ledger, hub)
        desk = Desk(config, link, ledger, hub, spool, files, experience)
        return cls(
            config=config,
            link=link,
            gate=gate,
            addresses=addresses,
            metrics=metrics,
            files=files,
            ledger_threads=ledger_threads,
            reader=reader,
            ledger=ledger,
            spool=spool,
            hub=hub,
            beginnings=Beginnings(ledger, desk, addresses),
            experience=experience,
            desk=desk,
            access=Access(config.web, desk),
            audit=Audit(link),
            orders=Orders(link, desk, hub),
            recents=Recents(),
        )

    @property
    def pools(self) -> tuple[tuple[str, Threads], ...]:
        return ("files", self.files), ("ledger", self.ledger_threads)

    async def close(self) -> None:
        await self.files.close()
        # SQLite crashes where a connection is closed under a thread that reads from it.
        await self.ledger_threads.close()
        self.reader.close()
