"""Slow things that are done once for everybody who waits for them, in threads of their own. For `capture_index`."""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from docket.errors import DissectionError, SpoolError
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.interface.reader import Stopped
from docket.workers.interface.scheduler import Scheduler

log = logging.getLogger(__name__)

MOST_SHOWN = 4_000_000
"""Numbers of packets that one filter keeps; four bytes each."""


class Work:
    """Something slow that is done once. `run` may raise only errors of ours."""

    def __init__(self, name: str, run: Callable[[Work], None], gate: Scheduler, owner: str = "") -> None:
        """`owner` is the user who asked for it first; users take turns at a gate."""
        self.stop = threading.Event()
        self.error: DissectionError | SpoolError | None = None
        self.done = False
        self._changed = threading.Condition()
        self._run = run
        self._gate = gate
        self._owner = owner
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self) -> None:
        """There is something new to see."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, enough: Callable[[], bool], longest_s: float) -> None:
        """Return when there is enough, when the work is done, or after that time."""
        with self._changed:
            self._changed.wait_for(lambda: self.done or enough(), longest_s)

    def end(self) -> None:
        """Stop and wait."""
        self.stop.set()
        self._gate.wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _go(self) -> None:
        try:
            with self._gate.turn(quick=True, stop=self.stop, on_place=lambda _: None, owner=self._owner):
                self._run(self)
        except (DissectionError, SpoolError) as error:
            self.error = error
        except Stopped:
            self.error = DissectionError("it was stopped")
        except OSError as error:
            # A result, and all that lies beside it, may be deleted while it is looked into; or the disk is full.
            log.warning("%s: %s", self._thread.name, error)
            self.error = DissectionError(f"a file is gone or cannot be written: {error.strerror or error}")
        except Exception as error:
            # Whatever a hostile file brings about, those who wait are answered.
            log.exception("%s failed", self._thread.name)
            self.error = DissectionError(f"the inspector failed: {type(error).__name__}")
        finally:
            with self._changed:
                self.done = True
                self._changed.notify_all()


class Gates(NamedTuple):
    """How many dissectors run at once for people who wait: over whole large files, and over what is small."""

    slow: Scheduler
    quick: Scheduler


class FilterTask:
    """The packets that one display filter shows."""

    def __init__(
        self,
        capture: Capture,
        shown: Callable[[threading.Event], Iterator[int]],
        gate: Scheduler,
        owner: str = "",
    ) -> None:
        """`shown` looks for them, until it is asked to stop."""
        self.numbers = array("I")
        self.looked_at = 0
        self.overflow = False
        self._capture = capture
        self._shown = shown
        self.work = Work(f"filter of {capture.job_id}", self._run, gate, owner)

    def _run(self, work: Work) -> None:
        for number in self._shown(work.stop):
            if len(self.numbers) >= MOST_SHOWN:
                self.overflow = True
                return
            self.numbers.append(number)
            self.looked_at = number
            if len(self.numbers) % 64 == 0:
                work.tell()
        self.looked_at = self._capture.packets
