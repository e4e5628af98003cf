"""A whole Docket in this process for the tests of the web app: embedded bus, collector, web app on a free port."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import requests

from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import Broker
from docket.bus.memory.memory_async_client import MemoryAsyncClient
from docket.bus.memory.memory_broker import MemoryBroker
from docket.config.model import CaptureFilesConfig, Config, JobsConfig, SpoolConfig, WebConfig
from docket.domain.job import Job
from docket.errors import SpoolError
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.web.app import serve
from docket.workers.collector.service import Collector
from tests.services.waiting import wait_until

SOURCES = ("rock01:em1", "rock01:em2")
FINAL = ("completed", "partial", "failed", "cancelled", "expired")


class Thread:
    """A service in a thread, which raises in the test what it raised there."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), f"{self._thread.name} does not end"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - handed on by join
            self._error = error


class Site:
    """Starts in `start`, speaks HTTP through `call`, and stops in `close`."""

    def __init__(self, folder: Path, *, bus: str = "memory://", **web: Any) -> None:
        self.config = Config(
            sources=tuple(CaptureFilesConfig(name=name, path=folder) for name in SOURCES),
            bus=bus,
            spool=SpoolConfig(path=folder / "spool", min_free_bytes=1_000),
            web=WebConfig(**{"listen": ("127.0.0.1:0",)} | web),
            jobs=JobsConfig(patience_s=3600),
        )
        self.spool = Spool(self.config.spool.path)
        self.broker: Broker = MemoryBroker()
        self.broker.declare(SOURCES)
        self.session = requests.Session()
        self.urls: list[str] = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_web: asyncio.Event | None = None
        self._stop_collector = threading.Event()
        self._collector: Thread | None = None
        self._web: Thread | None = None

    def start_collector(self) -> None:
        self._stop_collector.clear()
        collector = Collector(self.config, self.broker)
        self._collector = Thread("collector", lambda: collector.run(self._stop_collector))
        reader = LedgerReader(self.spool.ledger)

        def readable() -> bool:
            try:
                return reader.last_seq() >= 0
            except SpoolError:
                return False

        wait_until(readable, "the ledger")
        reader.close()

    def stop_collector(self) -> None:
        self._stop_collector.set()
        if self._collector is not None:
            self._collector.join()
        self._collector = None

    def start_web(self) -> None:
        self._ready.clear()
        self._web = Thread("web", lambda: asyncio.run(self._serve()))
        if not self._ready.wait(20):
            self._web.join()

    def stop_web(self) -> None:
        if self._loop is not None and self._stop_web is not None and self._web is not None:
            self._loop.call_soon_threadsafe(self._stop_web.set)
            self._web.join()
        self._web = None

    def close(self) -> None:
        self.session.close()
        self.stop_web()
        self.stop_collector()
        self.broker.close()

    @property
    def port(self) -> int:
        return int(self.urls[0].rpartition(":")[2])

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"{self.root}/app/docket/{path}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request below the base path."""
        return self.session.request(method, self.url(path), timeout=20, allow_redirects=False, **more)

    def ask(self, **question: Any) -> Job:
        """Ask, and expect that it is a new job."""
        answer = self.call("POST", "api/v1/jobs", json={"query": ""} | question)
        assert answer.status_code == 201, answer.text
        return msgspec.json.decode(answer.content, type=Job)

    def job(self, job_id: str) -> Job:
        answer = self.call("GET", f"api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Job)

    def final(self, job_id: str) -> Job:
        """The job once it is final."""

        def final() -> Job | None:
            job = self.job(job_id)
            return job if job.is_final else None

        job = wait_until(final, f"job {job_id} to end", timeout_s=60.0)
        assert job is not None
        return job

    def connect(self) -> socket.socket:
        """A bare connection to the web app."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def link(self) -> AsyncBusClient:
        assert isinstance(self.broker, MemoryBroker)
        return MemoryAsyncClient(self.broker)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_web = asyncio.Event()
        await serve(self.config, self.link(), self._stop_web, self._on_ready)

    def _on_ready(self, urls: list[str]) -> None:
        self.urls = urls
        self._ready.set()


@contextmanager
def running(site: Site) -> Iterator[Site]:
    """The site with its collector and its web app, closed at the end."""
    try:
        site.start_collector()
        site.start_web()
        yield site
    finally:
        site.close()
