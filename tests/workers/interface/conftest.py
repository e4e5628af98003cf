"""A bus in this process, what a worker says on it, and the settings of its store."""

from collections.abc import Iterator

import pytest

from docket.bus.memory.memory_broker import MemoryBroker
from docket.config.model import StenographerConfig
from tests.faults.certificates import Pair
from tests.faults.stand_in import StandIn
from tests.workers.requests import steno_config
from tests.workers.worker_harness import Office

NAMES = ("rock01:em1", "rock01:em2")


@pytest.fixture
def bus() -> Iterator[MemoryBroker]:
    opened = MemoryBroker()
    yield opened
    opened.close()


@pytest.fixture
def office(bus: MemoryBroker) -> Iterator[Office]:
    with Office(bus, NAMES) as opened:
        yield opened


@pytest.fixture
def config(steno: StandIn, client: Pair) -> StenographerConfig:
    return steno_config(steno, client)
