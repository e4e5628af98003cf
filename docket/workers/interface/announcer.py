"""Says what jobs wait for that have not begun, from a thread of its own. For `job_runner`.

The thread that takes messages from the bus must not wait for it; what cannot be said soon is left out.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from docket.bus.messages import Fragment, FragmentKind
from docket.domain.ids import new_run
from docket.errors import BusError

log = logging.getLogger(__name__)

MOST_UNSAID = 10_000
PAUSE_S = 0.05
"""Between two of them: each costs the collector as much as a fragment, and most jobs wait for a moment only."""
AFTER_S = 1.0
"""What has begun by then needs no word."""
LOOK_S = 1.0


class Announcer:
    """Publishes one status after the other. The thread begins with the first and ends with `close`."""

    def __init__(self, source: str, publish: Callable[[Fragment], None], text: Callable[[str], str]) -> None:
        """`publish` may raise BusError. `text` gives what is to be said of a job now; nothing, if empty."""
        self._source = source
        self._publish = publish
        self._text = text
        self._unsaid: queue.Queue[tuple[float, str, int]] = queue.Queue(MOST_UNSAID)
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def add(self, job_id: str, attempt: int) -> None:
        """Have it said soon what a job waits for, if it still waits then."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"status of {self._source}", daemon=True)
            self._thread.start()
        try:
            self._unsaid.put_nowait((time.monotonic() + AFTER_S, job_id, attempt))
        except queue.Full:
            log.debug("job %s: a status was left out", job_id)

    def close(self) -> None:
        """Say nothing more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                due_s, job_id, attempt = self._unsaid.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if self._closed.wait(max(due_s - time.monotonic(), 0.0)):
                return
            if sentence := self._text(job_id):
                self._say(job_id, attempt, sentence)
                self._closed.wait(PAUSE_S)

    def _say(self, job_id: str, attempt: int, sentence: str) -> None:
        fragment = Fragment(
            job=job_id,
            source=self._source,
            attempt=attempt,
            run=new_run(),
            seq=-1,
            kind=FragmentKind.STATUS,
            sentence=sentence,
        )
        try:
            self._publish(fragment)
        except BusError as error:
            log.debug("job %s: a status was left out: %s", job_id, error)
