"""Opens the bus that the configuration names. For the command line, which hands it to the services."""

from __future__ import annotations

from collections.abc import Mapping

from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import Broker
from docket.bus.memory.memory_async_client import MemoryAsyncClient
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.async_client import AmqpAsyncClient
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.errors import ConfigError, Fault

MEMORY_URL = "memory://"
"""The embedded bus: one process, nothing kept."""


def open_broker(url: str, tls: Mapping[str, str], *, name: str = "docket") -> Broker:
    """The bus for threads. Connects only when it is used. `name` is what RabbitMQ lists. Raises ConfigError."""
    if url == MEMORY_URL:
        return MemoryBroker()
    return AmqpBroker(parse_address(url, tls), name)


def open_link(
    url: str, tls: Mapping[str, str], *, broker: Broker | None = None, name: str = "docket web"
) -> AsyncBusClient:
    """The bus for Tornado's loop. Raises ConfigError.

    With `memory://` it is a link to `broker`, the embedded one of the same process.
    """
    if url != MEMORY_URL:
        return AmqpAsyncClient(parse_address(url, tls), name)
    if isinstance(broker, MemoryBroker):
        return MemoryAsyncClient(broker)
    raise ConfigError([Fault("bad-bus", "memory:// reaches one process only: it is for `docket run`", "bus")])
