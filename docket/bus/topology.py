"""Exchanges, queues and bindings of the bus, declared once. Everything else takes the names from here.

Anybody may import it. The two brokers declare what stands here, and `definitions` writes the same down
for RabbitMQ to load at its start.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from docket.domain.job import EventName
from docket.domain.request import LONGEST_DEADLINE_S

JOBS = "docket.jobs"
REQUESTS = "docket.requests"
"""Between `docket.jobs` and the queues of sources: sends a message to the sources that its headers name."""
UNROUTED = "docket.requests.unrouted"
"""Behind `docket.requests`: sends to every source what no header routed, such as the message of a tool."""
FRAGMENTS = "docket.fragments"
EVENTS = "docket.events"
DEAD = "docket.dead"

REQUEST_KEY = "job.request"
CANCEL_KEY = "job.cancel"
RETRY_KEY = "job.retry"
DELETE_KEY = "job.delete"
ANNOTATE_KEY = "job.annotate"
ALERT_KEY = "alert"
"""One line of EVE, for `docket alerts`."""
FORGET_KEY = "job.forget"
"""Of a source; on `docket.jobs` because the collector decides on it, as on everything that is asked."""

COLLECTOR_QUEUE = "docket.collector"
INSPECTOR_QUEUE = "docket.inspector"
DEAD_QUEUE = "docket.dead"

ALERTS_QUEUE = "docket.alerts"
WEBHOOKS_QUEUE = "docket.webhooks"
"""Of services that not every installation has; each declares its own, or it would fill without a reader."""

STREAM_QUEUE = "docket.stream"
"""The ledger's events once more, for tools that were away. Only where `docket topology --stream` has declared it."""

STREAM_AGE = "7D"
STREAM_BYTES = 1_000_000_000
STREAM_SEGMENT_BYTES = 50_000_000
"""RabbitMQ removes whole segments, whichever bound is reached first."""

FRAGMENT_SHARDS = 4
"""One (job, source) always goes through one shard, in order; several shards keep a full one from stopping all."""

FRAGMENT_QUEUE_BYTES = 16 * 1024 * 1024
"""A full shard refuses further fragments (`reject-publish`): that is the back-pressure towards the workers. What lies
here when the last worker has ended is work for the collector alone, so it is no more than evens out the flow."""

FRAGMENT_QUEUE_MESSAGES = 64
"""The small fragments of many jobs would otherwise keep those of a later job waiting for as long as it takes the
collector to work off 16 MiB of them."""

DELIVERY_LIMIT = 100
"""RabbitMQ 3.10 counts every return of a message, clean restarts too, so a small limit kills innocent ones."""

DEAD_QUEUE_MESSAGES = 100_000
DEAD_QUEUE_BYTES = 256 * 1024 * 1024
"""Whichever is reached first; the oldest dead letters go."""

LISTENER_MESSAGES = 10_000
LISTENER_BYTES = 128 * 1024 * 1024
"""A listener that is this far behind loses the oldest events, rather than filling the broker's memory."""


SERVICE_MESSAGES = 100_000
SERVICE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    kind: str
    alternate: str = ""
    """The exchange that gets what no binding of this one takes."""

    @property
    def arguments(self) -> dict[str, str]:
        return {"alternate-exchange": self.alternate} if self.alternate else {}


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    queue: str
    key: str
    arguments: dict[str, str] = field(default_factory=dict, hash=False)
    """What a headers exchange compares."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A binding from one exchange to another."""

    exchange: str
    target: str
    key: str


EXCHANGES = (
    Exchange(JOBS, "topic"),
    Exchange(UNROUTED, "fanout"),
    Exchange(REQUESTS, "headers", alternate=UNROUTED),
    Exchange(FRAGMENTS, "direct"),
    Exchange(EVENTS, "topic"),
    Exchange(DEAD, "fanout"),
)

PASSAGES = (Passage(JOBS, REQUESTS, REQUEST_KEY), Passage(JOBS, REQUESTS, RETRY_KEY))

ROUTED = "1"
"""The value of `source_header`."""


def source_queue(source: str) -> str:
    return f"docket.source.{source}"


def source_header(source: str) -> str:
    """The header that sends a message on `docket.requests` to this source."""
    return f"docket-source-{source}"


def fragment_queue(shard: int) -> str:
    return f"docket.fragments.{shard}"


def fragment_shard(job_id: str, source: str) -> str:
    """The routing key on `docket.fragments` for one source's share of one job."""
    return str(zlib.crc32(f"{job_id}/{source}".encode()) % FRAGMENT_SHARDS)


