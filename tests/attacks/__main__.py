"""`make attacks`: every attempt of every role, carried out, a row each. The exit code is 0 if no row is wrong."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.attacks import by_a_store, by_newer_doors, from_a_dissector, on_the_broker, on_the_bus, over_http
from tests.attacks.attempt import Attempt
from tests.services.rabbitmq import Broker

WAYS = (
    over_http.attempts,
    from_a_dissector.attempts,
    by_a_store.attempts,
    by_newer_doors.attempts,
    on_the_bus.attempts,
)


def main() -> int:
    place = Path(tempfile.mkdtemp(prefix="docket-attacks-"))
    broker = Broker(place / "rabbitmq")
    rows = wrong = 0
    ways: list[Iterator[Attempt]] = []
    try:
        broker.start()
        for number, way in enumerate(WAYS):
            (place / str(number)).mkdir()
            ways.append(way(place / str(number)))
        for attempts in (*ways, on_the_broker.attempts(broker)):
            for attempt in attempts:
                print(attempt.text, flush=True)
                rows, wrong = rows + 1, wrong + (not attempt.right)
    finally:
        broker.close()
        shutil.rmtree(place, ignore_errors=True)
    print(f"\n{rows} attempts, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
