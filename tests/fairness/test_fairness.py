"""A small job beside a crowd of another user's jobs or sockets; `make crowds` has the crowds in full size."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fairness import crowds
from tests.fairness.measure import Finding
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor

pytestmark = pytest.mark.rabbitmq

LONGEST_S = 30.0
"""Generous, as the machine may be busy with other tests. What the crowds cost alone says `make crowds`."""

CROWDS: dict[str, Callable[[Sensor, Broker], Finding]] = {
    "70 jobs of the future": lambda sensor, broker: crowds.jobs_of_the_future(sensor, broker, 70),
    "sockets that never read": lambda sensor, broker: crowds.deaf_sockets(sensor, broker, 40, 20),
    "idle sockets": lambda sensor, _: crowds.idle_sockets(sensor, 300),
    "all at once": lambda sensor, broker: crowds.all_at_once(sensor, broker, crowds.Sizes(20, 150, 200, 30, 40)),
}


def test_another_user_is_served_beside_every_crowd(tmp_path: Path, broker: Broker) -> None:
    """His job is complete, soon, and no process outgrows its unit."""
    broker.start()
    with crowds.crowded_sensor(tmp_path, broker) as sensor:
        findings = [crowd(sensor, broker) for crowd in CROWDS.values()]
    for finding in findings:
        assert (finding.state, finding.took_s < LONGEST_S) == ("completed", True), finding.text
        assert finding.too_large == [], finding.text
