"""The live picture: every event in the ledger's order and without gaps, for sockets and handlers.

An event with a number on the bus only wakes a read of the ledger, from where the feed was: events are written there
before they are published. Progress and the status of sources have no number and are taken from the bus as they come.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from docket.bus.async_interface import AsyncBusClient
from docket.bus.messages import decode_event
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job
from docket.domain.shares import Shares
from docket.domain.source import SourceStatus
from docket.errors import MessageError, SpoolError
from docket.web.http.api_errors import ApiError
from docket.web.http.metrics import Metrics
from docket.web.http.rare_line import RareLine
from docket.web.http.urls import Urls
from docket.web.live.async_ledger import Ledger
from docket.web.live.audience import Audience
from docket.web.live.messages import EventFrame, encode
from docket.web.live.send_queue import RESTART_CODE, SLOW_CODE, Outstanding, SendQueue

logger = logging.getLogger(__name__)

CATCH_UP_EVENTS = 500
LOOK_S = 5.0
"""How often the ledger is read without an event on the bus. Heals what a broken bus never brought."""
MOST_PROGRESS = 10_000
"""Jobs whose progress is kept at most; they are few, unless events of their ends never come."""


TURN_S = 0.005
"""How long events are dispatched before other work of the loop has its turn."""

_Key = tuple[str, str, bool]
"""Who is sent the same events: the name under which sockets are counted, the user, and whether he sees everything."""

MOST_SOCKETS = 1_000
"""WebSockets of a process, twice the browsers that Docket is made for. Another one takes the place of the oldest of the
user who has most."""


class Watch:
    """What happens to one job, for a handler that waits for something."""

    def __init__(self) -> None:
        self.latest: Job | None = None
        self._news = asyncio.Event()

    def on_job(self, job: Job) -> None:
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
        """The last event of the ledger that was dispatched."""
        self.progress: dict[str, Job] = {}
        """Jobs as their progress shows them, fresher than the ledger, until their next event there."""
        self.sources: dict[str, SourceStatus] = {}
        """Sources as the bus has them."""
        self.send_queues: dict[SendQueue, _Key] = {}
        self.socket_shares: Shares[SendQueue] = Shares()
        self.most_sockets = MOST_SOCKETS
        self.outstanding = Outstanding()
        self._link = link
        self._ledger = ledger
        self._urls = urls
        self._metrics = metrics
        self._watches: dict[str, set[Watch]] = {}
        self._listeners: list[Callable[[EventMessage], None]] = []
        self._awaited: Callable[[], Iterable[str]] = tuple
        self._synced = False
        self._behind = False
        self._audiences: dict[_Key, Audience] = {}
        self._held: deque[EventMessage] = deque(maxlen=MOST_PROGRESS)
        """What came without a number while the ledger is read: it is dispatched after what was written before it."""
        self._turn_s = 0.0
        self._crowded = RareLine(
            logger,
            logging.WARNING,
            "too many sockets: one of the %d of %s is closed, who has most of %d; %d closed so far",
        )
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

    def admit(self, name: str, user: str, send_queue: SendQueue) -> None:
        """Let a socket of this user take part, counted under `name`; where there are too many, the one with most loses
        his oldest."""
        # The name of a user without a name may be that of a real user, who is sent other events.
        key = name, user, send_queue.wants is None
        self.send_queues[send_queue] = key
        self._audiences.setdefault(key, Audience(send_queue.wants)).add(send_queue)
        self.socket_shares.add(name, send_queue)
        while len(self.socket_shares) > self.most_sockets and (greediest := self.socket_shares.greediest()):
            self._crowded.add(greediest.things, greediest.name, self.most_sockets)
            self.dismiss(greediest.oldest)
            greediest.oldest.end(SLOW_CODE)

    def dismiss(self, send_queue: SendQueue) -> None:
        """The socket takes part no more."""
        self.socket_shares.discard(send_queue)
        key = self.send_queues.pop(send_queue, None)
        if key is None:
            return
        self._audiences[key].discard(send_queue)
        if not self._audiences[key]:
            del self._audiences[key]

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add_listener(self, listener: Callable[[EventMessage], None]) -> None:
        """Pass every event to `listener` as well, for as long as the process lives."""
        self._listeners.append(listener)

    def expect(self, awaited: Callable[[], Iterable[str]]) -> None:
        """Dispatch every event of these jobs, also those before the end of a ledger that is taken up at its end."""
        self._awaited = awaited

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
        """Follow one job within the block."""
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
        self._metrics.events[message.event.value] += 1
        if message.seq is not None:
            self._read_soon()
        elif message.event is EventName.INSPECTED:
            self._held.append(message)
            self._read_soon()
        elif self._behind:
            self._held.append(message)
        else:
            self._dispatch(message)

    def _link_changed(self, connected: bool) -> None:
        if connected:
            self._read_soon()

    def _read_soon(self) -> None:
        self._behind = True
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
            await self._release()

    async def _release(self) -> None:
        """Dispatch what was held back, unless the ledger is to be read once more."""
        while self._held and not self._wake.is_set():
            message = await self._vouched(self._held.popleft())
            if message is not None:
                self._dispatch(message)
            await self._breathe()
        self._behind = self._wake.is_set()

    async def _vouched(self, message: EventMessage) -> EventMessage | None:
        """The message, with the job as the ledger has it where the inspector speaks: it may say that a job was
        inspected, and not what the job is."""
        if message.event is not EventName.INSPECTED:
            return message
        try:
            job = None if message.job_id is None else await self._ledger.find(message.job_id)
        except (SpoolError, ApiError):
            return None  # the page asks for the summary by itself after a while
        return None if job is None else msgspec.structs.replace(message, job=job)

    async def _breathe(self) -> None:
        """Let others have the loop, at the latest after TURN_S: events come by the hundred, and sockets are many."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._turn_s > TURN_S:
            await asyncio.sleep(0)
            self._turn_s = loop.time()

    async def _catch_up(self) -> None:
        """Dispatch what the ledger has after our last event."""
        if not self._synced:
            await self._start_over(await self._ledger.last_seq())
            return
        while entries := await self._ledger.events_since(self.seq, CATCH_UP_EVENTS):
            for message in entries:
                assert message.seq is not None, "events in the ledger are numbered"
                self.seq = message.seq
                self._dispatch(message)
                await self._breathe()
            if len(entries) < CATCH_UP_EVENTS:
                return
        last = await self._ledger.last_seq()
        if last < self.seq:
            logger.warning("the ledger was replaced: its last event is %d, ours was %d", last, self.seq)
            await self._start_over(last)

    async def _start_over(self, last: int) -> None:
        """Take up the ledger's last number. Sockets that are open are ended: they may have missed something, and
        resume by themselves."""
        missed = [message for job_id in self._awaited() for message in await self._ledger.messages(job_id)]
        self._synced = True
        self.seq = last
        self.progress.clear()
        for send_queue in tuple(self.send_queues):
            send_queue.end(RESTART_CODE)
        for message in missed:
            self._dispatch(message)
            await self._breathe()

    def _dispatch(self, message: EventMessage) -> None:
        if message.source is not None:
            if message.event is EventName.SOURCE_FORGOTTEN:
                self.sources.pop(message.source.name, None)
            else:
                self.sources[message.source.name] = message.source
        job = message.job
        if job is not None:
            self._keep_progress(message.seq, job)
            for watch in self._watches.get(job.id, ()):
                watch.on_job(job)
        for listener in tuple(self._listeners):
            listener(message)
        if self.send_queues:
            self._send(message)

    def _send(self, message: EventMessage) -> None:
        encoded = encode(EventFrame.of(message, self._urls))
        subject: str = message.event
        if message.job is not None:
            subject = message.job.id
        elif message.source is not None:
            subject = message.source.name
        for audience in tuple(self._audiences.values()):
            if audience.wants is None or audience.wants(message):
                audience.put(message.seq, subject, encoded)

    def _keep_progress(self, seq: int | None, job: Job) -> None:
        if seq is not None:
            self.progress.pop(job.id, None)
        elif len(self.progress) < MOST_PROGRESS or job.id in self.progress:
            self.progress[job.id] = job
