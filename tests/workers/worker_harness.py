"""A bus with a worker on one side and, on the other, a listener in the collector's place that keeps what it hears."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from docket.bus.interface import Broker
from docket.bus.messages import (
    Fragment,
    FragmentKind,
    Retry,
    decode_event,
    decode_fragment,
    encode,
)
from docket.bus.topology import EVENTS, FRAGMENT_SHARDS, JOBS, REQUEST_KEY, RETRY_KEY, fragment_queue, source_queue
from docket.config.model import Config, JobsConfig, StenographerConfig
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, SourceAnswer, State
from docket.domain.request import Request
from docket.domain.timewindow import format_us
from docket.workers.collector.part import parted
from docket.workers.interface.service import InterfaceWorker
from docket.workers.sources.base import Source
from docket.workers.sources.kinds import open_source
from tests.services.waiting import wait_until


class Office:
    """What came over the bus, and ways to send something."""

    def __init__(self, broker: Broker, sources: Sequence[str]) -> None:
        self.broker = broker
        broker.declare(list(sources))
        self.fragments: list[Fragment] = []
        self.events: list[EventMessage] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="office")

    def send(self, message: Request | Retry) -> None:
        """Publish a job message to the workers."""
        self.send_bytes(REQUEST_KEY if isinstance(message, Request) else RETRY_KEY, encode(message))

    def send_bytes(self, key: str, body: bytes) -> None:
        self._publish(JOBS, key, body)

    def tell(
        self, name: EventName, request: Request, source: str = "rock01:em1", attempt: int = 0, key: str = ""
    ) -> None:
        """Publish an event of a job, as the collector does, with the attempt that it has accepted of a source;
        or with another routing key, as somebody does who may not publish that event."""
        answer = SourceAnswer(name=source, attempt=attempt)
        job = Job(
            id=request.id,
            state=State(name.value.removeprefix("job.")),
            query=request.query,
            asked=request.asked,
            explanation="",
            after=format_us(request.after_us),
            before=format_us(request.before_us),
            owner="",
            note="",
            created_at=format_us(request.requested_at_us),
            deadline=format_us(request.deadline_us),
            sources=(answer,),
        )
        self._publish(EVENTS, key or name.value, encode(EventMessage(event=name, at=Clock().now(), job=job)))

    def of(self, request: Request, kind: FragmentKind, source: str = "rock01:em1") -> list[Fragment]:
        """The fragments of one kind that came for a job from a source."""
        return [
            fragment
            for fragment in list(self.fragments)
            if (fragment.job, fragment.source, fragment.kind) == (request.id, source, kind)
        ]

    def begun(self, request: Request, source: str = "rock01:em1", times: int = 1) -> Fragment:
        """Wait for a `begin`, the first or a later one."""
        wait_until(lambda: len(self.of(request, FragmentKind.BEGIN, source)) >= times, f"begin number {times}")
        return self.of(request, FragmentKind.BEGIN, source)[times - 1]

    def ended(self, request: Request, source: str = "rock01:em1", timeout_s: float = 10.0) -> Fragment:
        """Wait for the `end`."""
        wait_until(lambda: self.of(request, FragmentKind.END, source), "the end of the reading", timeout_s)
        return self.of(request, FragmentKind.END, source)[0]

    def body(self, run: str) -> bytes:
        """The packets of one reading, in the order of its fragments, each fragment once."""
        data = {fragment.seq: fragment.body for fragment in list(self.fragments) if fragment.run == run}
        return b"".join(bytes(data[seq]) for seq in sorted(data) if seq >= 0)

    def heard(self, name: EventName, source: str = "rock01:em1") -> list[EventMessage]:
        return [
            event for event in list(self.events) if event.event is name and event.source and event.source.name == source
        ]

    def __enter__(self) -> Office:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _publish(self, exchange: str, key: str, body: bytes) -> None:
        publisher = self.broker.publisher("test")
        publisher.publish(exchange, key, body, mandatory=exchange == JOBS)
        publisher.close()

    def _listen(self) -> None:
        queues = [fragment_queue(shard) for shard in range(FRAGMENT_SHARDS)]
        receiver = self.broker.receiver("office", queues, prefetch=64, listen=["source.*"])
        while not self._stop.is_set():
            delivery = receiver.receive(0.05)
            if delivery is None:
                continue
            if delivery.queue:
                self.fragments += parted(decode_fragment(delivery.headers, delivery.body))
            else:
                self.events.append(decode_event(delivery.body, delivery.routing_key))
            delivery.ack()
        receiver.close()


@contextmanager
def working(
    broker: Broker,
    configs: Sequence[StenographerConfig],
    sources: Sequence[Source] | None = None,
    *,
    patience_s: int = 1,
    given_back: int = 0,
) -> Iterator[InterfaceWorker]:
    """A worker in a thread of its own, for as long as the context lasts.

    When it has left, so many messages must be back in the queue of its first source.
    """
    config = Config(sources=tuple(configs), jobs=JobsConfig(patience_s=patience_s))
    worker = InterfaceWorker(config, broker, sources or [open_source(source) for source in configs])
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), name="worker")
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        depth = lambda: broker.depth(source_queue(configs[0].name)).messages == given_back  # noqa: E731
        wait_until(depth, f"{given_back} messages to be back in the queue")
