"""CloudEvents 1.0 attributes of events, as headers of the message: the binary mode of its AMQP binding. Pure."""

from __future__ import annotations

from docket.domain.event import EventMessage

PREFIX = "cloudEvents:"


def attributes(message: EventMessage, origin: str) -> dict[str, str]:
    """The headers."""
    return {f"{PREFIX}{name}": value for name, value in named(message, origin).items()}


def named(message: EventMessage, origin: str) -> dict[str, str]:
    """The attributes. `origin` names the service. An event of the ledger keeps its id when it is published again."""
    subject = message.job_id or (message.source.name if message.source is not None else "")
    identity = f"{message.seq}" if message.seq is not None else f"{message.at}/{subject}"
    values = {
        "specversion": "1.0",
        "id": identity,
        "source": f"/docket/{origin}",
        "type": f"docket.{message.event.value}",
        "time": message.at,
        "subject": subject,
    }
    return {name: value for name, value in values.items() if value}
