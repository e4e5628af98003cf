"""Tells the others about one source: that it is here, what it holds, how it is, and that it leaves. For `interface`.

A thread per source, so that a store that answers late or never keeps no other source's status back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from docket.bus.cloud_events import attributes
from docket.bus.messages import encode
from docket.bus.topology import EVENTS
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.plain_text import printable, whole
from docket.domain.source import GapStatus, SourceStatus, fitted
from docket.domain.timewindow import format_us
from docket.errors import BusError, SourceError
from docket.workers.publisher_pool import PublisherPool
from docket.workers.sources.base import Coverage, Source

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""Three of these without a word, and a source counts as offline."""
FIRST_PAUSE_S = 0.5
"""After a greeting the news comes thicker at first: those it is for may have been starting at the same moment."""
PUBLISH_S = 5.0
FAREWELL_S = 1.0


class Heartbeat:
    """News of one source, every ten seconds, and thicker after a greeting."""

    def __init__(self, source: Source, publishers: PublisherPool, load: Callable[[], dict[str, int]]) -> None:
        """`load` tells how busy the worker is with this source."""
        self._source = source
        self._publishers = publishers
        self._load = load
        self._clock = Clock()
        self._poke = threading.Event()
        self._leaving = threading.Event()
        self._greet = True
        self._pause_s = FIRST_PAUSE_S
        self._in_trouble = False
        self._thread = threading.Thread(target=self._run, name=f"announcer of {source.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def announce(self) -> None:
        """Say `source.online` at once; again after the bus was away."""
        self._greet = True
        self._poke.set()

    def leave(self) -> None:
        """Say `source.offline`, as far as the bus takes it, and end. The store is not waited for."""
        self._leaving.set()
        self._poke.set()
        self._publish(EventName.SOURCE_OFFLINE, self._status(None, None, "offline"), FAREWELL_S)

    def _run(self) -> None:
        while not self._leaving.is_set():
            self._poke.clear()
            status = self._look()
            if self._leaving.is_set():
                break
            event = EventName.SOURCE_ONLINE if self._greet else EventName.SOURCE_STATS
            self._pause_s = FIRST_PAUSE_S if self._greet else min(2 * self._pause_s, HEARTBEAT_S)
            self._greet = False
            self._publish(event, status, PUBLISH_S)
            self._poke.wait(self._pause_s)

    def _look(self) -> SourceStatus:
        """What the source is like now. A store that says what cannot be is named as the fault that it is."""
        try:
            coverage, error = self._ask()
            status = fitted(self._status(coverage, error, "online"))
            encode(EventMessage(event=EventName.SOURCE_STATS, at=status.last_seen, source=status))
        except (ValueError, OverflowError, msgspec.MsgspecError) as fault:
            said = printable(str(fault))
            log.warning("%s says of itself what cannot be: %s", self._source.name, said)
            return self._status(None, f"The source gives times or counters that cannot be: {said}.", "online")
        except Exception:
            # The one broad net: without this thread the source would count as offline, whatever else works.
            log.exception("%s cannot be looked at", self._source.name)
            return self._status(None, "Looking at the source failed; see the worker's log.", "online")
        return status

    def _ask(self) -> tuple[Coverage | None, str | None]:
        try:
            coverage = self._source.coverage()
        except SourceError as error:
            if not self._in_trouble:
                log.warning("%s does not answer: %s", self._source.name, error)
            self._in_trouble = True
            return None, whole(error.sentence)
        if self._in_trouble:
            log.info("%s answers again", self._source.name)
        self._in_trouble = False
        return coverage, None

    def _status(self, coverage: Coverage | None, error: str | None, state: str) -> SourceStatus:
        known = coverage or Coverage(None, None)
        return SourceStatus(
            name=self._source.name,
            kind=self._source.kind,
            state=state,
            oldest=None if known.oldest_us is None else format_us(known.oldest_us),
            readable_until=None if known.readable_until_us is None else format_us(known.readable_until_us),
            last_seen=self._clock.now(),
            error=error,
            stats=known.stats | self._load(),
            look_inside=self._source.look_inside,
            gaps=tuple(
                GapStatus(begins=format_us(gap.after_us), until=format_us(gap.before_us), reason=gap.reason)
                for gap in known.gaps
            ),
        )

    def _publish(self, event: EventName, status: SourceStatus, wait_s: float) -> None:
        message = EventMessage(event=event, at=self._clock.now(), source=status)
        with self._publishers.lend() as publisher:
            try:
                headers = attributes(message, "worker")
                publisher.publish(
                    EVENTS, event.value, encode(message), headers=headers, persistent=False, wait_s=wait_s
                )
            except BusError as error:
                log.debug("%s was not published: %s", event.value, error)
