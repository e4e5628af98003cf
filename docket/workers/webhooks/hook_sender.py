"""Delivers what waits for one hook, in a thread of its own: a receiver that is slow or away holds up no other one."""

from __future__ import annotations

import logging
import threading

from docket.domain.clock import Clock
from docket.domain.timewindow import US_PER_S
from docket.runtime.backoff import Backoff
from docket.workers.webhooks.delivery_store import DeliveryStore, StoreFailed, Waiting
from docket.workers.webhooks.hooks import Hook
from docket.workers.webhooks.webhook_figures import DELIVERIES
from docket.workers.webhooks.webhook_request import LONGEST_RETRY_AFTER_S, Attempt, deliver

log = logging.getLogger(__name__)

DELAYS_S = (5, 30, 120, 600, 1800, 7200, 21_600, 43_200)
"""After each failed attempt; then it is dead: after about 20 hours."""
LONGEST_WAIT_S = max(*DELAYS_S, LONGEST_RETRY_AFTER_S)
IDLE_S = 1.0
FIRST_PAUSE_S, MOST_PAUSE_S = 1.0, 60.0
"""While the receiver is away no other event is tried."""


class HookSender:
    """One hook. `run` is for its thread, `wake` for any."""

    def __init__(self, hook: Hook, store: DeliveryStore, clock: Clock, delays_s: tuple[int, ...] = DELAYS_S) -> None:
        self._hook = hook
        self._store = store
        self._clock = clock
        self._delays_s = delays_s
        self._wake = threading.Event()
        self._backoff = Backoff(FIRST_PAUSE_S, MOST_PAUSE_S)
        self._pause_s = 0.0
        self._latest_s = 0
        self._unnoted: tuple[Waiting, Attempt] | None = None
        """What came of the latest attempt, as long as it cannot be written down."""

    def wake(self) -> None:
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set and `wake` called."""
        while not stop.is_set():
            self._wake.clear()
            try:
                worked = self.step()
            except StoreFailed as error:
                log.error("hook %s: %s", self._hook.name, error)
                worked = False
            if self._pause_s:
                stop.wait(self._pause_s)
            elif not worked:
                self._wake.wait(IDLE_S)

    def step(self) -> bool:
        """Try the one that is due, if there is one. Raises StoreFailed."""
        if self._unnoted is not None:
            # Its receiver has it: it is not sent again and again while the disk is full.
            self._note(*self._unnoted)
            self._unnoted = None
        self._follow_clock()
        waiting = self._store.due(self._hook.name, self._now_s())
        if waiting is None:
            return False
        attempt = deliver(self._hook, waiting.id, waiting.body, self._now_s())
        self._pause_s = self._backoff.next_s() if attempt.away else 0.0
        if not attempt.away:
            self._backoff.reset()
        self._unnoted = waiting, attempt
        self._note(waiting, attempt)
        self._unnoted = None
        return True

    def _follow_clock(self) -> None:
        """What was to be tried by a clock that was ahead is tried now, and not when that time comes again."""
        now_s = self._now_s()
        if now_s < self._latest_s:
            self._store.earlier(self._hook.name, self._latest_s - now_s)
        if not self._latest_s or now_s < self._latest_s:
            self._store.bring_forward(self._hook.name, now_s + LONGEST_WAIT_S, now_s)
        self._latest_s = now_s

    def _note(self, waiting: Waiting, attempt: Attempt) -> None:
        what = f"{waiting.event} of {waiting.subject} to hook {waiting.hook}"
        if attempt.delivered:
            self._store.delivered(waiting)
            outcome = "delivered"
        elif attempt.final or waiting.attempts >= len(self._delays_s):
            self._store.dead(waiting, attempt.outcome)
            log.error("%s is given up after attempt %d: %s", what, waiting.attempts + 1, attempt.outcome)
            outcome = "dead"
        else:
            wait_s = max(self._delays_s[waiting.attempts], attempt.retry_after_s)
            self._store.later(waiting, self._now_s() + wait_s, attempt.outcome)
            log.warning("%s is tried again in %d s: %s", what, wait_s, attempt.outcome)
            outcome = "failed"
        DELIVERIES.labels(waiting.hook, outcome).inc()

    def _now_s(self) -> int:
        return self._clock.now_us() // US_PER_S
