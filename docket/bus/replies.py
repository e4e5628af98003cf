"""Which queue may be named as `reply_to` of a `job.request`, and what a message says of how it came. Pure.

The collector publishes replies to the default exchange, where the routing key is the name of a queue. It may write to
each queue that way, so a name of Docket's own is refused: no tool shall have the collector write to a queue that the
tool itself may not write to.
"""

from __future__ import annotations

from docket.bus.interface import Delivery
from docket.domain.provenance import LONGEST_NAME_BYTES, Provenance, checked_traceparent
from docket.errors import MessageError

DEFAULT_EXCHANGE = ""

REPLY_PREFIX = "docket.reply."
"""Queues of tools that are to outlive a connection; everything else that begins with `docket.` is Docket's."""

DIRECT_REPLY = "amq.rabbitmq.reply-to."
"""RabbitMQ's own way without a queue: it puts a name like this into the message."""

TRACE_HEADER = "traceparent"

_OF_THE_BROKER = "amq."
_OF_TOOLS = (REPLY_PREFIX, "amq.gen-", DIRECT_REPLY)


def provenance_of(delivery: Delivery) -> Provenance:
    """Raises MessageError for a queue that no reply may go to."""
    if not (_is_short(delivery.correlation_id) and delivery.correlation_id.isprintable()):
        raise MessageError("correlation_id is no text of at most 255 bytes")
    return Provenance(
        reply_to=check_reply_to(delivery.reply_to),
        correlation_id=delivery.correlation_id,
        traceparent=checked_traceparent(delivery.headers.get(TRACE_HEADER)),
    )


def check_reply_to(name: str) -> str:
    """The name, if it may be the queue of a tool. Raises MessageError."""
    if not _is_short(name) or not name.isprintable():
        raise MessageError("reply_to is no name of a queue")
    own = name.lower().startswith(("docket.", _OF_THE_BROKER)) and not name.startswith(_OF_TOOLS)
    if own or name in _OF_TOOLS:
        raise MessageError(
            f"reply_to {name[:80]!r} is a queue of Docket or of the broker; "
            f"name one of yours: exclusive, or {REPLY_PREFIX}NAME"
        )
    return name


def trace_headers(traceparent: str) -> dict[str, str]:
    """The headers of a message that belongs to this trace."""
    return {TRACE_HEADER: traceparent} if traceparent else {}


def _is_short(text: str) -> bool:
    return len(text.encode(errors="replace")) <= LONGEST_NAME_BYTES
