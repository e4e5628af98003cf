"""The service `docket record`: runs dumpcap on one interface, and keeps its files within their bounds."""

from __future__ import annotations

import logging
import subprocess
import threading

from docket.errors import ConfigError, DocketError, Fault
from docket.runtime.programs import find_program
from docket.workers.recorder.dropped_packets import DroppedPackets
from docket.workers.recorder.interface_state import why_not
from docket.workers.recorder.recorder_figures import RECORDING, REMOVED_FILES, RING_BYTES, RING_MAX_BYTES, begin
from docket.workers.recorder.ring import Ring

log = logging.getLogger(__name__)

FILE_S = 300
"""A file lasts so long at most, so that a recorder that stands still is known soon."""
KERNEL_BUFFER_MIB = 64
"""Packets wait here while the disk is busy."""
STOP_S = 10.0
INTERFACE_LOOK_S = 0.5
"""How often an interface that is down or away is looked for."""


class RecorderEnded(DocketError):
    """Raised when dumpcap ended by itself; what it said is in the log."""


class Recorder:
    """One interface. Packets that were lost stand in the statistics at the end of the file that lacks them."""

    def __init__(self, ring: Ring) -> None:
        """Raises ConfigError without dumpcap."""
        self._ring = ring
        self._command = [
            *([setpriv, "--pdeathsig", "TERM"] if (setpriv := find_program("setpriv")) else []),
            _program(),
            "-q",
            *("-i", ring.interface),
            *("-B", str(KERNEL_BUFFER_MIB)),
            *("-b", f"filesize:{ring.file_bytes // 1000}"),
            *("-b", f"duration:{FILE_S}"),
            "-g",
            *("-w", str(ring.template)),
        ]

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises RecorderEnded."""
        begin(self._ring.interface)
        RING_MAX_BYTES.labels(self._ring.interface).set(self._ring.most_bytes)
        try:
            while not stop.is_set():
                self._ring.directory.mkdir(parents=True, exist_ok=True)
                if self._wait_for_room(stop) and not self._record(stop):
                    self._wait_for_interface(stop)
        except OSError as error:
            raise RecorderEnded(f"{self._ring.directory} cannot be used: {error.strerror or error}") from error

    def _wait_for_room(self, stop: threading.Event) -> bool:
        reported = False
        while not stop.is_set():
            self._prune()
            if self._ring.has_room():
                return True
            if not reported:
                log.error("nothing is recorded: the disk of %s is nearly full", self._ring.directory)
            reported = True
            stop.wait(self._ring.look_every_s)
        return False

    def _wait_for_interface(self, stop: threading.Event) -> None:
        """dumpcap has ended by itself. An interface that is away or down comes back; nothing else does.

        Raises RecorderEnded.
        """
        interface, reported = self._ring.interface, ""
        while reason := why_not(interface):
            if reason != reported:
                log.error("nothing is recorded: %s %s", interface, reason)
            reported = reason
            if stop.wait(INTERFACE_LOOK_S):
                return
        if not reported:
            raise RecorderEnded(f"dumpcap on {interface} has ended by itself; see its message above")

    def _record(self, stop: threading.Event) -> bool:
        """Run dumpcap until it is to stop, or the disk is full. False if it has ended by itself."""
        recording, ring = RECORDING.labels(self._ring.interface), self._ring
        with subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True) as child:
            log.info("%s is recorded into %s", ring.interface, ring.directory)
            recording.set(1)
            dropped = DroppedPackets(ring.interface, child.pid)
            try:
                while child.poll() is None and ring.has_room() and not stop.wait(ring.look_every_s):
                    dropped.look(ring.newest())
                    self._prune()
            finally:
                recording.set(0)
                ended = child.poll()
                # dumpcap, too, asks the kernel at its end, and what it is given is gone from there.
                dropped.look(ring.newest())
                _end(child)
                dropped.close()
        return ended is None or stop.is_set()

    def _prune(self) -> None:
        """Raises OSError."""
        REMOVED_FILES.labels(self._ring.interface).inc(self._ring.prune())
        RING_BYTES.labels(self._ring.interface).set(self._ring.used_bytes())


def _end(child: subprocess.Popen[bytes]) -> None:
    """It closes its file, with its statistics, when it is asked to."""
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _program() -> str:
    program = find_program("dumpcap")
    if program is None:
        raise ConfigError([Fault("no-dumpcap", "dumpcap is not installed: apt-get install wireshark-common")])
    return program
