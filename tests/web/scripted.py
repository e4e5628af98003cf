"""A worker whose every word a test says: it takes questions from a source's queue and answers with fragments."""

import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from docket.bus import topology
from docket.bus.interface import Broker, Delivery
from docket.bus.messages import Fragment, FragmentKind, decode_job_message, encode, fragment_headers
from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Verdict
from docket.domain.request import Request
from docket.domain.source import SourceStatus
from docket.domain.timewindow import format_us
from docket.packet.pcap import ETHERNET, RECORD_HEADER
from tests.services.waiting import wait_until


def record(time_us: int, payload: bytes) -> bytes:
    """One PCAP record."""
    seconds, micros = divmod(time_us, 1_000_000)
    return RECORD_HEADER.pack(seconds, micros, len(payload), len(payload)) + payload


class ScriptedReading:
    """One question in hand, and the answer to it."""

    def __init__(self, worker: "ScriptedWorker", delivery: Delivery, request: Request, attempt: int) -> None:
        self.request = request
        self.headers = dict(delivery.headers)
        self._worker = worker
        self._delivery = delivery
        self._attempt = attempt
        self._seq = 0

    def begin(self) -> None:
        self._say(FragmentKind.BEGIN, sent="scripted")

    def data(
        self, packets: Sequence[tuple[int, bytes]], through_us: int | None = None, linktype: int = ETHERNET
    ) -> None:
        """Send some packets, given as time and payload, in time order."""
        times = [time_us for time_us, _ in packets]
        body = b"".join(record(time_us, payload) for time_us, payload in packets)
        self.records(body, times, through_us=through_us, linktype=linktype)

    def records(
        self,
        body: bytes,
        times_us: Sequence[int],
        through_us: int | None = None,
        linktype: int = ETHERNET,
        *,
        nanoseconds: bool = False,
    ) -> None:
        """The same as records, with the time of each."""
        self._say(
            FragmentKind.DATA,
            body=body,
            packets=len(times_us),
            first_us=min(times_us),
            last_us=max(times_us),
            through_us=through_us,
            linktype=linktype,
            nanoseconds=nanoseconds,
        )

    def progress(self, through_us: int) -> None:
        fragment = self._fragment(FragmentKind.STATUS, -1, through_us=through_us)
        self._worker.publish(fragment)

    def end(self, verdict: Verdict = Verdict.COMPLETE, sentence: str = "", *, usable: bool = False) -> None:
        self._say(FragmentKind.END, verdict=verdict, sentence=sentence, usable=usable)
        self._delivery.ack()

    def answer(self, packets: Sequence[tuple[int, bytes]]) -> None:
        """The whole of a complete answer."""
        self.begin()
        if packets:
            self.data(packets)
        self.end(Verdict.COMPLETE if packets else Verdict.EMPTY)

    def _say(self, kind: FragmentKind, **facts: object) -> None:
        self._worker.publish(self._fragment(kind, self._seq, **facts))
        self._seq += 1

    def _fragment(self, kind: FragmentKind, seq: int, **facts: object) -> Fragment:
        return Fragment(
            job=self.request.id,
            source=self._worker.name,
            attempt=self._attempt,
            run="0001",
            seq=seq,
            kind=kind,
            **facts,  # type: ignore[arg-type]
        )


class ScriptedWorker:
    """Stands in for the worker of one source; the bus and the collector around it are the real ones."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.name = name
        self._receiver = broker.receiver(f"scripted {name}", [topology.source_queue(name)], prefetch=10)
        self._publisher = broker.publisher(f"scripted {name}")

    def __enter__(self) -> Self:
        self.announce(EventName.SOURCE_ONLINE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receiver.close()
        self._publisher.close()

    def announce(self, event: EventName, *, oldest_us: int | None = None, readable_us: int | None = None) -> None:
        """Say how the source is."""
        now = now_text()
        status = SourceStatus(
            name=self.name,
            kind="scripted",
            state="offline" if event is EventName.SOURCE_OFFLINE else "online",
            oldest=None if oldest_us is None else format_us(oldest_us),
            readable_until=None if readable_us is None else format_us(readable_us),
            last_seen=now,
        )
        self._publisher.publish(
            topology.EVENTS, event.value, encode(EventMessage(event=event, at=now, source=status)), persistent=False
        )

    def publish(self, fragment: Fragment) -> None:
        self._publisher.publish(
            topology.FRAGMENTS,
            topology.fragment_shard(fragment.job, fragment.source),
            bytes(fragment.body),
            headers=fragment_headers(fragment),
        )

    def take(self) -> ScriptedReading:
        """The next question, or the next order to ask again; what is not for this source is put aside."""
        taken = wait_until(self._take, f"a question for {self.name}")
        assert taken is not None
        return taken

    @contextlib.contextmanager
    def reading(self) -> Iterator[ScriptedReading]:
        """The next question, begun."""
        taken = self.take()
        taken.begin()
        yield taken

    def _take(self) -> ScriptedReading | None:
        delivery = self._receiver.receive(0.05)
        if delivery is None:
            return None
        message = decode_job_message(delivery.body, delivery.routing_key)
        if isinstance(message, Request) and self.name in (message.sources or (self.name,)):
            return ScriptedReading(self, delivery, message, delivery.count)
        order = getattr(message, "order", None)
        if order is not None and self.name in order.attempts:
            return ScriptedReading(self, delivery, order.request, order.attempts[self.name])
        delivery.ack()
        return None
