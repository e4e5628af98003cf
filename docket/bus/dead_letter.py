"""What a dead letter carries: the original message, why it died and where it was bound for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASON_HEADER = "x-docket-reason"
EXCHANGE_HEADER = "x-docket-exchange"
ROUTING_KEY_HEADER = "x-docket-routing-key"
QUEUE_HEADER = "x-docket-queue"

DELIVERY_COUNT_HEADER = "x-delivery-count"
"""Set by RabbitMQ's quorum queues from the second delivery on: how often the message came back before."""

LONGEST_REASON = 2_000
"""In characters: AMQP headers must fit into one frame, and the reason may quote what somebody sent."""


def dead_headers(
    headers: Mapping[str, Any], *, reason: str, exchange: str, routing_key: str, queue: str
) -> dict[str, Any]:
    """The original headers and the four facts. The old delivery count stays behind: it counts for one queue only."""
    kept = {name: value for name, value in headers.items() if name != DELIVERY_COUNT_HEADER}
    return kept | {
        REASON_HEADER: reason[:LONGEST_REASON],
        EXCHANGE_HEADER: exchange,
        ROUTING_KEY_HEADER: routing_key,
        QUEUE_HEADER: queue,
    }
