"""Hands packets to a collector on the same machine through its spool, so that they need not pass through the broker.

Whether there is such a collector is looked at for every reading. A reading that is asked for once more always sends
its packets over the bus: whatever kept the collector from finding the file does not keep it from them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import NamedTuple

from docket.bus.interface import Broker
from docket.bus.messages import Fragment
from docket.config.model import SpoolConfig
from docket.errors import BusError
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.incoming import INCOMING_NAME, Incoming, IncomingFile, claim_name

log = logging.getLogger(__name__)

OpenFile = Callable[[int], IncomingFile | None]
"""Makes the file in which packets begin at this offset of the part; None where that cannot be."""


Form = tuple[int, bool, str]
"""Link type, resolution and origin of packets: each form has a file of its own in the part."""


class Claim(NamedTuple):
    """Where packets lie that need not be sent."""

    name: str
    at: int
    bytes: int


class Handover:
    """The packets of one reading. For that reading's thread; `close` it in any case."""

    def __init__(self, open_file: OpenFile, over_the_bus_bytes: int) -> None:
        """An answer of up to `over_the_bus_bytes` goes over the bus: it is sooner there than a file."""
        self._open_file = open_file
        self.over_the_bus_bytes = over_the_bus_bytes
        self._file: IncomingFile | None = None
        self._form: Form | None = None
        self._given_up = False
        self._part_bytes = FILE_HEADER_BYTES
        """Of what went over the bus: the collector has these."""

    def put(self, form: Form, body: bytes | memoryview) -> Claim | None:
        """Write the packets and say where they lie; None: they are to be sent."""
        # Packets of another form belong to another file of the part.
        if form != (self._form or form) or self._given_up:
            return None
        self._form = form
        if self._file is None:
            if self._part_bytes + len(body) > FILE_HEADER_BYTES + self.over_the_bus_bytes:
                self._file = self._open_file(self._part_bytes)
                self._given_up = self._file is None
            if self._file is None:
                self._part_bytes += len(body)
                return None
        return self._write(self._file, body)

    def close(self, *, wanted: bool) -> None:
        """Write no more. A file that is not wanted goes, unless the collector has it already."""
        if self._file is not None:
            self._file.close()
            if not wanted:
                self._file.remove()

    def _write(self, file: IncomingFile, body: bytes | memoryview) -> Claim | None:
        at = file.end
        try:
            return Claim(file.name, at, file.write([body]))
        except OSError as error:
            log.warning("%s: what follows goes over the bus: %s", file.name, error)
            self._given_up = True
            return None


HandOver = Callable[[Fragment], Handover | None]
"""Makes what hands over the packets of a reading, which a fragment names; None if they go over the bus."""


def nothing_handed_over(_reading: Fragment) -> None:
    """All packets go over the bus."""


def handing_over(config: SpoolConfig, broker: Broker) -> HandOver:
    """How this worker does it, by its configuration."""
    over_the_bus_bytes = config.handover_bytes
    if over_the_bus_bytes is None:
        return nothing_handed_over
    incoming = Incoming(config.path / INCOMING_NAME)

    def hand_over(reading: Fragment) -> Handover | None:
        if reading.attempt > 1 or not _is_taken(incoming, broker):
            return None

        def open_file(start: int) -> IncomingFile | None:
            name = claim_name(reading.source, reading.job, reading.run)
            try:
                return IncomingFile(incoming.directory(reading.source), name, start, config.min_free_bytes)
            except OSError as error:
                log.info("job %s: %s goes over the bus: %s", reading.job, reading.source, error)
                return None

        return Handover(open_file, over_the_bus_bytes)

    return hand_over


def _is_taken(incoming: Incoming, broker: Broker) -> bool:
    """Whether a collector on this worker's bus takes what is left in this machine's spool."""
    with contextlib.suppress(BusError):
        return incoming.is_announced(broker.identity())
    return False
