"""What tests of the worker ask, and what they hear: requests, a clock to set, a collector of fragments."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docket.bus.messages import Fragment, FragmentKind, decode_fragment, fragment_headers
from docket.config.model import StenographerConfig
from docket.domain.clock import Clock
from docket.domain.request import Request
from docket.domain.request_message import Limits
from docket.packet.pcap import scan
from docket.workers.collector.part import parted
from docket.workers.interface.reader import JobReading, Task
from docket.workers.interface.verdict_texts import Finding
from docket.workers.sources.base import Source
from tests.faults.certificates import Pair
from tests.faults.stand_in import StandIn

US = 1_000_000
START_US = 1_699_999_980 * US
"""2023-11-14 22:13:00 UTC, the beginning of a minute."""


class SetClock(Clock):
    """Wall time as the test says; it goes on only when it is told to."""

    def __init__(self, now_us: int) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us


class Heard:
    """A place to publish to. `wait` is set once a fragment of the kind that was asked for has come."""

    def __init__(self) -> None:
        self.fragments: list[Fragment] = []
        self.before_publish: Callable[[Fragment], None] = lambda _: None

    def publish(self, fragment: Fragment) -> None:
        """Take a fragment, as it looks after its way over the bus; a whole answer as what it stands for."""
        self.before_publish(fragment)
        self.fragments += parted(decode_fragment(fragment_headers(fragment), bytes(fragment.body)))

    def of(self, kind: FragmentKind) -> list[Fragment]:
        return [fragment for fragment in self.fragments if fragment.kind is kind]

    @property
    def latest(self) -> list[Fragment]:
        """The fragments of the latest run that have a number."""
        run = max(fragment.run for fragment in self.fragments)
        return [fragment for fragment in self.fragments if fragment.run == run and fragment.seq >= 0]

    @property
    def body(self) -> bytes:
        """All records of the latest run."""
        return b"".join(bytes(fragment.body) for fragment in self.latest)

    @property
    def times_us(self) -> list[int]:
        return scan(self.body)[0]

    @property
    def sentences(self) -> list[str]:
        """What was said while it went on."""
        return [fragment.sentence for fragment in self.of(FragmentKind.STATUS) if fragment.sentence]


def ask(
    after_us: int,
    before_us: int,
    query: str = "port 53",
    *,
    packets: int | None = None,
    size_bytes: int | None = None,
    wait_for_flush: bool = True,
    deadline_s: int = 1200,
    requested_at_us: int | None = None,
    sources: tuple[str, ...] | None = None,
) -> Request:
    """A request over [after_us, before_us)."""
    return Request(
        id=str(uuid.uuid4()),
        query=query,
        asked=query,
        after_us=after_us,
        before_us=before_us,
        requested_at_us=Clock().now_us() if requested_at_us is None else requested_at_us,
        sources=sources,
        limits=Limits(packets=packets, bytes=size_bytes),
        deadline_s=deadline_s,
        wait_for_flush=wait_for_flush,
    )


@contextmanager
def no_queue(_on_place: Callable[[int], None]) -> Iterator[None]:
    """A lane in which nobody waits."""
    yield


def read(
    source: Source,
    request: Request,
    heard: Heard | None = None,
    *,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    most_bytes: int = 10**10,
    patience_s: float = 0.2,
) -> Finding:
    """Read a request from a source to the end."""
    task = Task(request, 1, most_bytes, patience_s)
    publish = (heard or Heard()).publish
    return JobReading(source, task, publish, stop or threading.Event(), no_queue, clock).run()


def steno_config(steno: StandIn, client: Pair, **changes: object) -> StenographerConfig:
    """The settings of a worker for a stand-in."""
    settings = {
        "name": "rock01:em1",
        "url": steno.url,
        "cert": client.cert,
        "key": client.key,
        "ca": steno.authority.ca.cert,
    }
    return StenographerConfig(**(settings | changes))  # type: ignore[arg-type]
