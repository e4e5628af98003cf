"""What a dead letter carries: the original message, why it died and where it was bound for; and how many there were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter

REASON_HEADER = "x-docket-reason"
EXCHANGE_HEADER = "x-docket-exchange"
ROUTING_KEY_HEADER = "x-docket-routing-key"
QUEUE_HEADER = "x-docket-queue"

DELIVERY_COUNT_HEADER = "x-delivery-count"
"""Set by RabbitMQ's quorum queues from the second delivery on: how often the message came back before."""

LONGEST_REASON = 2_000
"""In characters: AMQP headers must fit into one frame, and the reason may quote what was sent."""

MOST_HEADER_CHARACTERS = 20_000
"""Of the original headers, written out; more than that would not fit beside the reason."""

_DEEPEST = 5

DEAD_LETTERS = Counter("docket_dead_letters", "Messages that this process could not handle, by queue.", ["queue"])


def dead_headers(
    headers: Mapping[str, Any], *, reason: str, exchange: str, routing_key: str, queue: str
) -> dict[str, Any]:
    """The original headers and the four facts. The old delivery count stays behind: it counts for one queue only.

    Values that are no plain JSON become texts, and headers that are too large are left out: a message is often dead
    because its headers are strange, and its dead letter must not be.
    """
    kept = {str(name): _plain(value) for name, value in headers.items() if name != DELIVERY_COUNT_HEADER}
    if len(repr(kept)) > MOST_HEADER_CHARACTERS or any(not name.isprintable() for name in kept):
        kept = {}
    return kept | {
        REASON_HEADER: reason[:LONGEST_REASON],
        EXCHANGE_HEADER: exchange,
        ROUTING_KEY_HEADER: routing_key,
        QUEUE_HEADER: queue,
    }


def _plain(value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if depth < _DEEPEST and isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    return str(value)
