"""Sends events of a job to the queue that its asker named, in a thread of its own: no such queue holds anything up.

For the outbox alone. A queue that is full, gone, or not to be written to loses the reply; a broker that is away does
not. An event counts as published only when its reply has been sent or given up, so that a killed collector sends both
again.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import Counter

from docket.bus.interface import Publisher
from docket.bus.replies import DEFAULT_EXCHANGE, DIRECT_REPLY
from docket.domain.provenance import Provenance
from docket.errors import BusFull, BusLost, Unroutable

log = logging.getLogger(__name__)

REPLIES = Counter("docket_replies", "Events for the queues that askers named, by what became of them.", ["outcome"])

MOST_WAITING = 10_000
"""The newest are left out beyond this: their askers find the job on HTTP."""
MOST_ATTEMPTS = 5
SEND_S = 5.0
LEAVE_S = 3.0


class _Reply(NamedTuple):
    seq: int | None
    provenance: Provenance
    body: bytes
    headers: Mapping[str, str]
    attempts: int = 0


class ReplyPublisher:
    """`send` and `take_done` are for one thread."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._condition = threading.Condition()
        self._waiting: deque[_Reply] = deque()
        self._done: list[int] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, seq: int | None, provenance: Provenance, body: bytes, headers: Mapping[str, str]) -> None:
        """Send it soon; `seq` is among `take_done` afterwards."""
        with self._condition:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="replies", daemon=True)
                self._thread.start()
            if len(self._waiting) >= MOST_WAITING:
                self._settle(_Reply(seq, provenance, body, headers), "left out")
                return
            self._waiting.append(_Reply(seq, provenance, body, headers))
            self._condition.notify()

    def take_done(self) -> list[int]:
        """The numbers of the events whose replies have been sent or given up since the last call."""
        with self._condition:
            done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Send what waits, for a moment, and leave the rest to the next collector."""
        with self._condition:
            if self._thread is not None and not self._stop.is_set():
                self._condition.wait_for(lambda: not self._waiting, LEAVE_S)
            self._stop.set()
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._publisher.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._stop.is_set())
                reply = self._waiting[0] if self._waiting else None
            if reply is None or self._stop.is_set():
                return
            outcome = self._outcome(reply)
            with self._condition:
                self._waiting.popleft()
                if outcome:
                    self._settle(reply, outcome)
                else:
                    self._waiting.append(reply._replace(attempts=reply.attempts + 1))
                self._condition.notify_all()

    def _outcome(self, reply: _Reply) -> str:
        """What became of it; empty: it is to be tried again."""
        queue = reply.provenance.reply_to
        try:
            self._publisher.publish(
                DEFAULT_EXCHANGE,
                queue,
                reply.body,
                headers=reply.headers,
                persistent=False,
                # The broker has no queue for a name of this kind, and would return what it delivers.
                mandatory=not queue.startswith(DIRECT_REPLY),
                wait_s=SEND_S,
                give_up=self._stop,
                correlation_id=reply.provenance.correlation_id,
            )
        except (BusFull, Unroutable) as error:
            log.info("a reply to %s is left out: %s", queue, error)
            return "full" if isinstance(error, BusFull) else "no queue"
        except BusLost as error:
            log.debug("a reply to %s waits: %s", queue, error)
            return "lost" if reply.attempts + 1 >= MOST_ATTEMPTS else ""
        return "sent"

    def _settle(self, reply: _Reply, outcome: str) -> None:
        REPLIES.labels(outcome).inc()
        if reply.seq is not None:
            self._done.append(reply.seq)
