"""A short run of chaos; `make chaos` is the long one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.services.chance import seed_from_environment
from tests.services.rabbitmq import Broker

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(500)]

JOBS = 30
JOBS_PER_BLOW = 4


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that may go away without disturbing other tests."""
    broker = Broker(tmp_path / "rabbitmq")
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def test_chaos_costs_nothing(tmp_path: Path, own_broker: Broker) -> None:
    """Each job ends once, with the truth or an honest word; nothing is double, nothing is left behind."""
    place = tmp_path / "docket"
    place.mkdir()
    report = run(place, own_broker, seed_from_environment(), JOBS, ("broker restarted",), JOBS_PER_BLOW)
    print(report.text())
    assert report.wrong == []
    assert sum(report.states.values()) == JOBS
    assert report.blows["broker restarted"] == 1
    assert sum(report.blows.values()) > 2
