"""`make crowds`: the crowds in full size, one after the other, against Docket's processes over a real RabbitMQ."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fairness import crowds
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor

LONGEST_S = 5.0
FULL: tuple[Callable[[Sensor, Broker], crowds.Finding], ...] = (
    lambda sensor, broker: crowds.jobs_of_the_future(sensor, broker, 70),
    lambda sensor, _: crowds.idle_sockets(sensor, 2_000),
    lambda sensor, broker: crowds.deaf_sockets(sensor, broker, 200, 200),
    lambda sensor, broker: crowds.many_jobs(sensor, broker, 2_000),
    lambda sensor, _: crowds.many_requests(sensor, 2_000),
)


def main() -> int:
    """Print a row per crowd. The exit code is 0 if the other user waited for no longer than LONGEST_S."""
    place = Path(tempfile.mkdtemp(prefix="docket-crowds-"))
    broker = Broker(place / "rabbitmq")
    wrong = 0
    try:
        broker.start()
        for number, crowd in enumerate(FULL):
            folder = place / str(number)
            folder.mkdir()
            with crowds.crowded_sensor(folder, broker) as sensor:
                finding = crowd(sensor, broker)
            fits = max(finding.memory.values()) < crowds.UNIT_LIMIT_BYTES
            right = finding.state == "completed" and finding.took_s <= LONGEST_S and fits
            print(finding.text if right else f"{finding.text}  WRONG", flush=True)
            wrong += not right
    finally:
        broker.close()
    if wrong:
        print(f"the logs are in {place}")
        return 1
    shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
