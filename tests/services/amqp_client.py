"""A plain AMQP client for tests that meddle with the bus, or use it as a tool of somebody else's would."""

from typing import Any
from urllib.parse import unquote, urlsplit

import amqp


def connect(url: str, **options: Any) -> amqp.Connection:
    """Connect to an amqp:// address; `options` are those of py-amqp's connection."""
    parts = urlsplit(url)
    connection = amqp.Connection(
        f"{parts.hostname}:{parts.port}",
        userid=parts.username,
        password=parts.password,
        virtual_host=unquote(parts.path[1:]),
        **options,
    )
    connection.connect()
    return connection
