"""A sensor in full: real RabbitMQ, two real stenographers, Docket's processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor, stenographer_source
from tests.services.stenographer import Monitored


@pytest.fixture(scope="module")
def sensor(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, two_stenographers: dict[str, Monitored]
) -> Iterator[Sensor]:
    """Docket over both recorded interfaces, rock01:em1 and rock01:em2, as separate processes."""
    directory: Path = tmp_path_factory.mktemp("sensor")
    vhost = directory.name
    broker.add_vhost(vhost)
    sources = [stenographer_source(f"rock01:{name}", one.stenographer) for name, one in two_stenographers.items()]
    running = Sensor(directory, broker.url(vhost), sources)
    try:
        running.start_all()
        yield running
    finally:
        running.stop()
        broker.drop_vhost(vhost)
