"""The live picture: every event of the bus, in the ledger's order and without gaps, for sockets and handlers.

The bus brings events quickly, the ledger has them all. An event that follows its predecessor goes straight out;
at anything else (a gap, a new connection to the bus) the feed reads on in the ledger from where it was. Events are
written to the ledger before they are published, so what was heard on the bus can always be read there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from docket.bus.async_interface import AsyncBusClient
from docket.bus.messages import decode_event
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job
from docket.domain.source import SourceStatus
from docket.errors import MessageError, SpoolError
from docket.web.http.api_errors import ApiError
from docket.web.http.metrics import Metrics
from docket.web.http.urls import Urls
from docket.web.jobs.async_ledger import Ledger
from docket.web.live.messages import EventFrame, encode
from docket.web.live.send_queue import RESTART_CODE, Outstanding, SendQueue

logger = logging.getLogger(__name__)

CATCH_UP_EVENTS = 500
LOOK_S = 5.0
"""How often the ledger's last number is compared with ours. Heals what a broken bus never brought."""
MOST_PROGRESS = 10_000
"""Jobs whose progress is kept at most; they are few, unless events of their ends never come."""


class Watch:
    """What happens to one job, for a handler that waits for something."""

    def __init__(self) -> None:
        self.latest: Job | None = None
        self._news = asyncio.Event()

    def tell(self, job: Job) -> None:
        self.latest = job
        self._news.set()

    async def news(self, timeout_s: float) -> bool:
        """Wait for the next event of the job; False after the time-out."""
        try:
            # Not wait_for: before Python 3.12 it forgets a cancellation that comes together with the news.
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def until(self, wanted: Callable[[Job], bool], timeout_s: float) -> Job | None:
        """The first state of the job that is wanted, or None after the time-out."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            if self.latest is not None and wanted(self.latest):
                return self.latest
            left_s = deadline_s - asyncio.get_running_loop().time()
            if left_s <= 0 or not await self.news(left_s):
                return None


class EventFeed:
    """One per process, for the event loop only."""

    def __init__(self, link: AsyncBusClient, ledger: Ledger, urls: Urls, metrics: Metrics) -> None:
        self.seq = 0
        """The last event that was told to everybody."""
        self.progress: dict[str, Job] = {}
        """Jobs as their progress shows them, fresher than the ledger, until their next event there."""
        self.sources: dict[str, SourceStatus] = {}
        """Sources as last heard on the bus."""
        self.send_queues: set[SendQueue] = set()
        self.outstanding = Outstanding()
        self._link = link
        self._ledger = ledger
        self._urls = urls
        self._metrics = metrics
        self._watches: dict[str, set[Watch]] = {}
        self._listeners: list[Callable[[EventMessage], None]] = []
        self._heard = 0
        self._synced = False
        self._reading = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the ledger's last number and begin to listen. To be called before the link is started."""
        try:
            await self._catch_up()
        except SpoolError as error:
            logger.warning("the ledger cannot be read yet: %s", error)
        self._link.listen(["job.#", "source.#"], self._arrived)
        self._link.on_change(self._link_changed)
        self._task = asyncio.create_task(self._follow_ledger())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add_listener(self, listener: Callable[[EventMessage], None]) -> None:
        """Have every event told to `listener` as well, for as long as the process lives."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[EventMessage], None]) -> Iterator[None]:
        """Pass every event to `listener` within the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Hear of one job within the block."""
        watch = Watch()
        self._watches.setdefault(job_id, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[job_id]
            watches.discard(watch)
            if not watches:
                del self._watches[job_id]

    def _arrived(self, key: str, body: bytes) -> None:
        try:
            message = decode_event(body, key)
        except MessageError as error:
            logger.warning("an event %s cannot be read: %s", key, error)
            return
        self.hear(message)

    def hear(self, message: EventMessage) -> None:
        """Take one event of the bus."""
        self._metrics.events[message.event.value] += 1
        if message.seq is None:
            self._tell(message)
            return
        self._heard = max(self._heard, message.seq)
        if self._reading or (self._synced and message.seq <= self.seq):
            return
        if self._synced and message.seq == self.seq + 1:
            self.seq = message.seq
            self._tell(message)
        else:
            self._wake.set()

    def _link_changed(self, connected: bool) -> None:
        if connected:
            self._wake.set()

    async def _follow_ledger(self) -> None:
        """Read on in the ledger whenever there is reason to, and from time to time without one."""
        failing = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
                failing = False
            except (SpoolError, ApiError) as error:
                if not failing:
                    logger.warning("the ledger cannot be read, events may come late: %s", error)
                failing = True

    async def _catch_up(self) -> None:
        before = self.seq
        last = await self._ledger.last_seq()
        if not self._synced:
            self._start_over(last)
        elif last < before:
            logger.warning("the ledger was replaced: its last event is %d, ours was %d", last, before)
            self._start_over(last)
        elif max(last, self._heard) > self.seq:
            self._reading = True
            try:
                await self._read_on()
            finally:
                self._reading = False

    async def _read_on(self) -> None:
        """Tell what the ledger has after our last event, until it has no more and nothing more was heard."""
        while True:
            heard = self._heard
            entries = await self._ledger.events_since(self.seq, CATCH_UP_EVENTS)
            for message in entries:
                assert message.seq is not None, "events in the ledger are numbered"
                self.seq = message.seq
                self._tell(message)
            if entries or self._heard != heard:
                continue
            if heard > self.seq:
                logger.warning("event %d was on the bus and is not in the ledger", heard)
                self._heard = self.seq
            return

    def _start_over(self, last: int) -> None:
        """Take up the ledger's last number. Sockets that are open are ended: they may have missed something, and
        resume by themselves."""
        self._synced = True
        self.seq = self._heard = last
        self.progress.clear()
        for send_queue in tuple(self.send_queues):
            send_queue.end(RESTART_CODE)

    def _tell(self, message: EventMessage) -> None:
        if message.source is not None:
            if message.event is EventName.SOURCE_FORGOTTEN:
                self.sources.pop(message.source.name, None)
            else:
                self.sources[message.source.name] = message.source
        job = message.job
        if job is not None:
            self._keep_progress(message.seq, job)
            for watch in self._watches.get(job.id, ()):
                watch.tell(job)
        for listener in tuple(self._listeners):
            listener(message)
        if not self.send_queues:
            return
        encoded = encode(EventFrame.of(message, self._urls))
        for send_queue in tuple(self.send_queues):
            if send_queue.hears is not None and not send_queue.hears(message):
                continue
            if message.seq is not None:
                send_queue.put_event(message.seq, job.id if job is not None else None, encoded)
            elif job is not None:
                send_queue.put_latest(job.id, encoded)
            else:
                send_queue.put_latest(message.source.name if message.source is not None else message.event, encoded)

    def _keep_progress(self, seq: int | None, job: Job) -> None:
        if seq is not None:
            self.progress.pop(job.id, None)
        elif len(self.progress) < MOST_PROGRESS or job.id in self.progress:
            self.progress[job.id] = job