def queues(sources: Iterable[str]) -> Iterator[Queue]:
    """Every durable queue, with one per source."""
    quorum = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, "x-dead-letter-exchange": DEAD}
    yield Queue(COLLECTOR_QUEUE, quorum)
    yield Queue(INSPECTOR_QUEUE, quorum)
    bounds = {"x-max-length": DEAD_QUEUE_MESSAGES, "x-max-length-bytes": DEAD_QUEUE_BYTES}
    yield Queue(DEAD_QUEUE, {"x-queue-type": "quorum"} | bounds)
    for source in sources:
        yield Queue(source_queue(source), quorum | {"x-message-ttl": LONGEST_DEADLINE_S * 1000})
    for shard in range(FRAGMENT_SHARDS):
        yield Queue(
            fragment_queue(shard),
            # Said aloud, because a vhost may have another default type, and then every start would be a mismatch.
            {
                "x-queue-type": "classic",
                "x-max-length": FRAGMENT_QUEUE_MESSAGES,
                "x-max-length-bytes": FRAGMENT_QUEUE_BYTES,
                "x-overflow": "reject-publish",
            },
        )


def listener_queue(name: str) -> Queue:
    """A new exclusive queue for one who listens to events; `name` tells people who it is."""
    bounds = {"x-max-length": LISTENER_MESSAGES, "x-max-length-bytes": LISTENER_BYTES, "x-overflow": "drop-head"}
    arguments = {"x-queue-type": "classic"} | bounds
    return Queue(f"docket.listen.{name.replace(' ', '-')}.{secrets.token_hex(6)}", arguments)


def stream_queue() -> Queue:
    """A stream keeps what was read, and each reader says where it begins."""
    bounds = {"x-max-age": STREAM_AGE, "x-max-length-bytes": STREAM_BYTES}
    return Queue(
        STREAM_QUEUE,
        {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": STREAM_SEGMENT_BYTES} | bounds,
    )


def stream_bindings() -> Iterator[Binding]:
    """Events of jobs that have a number in the ledger, and the coming and going of sources."""
    unnumbered = (EventName.PROGRESS, EventName.SOURCE_STATS)
    yield from (Binding(EVENTS, STREAM_QUEUE, name.value) for name in EventName if name not in unnumbered)


def service_queue(name: str) -> Queue:
    """The queue of a service that not every installation has. The oldest messages go where it is away for long."""
    bounds = {"x-max-length": SERVICE_MESSAGES, "x-max-length-bytes": SERVICE_BYTES, "x-overflow": "drop-head"}
    return Queue(name, {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT} | bounds)


def reply_queue(name: str) -> Queue:
    """The queue of a tool that receives the events of its own jobs, as a tool may declare it."""
    return Queue(name, {"x-queue-type": "classic", "x-max-length": LISTENER_MESSAGES, "x-overflow": "drop-head"})


def bindings(sources: Iterable[str]) -> Iterator[Binding]:
    yield Binding(JOBS, COLLECTOR_QUEUE, "job.#")
    yield Binding(EVENTS, INSPECTOR_QUEUE, "job.completed")
    yield Binding(EVENTS, INSPECTOR_QUEUE, "job.partial")
    yield Binding(DEAD, DEAD_QUEUE, "")
    for source in sources:
        yield Binding(REQUESTS, source_queue(source), "", {"x-match": "all", source_header(source): ROUTED})
        yield Binding(UNROUTED, source_queue(source), "")
    for shard in range(FRAGMENT_SHARDS):
        yield Binding(FRAGMENTS, fragment_queue(shard), str(shard))


def earlier_bindings(sources: Iterable[str]) -> Iterator[Binding]:
    """What bound the queues of sources before there was `docket.requests`: every request came to all of them.

    Still in use where the broker lacks that exchange and this user may not declare it.
    """
    for source in sources:
        yield Binding(JOBS, source_queue(source), REQUEST_KEY)
        yield Binding(JOBS, source_queue(source), RETRY_KEY)


def definitions(vhost: str, sources: Iterable[str]) -> dict[str, Any]:
    """The topology as RabbitMQ's definitions file has it (`load_definitions`), users and permissions left out.

    Queues of sources that are not named here are declared by their workers, or by `docket topology`.
    """
    names = tuple(sources)
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": exchange.arguments,
            }
            for exchange in EXCHANGES
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments,
            }
            for queue in queues(names)
        ],
        "bindings": [
            *(_defined(vhost, one.exchange, "exchange", one.target, one.key, {}) for one in PASSAGES),
            *(_defined(vhost, one.exchange, "queue", one.queue, one.key, one.arguments) for one in bindings(names)),
        ],
    }


def _defined(
    vhost: str, exchange: str, kind: str, target: str, key: str, arguments: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "source": exchange,
        "vhost": vhost,
        "destination": target,
        "destination_type": kind,
        "routing_key": key,
        "arguments": dict(arguments),
    }


def definitions_text(vhost: str, sources: Iterable[str]) -> str:
    """`definitions` as the text of the file."""
    return msgspec.json.format(msgspec.json.encode(definitions(vhost, sources)), indent=2).decode() + "\n"
