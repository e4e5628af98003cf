"""One process and the services in it: threads, signals, the order of stopping. The only place that owns signals.

A service is anything with `run(stop)`: it blocks until `stop` is set, then brings its work to an orderly end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from docket.errors import BusError, DocketError
from docket.runtime.exit_codes import ExitCode
from docket.runtime.memory import keep_freed_memory
from docket.runtime.systemd import SystemdNotifier
from docket.runtime.watchdog import WatchedStop

log = logging.getLogger(__name__)

STOP_S = 20.0
"""How long one service may take to end; below the 30 s that the units give the whole process."""

Serve = Callable[[asyncio.Event], Awaitable[None]]
"""The web app: serves in the event loop until the event is set."""


class Runnable(Protocol):
    def run(self, stop: threading.Event) -> None:
        """Do the work until `stop` is set."""


class Service(NamedTuple):
    name: str
    work: Runnable


class ServiceThread(threading.Thread):
    """A service in a thread. It ends for one of three reasons: asked to, an error of ours, a bug."""

    def __init__(self, service: Service, on_end: Callable[[ServiceThread], object]) -> None:
        super().__init__(name=service.name, daemon=True)
        self.stop = WatchedStop()
        self.error: DocketError | None = None
        self._work = service.work
        self._on_end = on_end

    def run(self) -> None:
        self.stop.begin()
        try:
            self._work.run(self.stop)
        except DocketError as error:
            self.error = error
        finally:
            self._on_end(self)


class Host:
    """Runs services, and perhaps the web app, until a signal comes or one of them ends by itself."""

    def __init__(self, services: Sequence[Service], notifier: SystemdNotifier) -> None:
        self._services = services
        self._notifier = notifier
        self._ended: list[ServiceThread] = []

    async def run(self, serve: Serve | None = None) -> ExitCode:
        """Start everything in the given order; give the exit code after an orderly stop.

        Without `serve` the process is ready when its threads run: they wait for the broker by themselves. `serve`
        says by itself when it is ready, for only it knows when it listens.

        The order of stopping is the reverse, so that no service speaks to one that has gone:
        1. the web app takes no new requests and ends its sockets;
        2. workers drop their readings and give back the questions in hand;
        3. the collector, last, has written all that the workers said.
        The caller then closes the bus.
        """
        keep_freed_memory()
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def ended(thread: ServiceThread) -> None:
            if not thread.stop.is_set():
                self._ended.append(thread)
                stop.set()

        threads = [
            ServiceThread(service, lambda thread: loop.call_soon_threadsafe(ended, thread))
            for service in self._services
        ]
        with _signals(loop, stop):
            for thread in threads:
                thread.start()
            try:
                async with _feed_watchdog(self._notifier, [thread.stop for thread in threads]):
                    if serve is None:
                        self._notifier.ready(", ".join(service.name for service in self._services))
                    await (stop.wait() if serve is None else serve(stop))
            finally:
                self._notifier.stopping()
                for thread in reversed(threads):
                    await self._end(thread)
        return self._code()

    async def _end(self, thread: ServiceThread) -> None:
        thread.stop.set()
        await asyncio.to_thread(thread.join, STOP_S)
        if thread.is_alive():
            log.error("%s has not ended %g s after it was asked to; leaving without it", thread.name, STOP_S)

    def _code(self) -> ExitCode:
        """Why the services ended, as an exit code; each that ended by itself is named in the log."""
        for thread in self._ended:
            log.critical("%s has ended by itself: %s", thread.name, thread.error or "see the traceback above")
        errors = [thread.error for thread in self._ended]
        if not errors:
            return ExitCode.OK
        return ExitCode.BUS if all(isinstance(error, BusError) for error in errors) else ExitCode.CRASHED


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`; a second one ends the process at once."""

    def received() -> None:
        if stop.is_set():
            os._exit(ExitCode.INTERRUPTED)
        log.info("stopping; a second signal ends at once")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _feed_watchdog(notifier: SystemdNotifier, stops: Sequence[WatchedStop]) -> AsyncIterator[None]:
    """Feed the watchdog within the block, as long as the event loop and every service's own loop turn."""

    async def beats(every_s: float) -> None:
        silent = False
        while True:
            stuck_s = max((stop.silent_s for stop in stops), default=0.0)
            if stuck_s < 2 * every_s:
                notifier.beat()
            elif not silent:
                log.critical("service loop stalled for %.0f s, watchdog not notified", stuck_s)
            silent = stuck_s >= 2 * every_s
            await asyncio.sleep(every_s)

    task = asyncio.create_task(beats(notifier.beat_s)) if notifier.beat_s is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
