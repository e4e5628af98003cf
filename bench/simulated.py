"""Workers of many sensors in one process, real but for their stores: `python -m bench.simulated CONFIG FIRST END`.

Each sensor has an interface worker and a connection of its own, as on a host of its own. Its stores answer at once,
with packets that are made of the question: half of the answers are empty, most have a few packets, one in twenty has
two thousand.
"""

import signal
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import Event as Flag

from docket.bus.factory import open_broker
from docket.config.loader import load_config
from docket.config.model import Config, SourceConfig
from docket.domain.clock import now_us
from docket.domain.query.canonical import Query
from docket.domain.survey import Survey
from docket.domain.timewindow import US_PER_S, Window
from docket.packet.pcap import RECORD_HEADER, file_header
from docket.workers.interface.service import InterfaceWorker
from docket.workers.sources.base import Coverage, Reading, Wording

MANY_PACKETS, FEW_PACKETS = 2_000, 20
_FRAME = b"\x02" * 12 + b"\x08\x00" + bytes(range(256)) + bytes(130)
_KEPT_US = 7 * 86_400 * US_PER_S


class SimulatedSource:
    """A store that has whatever is asked for."""

    kind = "capture-files"
    look_inside = False

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        """There is nothing to let go of."""

    def coverage(self, *, age_s: float = 0.0) -> Coverage:  # noqa: ARG002
        now = now_us()
        return Coverage(oldest_us=now - _KEPT_US, readable_until_us=now, stats={"files": 1_000, "bytes": 10**12})

    def slices(self, window: Window) -> list[Window]:
        return [window]

    def wording(self, query: Query, window: Window) -> Wording:  # noqa: ARG002
        return Wording(sent=query.canonical)

    def survey(self, query: Query, window: Window, stop: Flag) -> Survey | None:  # noqa: ARG002
        return None

    @contextmanager
    def read(
        self,
        query: Query,
        window: Window,
        *,
        most_bytes: int | None,  # noqa: ARG002
        most_packets: int | None,  # noqa: ARG002
        stop: Flag,  # noqa: ARG002
    ) -> Iterator[Reading]:
        packets = packets_of(query.canonical, self.name)
        yield Reading(chunks=iter((file_header(snaplen=65_536), _records(window, packets))))


def packets_of(query: str, source: str) -> int:
    """How many packets the source has for the query."""
    drawn = zlib.crc32(f"{query}/{source}".encode()) % 20
    return MANY_PACKETS if drawn == 0 else 0 if drawn % 2 else FEW_PACKETS


def _records(window: Window, packets: int) -> bytes:
    step_us = max((window.before_us - window.after_us) // (packets + 1), 1)
    times_us = (window.after_us + step_us * (number + 1) for number in range(packets))
    size = len(_FRAME)
    return b"".join(RECORD_HEADER.pack(*divmod(time_us, US_PER_S), size, size) + _FRAME for time_us in times_us)


def _of_sensors(sources: Sequence[SourceConfig]) -> list[tuple[SourceConfig, ...]]:
    def sensor(source: SourceConfig) -> str:
        return source.name.partition(":")[0]

    return [tuple(group) for _, group in groupby(sorted(sources, key=lambda one: one.name), key=sensor)]


def _work(config: Config, sources: tuple[SourceConfig, ...], stop: Flag) -> None:
    broker = open_broker(config.bus, config.bus_tls, name=f"worker {sources[0].name}")
    of_sensor = [SimulatedSource(source.name) for source in sources]
    try:
        InterfaceWorker(_with(config, sources), broker, of_sensor).run(stop)
    finally:
        broker.close()


def _with(config: Config, sources: tuple[SourceConfig, ...]) -> Config:
    return Config(sources=sources, bus=config.bus, bus_tls=config.bus_tls, jobs=config.jobs)


def main() -> int:
    """Serve the sources of the sensors FIRST to END (exclusive) of the configuration until SIGTERM."""
    config = load_config(Path(sys.argv[1]), {})
    sensors = _of_sensors(config.sources)[int(sys.argv[2]) : int(sys.argv[3])]
    stop = Flag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [threading.Thread(target=_work, args=(config, sources, stop)) for sources in sensors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
