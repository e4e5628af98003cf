"""The results that the inspector has in hand, and the one thread that goes through them whole. For `inspector`.

Opened when a user wants one, kept for a while, closed when others are wanted more. A result that got a newer
revision is another result.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docket.domain.clock import Clock
from docket.errors import DissectionError, NoSuchJob, SpoolError
from docket.spool.layout import Spool
from docket.workers.inspector.capture_index import SMALL_PACKETS, CaptureIndex
from docket.workers.inspector.inspection_figures import INSPECTION_SECONDS, INSPECTIONS, WAITING
from docket.workers.inspector.tasks import Gates
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.summary import Summary
from docket.workers.interface.scheduler import Scheduler

log = logging.getLogger(__name__)

MOST_OPEN = 8
SLOW_AT_ONCE = 2
"""Dissectors that read whole files because a user waits; the survey is one more."""
MOST_AT_ONCE = 8
"""Where those take long, as with an expensive regular expression: one more for each user who waits behind them."""

_URGENT, _BY_THE_WAY = 0, 1

Surveyed = Callable[[str, Summary | None], None]
"""Told when a survey has ended: the job, and its summary unless there is none."""


class _Lane:
    """Results that are surveyed one after the other."""

    def __init__(self) -> None:
        self.wanted: queue.PriorityQueue[tuple[int, int, str, Surveyed | None]] = queue.PriorityQueue()
        self.current = ""
        """The job that is being surveyed."""


class IndexPool:
    """For any thread."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._clock = Clock()
        self._lock = threading.Lock()
        self._open: OrderedDict[str, CaptureIndex] = OrderedDict()
        self._gates = Gates(*(Scheduler(SLOW_AT_ONCE, MOST_AT_ONCE) for _ in Gates._fields))
        self._lanes = {small: _Lane() for small in (True, False)}
        self._asked: set[str] = set()
        """Jobs whose survey a user waits for already."""
        self._count = itertools.count()

    @contextmanager
    def lend(self, job_id: str) -> Iterator[CaptureIndex]:
        """The job's result as it stands, for the block. Raises NoSuchJob, SpoolError."""
        capture = Capture.open(self._spool, job_id)
        with self._lock:
            capture_index = self._open.pop(job_id, None)
            if capture_index is not None and capture_index.capture.identity == capture.identity:
                capture.close()
            else:
                self._drop(capture_index)
                capture_index = CaptureIndex(self._spool, capture, self._gates, self._clock)
            self._open[job_id] = capture_index
            capture_index.users += 1
            self._make_room()
        try:
            yield capture_index
        finally:
            with self._lock:
                capture_index.users -= 1
                if self._open.get(job_id) is not capture_index:
                    self._drop(capture_index)

    def want(self, job_id: str, packets: int, then: Surveyed | None = None) -> None:
        """Have the job surveyed; without `then` because its page is open, and so before others. Small results have a
        lane of their own."""
        with self._lock:
            if then is None:
                if job_id in self._asked:
                    return
                self._asked.add(job_id)
        lane = self._lanes[packets <= SMALL_PACKETS]
        WAITING.inc()
        lane.wanted.put((_URGENT if then is None else _BY_THE_WAY, next(self._count), job_id, then))

    def work(self, stop: threading.Event, surveyed: Surveyed, *, small: bool) -> None:
        """Survey one result of a lane after the other until asked to stop. `surveyed` is called with those that were
        wanted without a `then`."""
        lane = self._lanes[small]
        while not stop.is_set():
            try:
                _, _, job_id, then = lane.wanted.get(timeout=0.2)
            except queue.Empty:
                continue
            WAITING.dec()
            lane.current = job_id
            with INSPECTION_SECONDS.time():
                summary = self._survey(job_id, stop)
            lane.current = ""
            if stop.is_set():
                return
            (then or surveyed)(job_id, summary)

    def waits_for(self, job_id: str, packets: int) -> str:
        """What the inspection of a job that has not begun waits for, as a sentence; empty if it has."""
        lane = self._lanes[packets <= SMALL_PACKETS]
        current = lane.current
        if current in ("", job_id):
            return ""
        return f"Waits until the result of job {current[:8]} has been inspected."

    def close(self) -> None:
        """Close everything. No thread may use one any more."""
        with self._lock:
            while self._open:
                self._drop(self._open.popitem()[1])

    def _survey(self, job_id: str, stop: threading.Event) -> Summary | None:
        """None if there is nothing to look at, or nowhere to write it down."""
        outcome = "failed"
        try:
            with self.lend(job_id) as capture_index:
                if capture_index.surveyed and capture_index.listing is not None and capture_index.summary is not None:
                    summary = capture_index.summary
                else:
                    summary = capture_index.survey(stop)
            outcome = "done"
            return summary
        except NoSuchJob:
            outcome = "gone"
            log.info("job %s: its result is gone", job_id)
        except SpoolError as error:
            log.warning("job %s: not inspected: %s", job_id, error)
        except DissectionError as error:
            log.info("job %s: not inspected: %s", job_id, error)
        except Exception:
            # The one broad net of this loop: whatever a hostile file brings about, the next result is looked at.
            log.exception("job %s: its inspection failed", job_id)
        finally:
            INSPECTIONS.labels(outcome).inc()
            with self._lock:
                self._asked.discard(job_id)
        return None

    def _make_room(self) -> None:
        idle = [job_id for job_id, one in self._open.items() if not one.users and not one.busy()]
        for job_id in idle[: max(len(self._open) - MOST_OPEN, 0)]:
            self._drop(self._open.pop(job_id))

    @staticmethod
    def _drop(capture_index: CaptureIndex | None) -> None:
        """Close it unless it is still in use; its last user closes it then."""
        if capture_index is not None and not capture_index.users:
            capture_index.close()
