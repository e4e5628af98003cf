"""Which sources there are, and which of them are there: what the collector knows of workers and asks about them.

A source is offline when it says so, when it has been silent for too long, or when its queue has no consumer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from docket.bus.interface import Broker
from docket.bus.topology import source_queue
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.source import SourceStatus
from docket.domain.timewindow import US_PER_S, parse_time_us
from docket.errors import BusLost, QueueHidden
from docket.workers.collector.outcome_texts import clock_time

log = logging.getLogger(__name__)

SILENCE_S = 30.0
"""Workers speak every 10 s."""
QUIET_S = 12.0
"""From then on silence is worth a word, though a worker may only be held up by a store that does not answer it."""

FORGET_S = 7 * 86_400
"""A source that is in no configuration and has been away for longer is not asked by default any more."""


LOOK_AGAIN_S = 0.4
"""Less than the least pause of a worker that greets, so that a new source is seen with its second word."""
MOST_UNSERVED = 1_000


@dataclass(frozen=True, slots=True)
class _Gone:
    """A source's queue has no consumer."""

    since_s: float
    since: str


class SourceRegistry:
    """What is known of every source."""

    def __init__(self, broker: Broker, clock: Clock, configured: Iterable[str], stored: Sequence[SourceStatus]) -> None:
        self._broker = broker
        self._clock = clock
        self._configured = tuple(configured)
        self._statuses = {status.name: status for status in stored}
        # A restarted collector gives everybody the time to be heard.
        self._heard_s = {status.name: clock.monotonic_s() for status in stored}
        self._gone: dict[str, _Gone] = {}
        self._unserved_until_s: dict[str, float] = {}
        """Names that were announced and have no worker, and when they are looked at again."""

    def names(self) -> tuple[str, ...]:
        """The sources that a question without names is asked of."""
        oldest_us = self._clock.now_us() - FORGET_S * US_PER_S
        heard = [
            name for name, status in sorted(self._statuses.items()) if parse_time_us(status.last_seen, None) > oldest_us
        ]
        return tuple(dict.fromkeys((*self._configured, *heard)))

    def unknown(self, names: Iterable[str]) -> str:
        """The first of the names that no source has; empty if there is none.

        A source may be on the bus before it was heard here: a collector and workers that begin at the same time.
        """
        known = (*self._configured, SPOOL_SOURCE)
        unheard = (name for name in names if name not in known and name not in self._statuses)
        return next((name for name in unheard if not self._is_served(name, unseen=False)), "")

    def on_event(self, message: EventMessage) -> tuple[SourceStatus, bool] | None:
        """Note what a source says of itself; returns its status and whether it has just come online."""
        status = message.source
        if status is None:
            return None
        before = self._statuses.get(status.name)
        if message.event is EventName.SOURCE_FORGOTTEN or (
            before is None and message.event is EventName.SOURCE_OFFLINE
        ):
            return None  # said by the collector itself, of a source that it does not know any more
        if before is None and status.name not in self._configured and not self._is_served(status.name, unseen=True):
            return None
        self._statuses[status.name] = status
        if message.event is not EventName.SOURCE_OFFLINE:
            # The collector receives what it publishes itself on behalf of a silent worker.
            self._heard_s[status.name] = self._clock.monotonic_s()
        else:
            self._heard_s.setdefault(status.name, self._clock.monotonic_s())
        online = status.state == "online"
        if online:
            self._gone.pop(status.name, None)
        came = online and (message.event is EventName.SOURCE_ONLINE or before is None or before.state != "online")
        return status, came

    def _is_served(self, name: str, *, unseen: bool) -> bool:
        """Whether the queue of an unknown source has a consumer: an announcement alone is no proof. The broker lets
        only the workers of its sensor read it. Where it cannot be seen now, the next word of the source is soon.

        `unseen` is the answer where this service may not see the queue.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._unserved_until_s.get(name, 0.0):
            return False
        try:
            served = self._broker.depth(source_queue(name)).consumers > 0
        except QueueHidden:
            served = unseen
        except BusLost:
            served = False
        if not served:
            if len(self._unserved_until_s) >= MOST_UNSERVED:
                self._unserved_until_s.clear()
            self._unserved_until_s[name] = now_s + LOOK_AGAIN_S
        return served

    def forget(self, name: str) -> str:
        """Ask the source no more. Gives the reason where that cannot be; empty if it is forgotten.

        One that is not known here is forgotten already; web apps list whatever was announced, and have to learn it.
        """
        status = self._statuses.get(name)
        if name in self._configured:
            return f"{name} is in the collector's configuration; remove it there"
        if status is not None and status.state == "online":
            return f"{name} is online; stop its worker first"
        for known in (self._statuses, self._heard_s, self._gone):
            known.pop(name, None)
        log.info("source %s is forgotten", name)
        return ""

    def silent(self) -> list[SourceStatus]:
        """The sources that have just become offline because they have been silent; each is given once."""
        now_s = self._clock.monotonic_s()
        fallen: list[SourceStatus] = []
        for name, status in self._statuses.items():
            if status.state == "online" and now_s - self._heard_s[name] > SILENCE_S:
                error = f"nothing was heard of it since {clock_time(status.last_seen)}"
                fallen.append(msgspec.structs.replace(status, state="offline", error=error))
        for status in fallen:
            log.warning("source %s is offline: %s", status.name, status.error)
            self._statuses[status.name] = status
        return fallen

    def look(self, names: Iterable[str]) -> None:
        """Ask the bus whether a consumer listens for these sources."""
        for name in names:
            try:
                depth = self._broker.depth(source_queue(name))
            except QueueHidden:
                # Whether it lives is then known from what it says alone.
                self._gone.pop(name, None)
                continue
            except BusLost:
                # Then consumers cannot be counted, and what was seen before stays true for now; nor do events arrive.
                self._heard_s = dict.fromkeys(self._heard_s, self._clock.monotonic_s())
                return
            if depth.consumers:
                self._gone.pop(name, None)
            elif name not in self._gone:
                self._gone[name] = _Gone(self._clock.monotonic_s(), clock_time(self._clock.now()))

    def gone(self, name: str, patience_s: float) -> str:
        """What is wrong with a source whose queue has had no consumer for so long; empty if it has one."""
        gone = self._gone.get(name)
        if gone is None or self._clock.monotonic_s() - gone.since_s < patience_s:
            return ""
        return f"is not connected since {gone.since}"

    def away(self, name: str) -> str:
        """What is wrong with a source's worker from whom nothing is to be hoped for now; empty if something is."""
        return self.gone(name, 0.0) or self.silence(name, SILENCE_S)

    def silence(self, name: str, least_s: float) -> str:
        """What is wrong with a source's worker that has said nothing for so long; empty if it has, or is not known.

        A host that was cut off stays connected, as the broker sees it, until heartbeats are missing for a minute.
        """
        heard_s = self._heard_s.get(name)
        if heard_s is None or self._clock.monotonic_s() - heard_s < least_s:
            return ""
        return f"has not been heard of since {clock_time(self._statuses[name].last_seen)}"
