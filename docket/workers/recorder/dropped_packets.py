"""Counts what the recorder loses, and writes it into the files of the ring, as pcapng's interface statistics.

A file that was being written while packets were dropped gets a block of statistics behind its last packet, once dumpcap
has gone on to the next one: all who read the file, Docket first, see that it is not whole. For `service`.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from pathlib import Path
from typing import BinaryIO

from docket.workers.recorder.recorder_figures import DROPPED, PACKETS
from docket.workers.recorder.socket_statistics import SocketStatistics
from docket.workers.sources.capture_files.reading.interfaces import parse_interface

log = logging.getLogger(__name__)

_STATISTICS = 5
_DROPPED_BY_SYSTEM = 7
"""An option (draft-ietf-opsawg-pcapng, section 4.6)."""
_BEGINNING_BYTES = 4096
"""Of a file; section and interface as dumpcap describes them take some hundred."""
REPORT_S = 60.0
"""Between two lines of the log about drops."""


class DroppedPackets:
    """Of one run of dumpcap. One thread uses it."""

    def __init__(self, interface: str, pid: int) -> None:
        self._interface = interface
        self._statistics = SocketStatistics(pid)
        self._known = True
        self._marked: dict[Path, int] = {}
        """Files that were being written while packets were dropped, and how many those were."""
        self._newest: Path | None = None
        self._unreported = 0
        self._reported_s = 0.0

    def look(self, newest: Path | None) -> None:
        """Count since the last look; `newest` is the file that dumpcap writes. Marks files that are closed."""
        dropped = self._count()
        if dropped:
            # The file may have been changed since the last look: then each of the two may be the one that lacks them.
            for path in {path for path in (self._newest, newest) if path is not None}:
                self._marked[path] = self._marked.get(path, 0) + dropped
        self._report(dropped)
        self._newest = newest
        for path in [path for path in self._marked if path != newest]:
            _mark(path, self._marked.pop(path))

    def close(self) -> None:
        """Mark what is left, once dumpcap has closed its last file."""
        for path, dropped in self._marked.items():
            _mark(path, dropped)
        self._marked.clear()
        self._statistics.close()

    def _count(self) -> int:
        """What was dropped since the last look."""
        try:
            counts = self._statistics.read() if self._known else None
        except OSError as error:
            log.warning("what is dropped on %s is not known: %s", self._interface, error.strerror or error)
            self._known = False
            return 0
        if counts is None:
            return 0
        PACKETS.labels(self._interface).inc(counts.received)
        DROPPED.labels(self._interface).inc(counts.dropped)
        return counts.dropped

    def _report(self, dropped: int) -> None:
        self._unreported += dropped
        if self._unreported and time.monotonic() - self._reported_s > REPORT_S:
            log.error(
                "%d packets of %s were dropped: the disk or this machine is too slow", self._unreported, self._interface
            )
            self._unreported, self._reported_s = 0, time.monotonic()


def statistics_block(dropped: int, ticks: int) -> bytes:
    """For the first interface of a little-endian section; the time is in ticks of that interface."""
    body = struct.pack("<III", 0, ticks >> 32, ticks & 0xFFFF_FFFF)
    body += struct.pack("<HHQHH", _DROPPED_BY_SYSTEM, 8, dropped, 0, 0)
    length = len(body) + 12
    return struct.pack("<II", _STATISTICS, length) + body + struct.pack("<I", length)


def _ticks(file: BinaryIO, at_ns: int) -> int:
    """A time in the unit of the file's first interface, whose block stands behind that of the section."""
    beginning = file.read(_BEGINNING_BYTES)
    (at,) = struct.unpack_from("<I", beginning, 4)
    (length,) = struct.unpack_from("<I", beginning, at + 4)
    resolution = parse_interface(beginning[at + 8 : at + length - 4], "<").resolution
    ticks: int = at_ns * 10**resolution // 10**9
    return ticks


def _mark(path: Path, dropped: int) -> None:
    """Write it behind the last packet. The time of the last write stays: it says when the recorder wrote."""
    try:
        with path.open("r+b") as file:
            status = os.fstat(file.fileno())
            block = statistics_block(dropped, _ticks(file, status.st_mtime_ns))
            file.seek(0, os.SEEK_END)
            file.write(block)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    except FileNotFoundError:
        pass  # it has left the ring
    except (OSError, struct.error) as error:
        log.error("%s lacks %d packets, which cannot be written into it: %s", path, dropped, error)
