"""How much of everything a simulated site has, and what its analysts ask. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """How much of everything. The defaults are a tenth of 200 sensors, 1,000 interfaces and 100 analysts."""

    sensors: int = 20
    interfaces: int = 5
    """Of each sensor."""
    jobs: int = 300
    per_s: float = 2.0
    analysts: int = 10
    records: int = 5_000
    """Finished jobs that are in the ledger before: a tenth of the 50,000 of a day."""
    longest_s: float = 300.0
    """Jobs that have not ended so long after the last was asked are counted as open."""

    @property
    def compression(self) -> float:
        """How many times as fast as a tenth of 50,000 jobs a day they are asked."""
        return self.per_s * DAY_S / 5_000

    @property
    def names(self) -> list[list[str]]:
        """The sources of each sensor."""
        return [
            [f"sensor{sensor:03}:em{interface}" for interface in range(1, self.interfaces + 1)]
            for sensor in range(self.sensors)
        ]

    @property
    def kinds(self) -> dict[str, int]:
        """How many sources the two kinds of jobs have that are shown apart."""
        return {"one sensor": self.interfaces, "all sensors": self.interfaces * self.sensors}


def questions(load: Load) -> Iterator[dict[str, Any]]:
    """What analysts ask: seven of ten one sensor, two a tenth of them, one all."""
    names, now = load.names, datetime.now(UTC)
    tenth = max(load.sensors // 10, 1)
    for number in range(load.jobs):
        place = number * 7919 % load.sensors
        several = range(place, place + (1 if number % 10 > 2 else tenth))
        asked = [name for sensor in several for name in names[sensor % load.sensors]]
        window = {
            name: (now - timedelta(hours=1, seconds=ago)).isoformat() for name, ago in (("after", 600), ("before", 0))
        }
        question = {"query": f"host 10.{number // 62_500}.{number // 250 % 250}.{number % 250}", **window}
        yield question | ({} if number % 10 == 0 else {"sources": asked}) | {"note": f"analyst {number % 10}"}
