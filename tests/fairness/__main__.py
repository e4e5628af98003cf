"""`make crowds`: the crowds in full size, singly and all at once, against Docket's processes over a real RabbitMQ."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fairness import crowds
from tests.fairness.crowds import FULL
from tests.fairness.measure import Finding, heading
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor

LONGEST_S = 5.0
CROWDS: tuple[Callable[[Sensor, Broker], Finding], ...] = (
    lambda sensor, broker: crowds.jobs_of_the_future(sensor, broker, FULL.future),
    lambda sensor, _: crowds.idle_sockets(sensor, FULL.idle),
    lambda sensor, broker: crowds.deaf_sockets(sensor, broker, FULL.deaf, FULL.jobs),
    lambda sensor, broker: crowds.many_jobs(sensor, broker, FULL.jobs),
    lambda sensor, _: crowds.many_requests(sensor, FULL.requests),
    lambda sensor, broker: crowds.all_at_once(sensor, broker, FULL),
)


def main() -> int:
    """Print a row per crowd. The exit code is 0 if the other user waited for no longer than LONGEST_S."""
    place = Path(tempfile.mkdtemp(prefix="docket-crowds-"))
    broker = Broker(place / "rabbitmq")
    wrong = 0
    try:
        broker.start()
        print(heading(), flush=True)
        for number, crowd in enumerate(CROWDS):
            folder = place / str(number)
            folder.mkdir()
            with crowds.crowded_sensor(folder, broker) as sensor:
                finding = crowd(sensor, broker)
            right = finding.state == "completed" and finding.took_s <= LONGEST_S and not finding.too_large
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
