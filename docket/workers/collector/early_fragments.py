"""Fragments that came before the request of their job. For the collector.

A source may answer before the collector has read the request, since each has a queue of its own. Such fragments wait
unacknowledged for a moment, and are then parked in the ledger, so that they hold back no others and none is lost.
Each source has a share of that room. What finds none goes, and its source is asked again when the request comes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import msgspec

from docket.bus.interface import Delivery
from docket.bus.messages import Fragment, decode_fragment, fragment_headers
from docket.domain.clock import Clock
from docket.spool.ledger_statements import ParkedFragment
from docket.spool.ledger_writer import Ledger
from docket.workers.collector.commit import Batch
from docket.workers.collector.open_job import OpenJob

log = logging.getLogger(__name__)

PARK_AFTER_S = 0.1
"""Nearly always the request comes within this, and nothing has to be written twice."""

PARKED_PATIENCE_S = 60.0
"""After that the request is not coming any more: it was no valid one, or it is lost."""

HELD_PATIENCE_S = 0.5
"""How long a fragment without room may hold back others: a shard hands out eight (`PREFETCH`)."""

SHARE_FRAGMENTS, SHARE_BYTES = 1_000, 8 * 1024 * 1024
"""What is parked of one source at most."""

MOST_FRAGMENTS, MOST_BYTES = 20_000, 64 * 1024 * 1024
"""What is parked of all."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    delivery: Delivery
    fragment: Fragment
    since_s: float

    def due_s(self, now_s: float) -> float:
        """When to look at it next."""
        park_s = self.since_s + PARK_AFTER_S
        return park_s if now_s < park_s else self.since_s + HELD_PATIENCE_S


@dataclass(slots=True)
class _Room:
    """How much is parked."""

    count: int = 0
    size_bytes: int = 0

    def add(self, count: int, size_bytes: int) -> None:
        self.count += count
        self.size_bytes += size_bytes

    def has_place(self, most_count: int, most_bytes: int, size_bytes: int) -> bool:
        return self.count < most_count and self.size_bytes + size_bytes <= most_bytes


@dataclass(slots=True)
class _ParkedJob:
    since_s: float
    rooms: dict[str, _Room] = field(default_factory=dict)
    """What is parked of each source."""


class _GivenUp:
    """Jobs and sources whose fragments waited in vain; the oldest are forgotten."""

    def __init__(self) -> None:
        self._sources: dict[str, set[str]] = {}
        self._count = 0

    def has(self, job_id: str, source: str) -> bool:
        return source in self._sources.get(job_id, ())

    def add(self, job_id: str, source: str) -> None:
        if self.has(job_id, source):
            return
        log.warning("job %s: a fragment from %s for an unknown job goes", job_id, source)
        self._sources.setdefault(job_id, set()).add(source)
        self._count += 1
        while self._count > _REMEMBERED:
            self.take(next(iter(self._sources)))

    def take(self, job_id: str) -> set[str]:
        """Forget a job; returns its sources."""
        sources = self._sources.pop(job_id, set())
        self._count -= len(sources)
        return sources


class EarlyFragmentBuffer:
    """Keeps them in the order in which they came. What is parked of a reading came before what is still in hand."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        """Takes up what an earlier collector has parked. Raises SpoolError."""
        self._clock, self._ledger = clock, ledger
        self._held: dict[str, list[_Held]] = {}
        self._parked: dict[str, _ParkedJob] = {}
        self._of_source: dict[str, _Room] = {}
        self._in_all = _Room()
        self._given_up = _GivenUp()
        for share in ledger.parked_shares():
            self._add(share.job_id, share.source, share.fragments, share.size_bytes)

    def is_given_up(self, fragment: Fragment) -> bool:
        """Whether fragments of this job and source waited in vain before."""
        return self._given_up.has(fragment.job, fragment.source)

    def keep(self, delivery: Delivery, fragment: Fragment) -> None:
        self._held.setdefault(fragment.job, []).append(_Held(delivery, fragment, self._clock.monotonic_s()))

    def due_s(self, now_s: float) -> list[float]:
        """When there will be something to do."""
        return [held[0].due_s(now_s) for held in self._held.values()]

    def let_in(self, job: OpenJob, batch: Batch) -> None:
        """The request of a job has been read: hand it what came before."""
        if job.id in self._parked:
            for headers, body in self._ledger.parked(job.id):
                job.take(decode_fragment(msgspec.json.decode(headers), body), batch.entries)
            self._unpark(job.id, batch)
        for held in self._held.pop(job.id, []):
            job.take(held.fragment, batch.entries)
            batch.settled.append((held.delivery, ""))
        for source in self._given_up.take(job.id):
            job.lose(source, batch.entries)

    def look(self, generation: int, batch: Batch) -> None:
        """Park what has waited for a moment, let go of what waited in vain, and of what the broker has taken back."""
        now_s = self._clock.monotonic_s()
        for job_id, kept in list(self._held.items()):
            held = [one for one in kept if one.delivery.generation == generation]
            if held and held[0].since_s + PARK_AFTER_S <= now_s:
                held = self._park_or_give_up(held, now_s, batch)
            if held:
                self._held[job_id] = held
            else:
                del self._held[job_id]
        self._expire(now_s, batch)

    def _expire(self, now_s: float, batch: Batch) -> None:
        """Let go of what is parked in vain; the oldest stands first."""
        while self._parked:
            job_id, parked = next(iter(self._parked.items()))
            if now_s < parked.since_s + PARKED_PATIENCE_S:
                return
            for source in parked.rooms:
                self._given_up.add(job_id, source)
            self._unpark(job_id, batch)

    def _park_or_give_up(self, held: list[_Held], now_s: float, batch: Batch) -> list[_Held]:
        """Of one job. Returns what still has to wait in hand."""
        rest, full = [], set[str]()
        for one in held:
            source = one.fragment.source
            if source not in full and not self.is_given_up(one.fragment) and self._has_room(one):
                self._park(one, batch)
            elif now_s - one.since_s < HELD_PATIENCE_S:
                full.add(source)  # a later one must not be parked before it
                rest.append(one)
            else:
                self._given_up.add(one.fragment.job, source)
                batch.settled.append((one.delivery, ""))
        return rest

    def _has_room(self, one: _Held) -> bool:
        size_bytes, of_source = len(one.fragment.body), self._of_source.get(one.fragment.source, _Room())
        return of_source.has_place(SHARE_FRAGMENTS, SHARE_BYTES, size_bytes) and self._in_all.has_place(
            MOST_FRAGMENTS, MOST_BYTES, size_bytes
        )

    def _park(self, one: _Held, batch: Batch) -> None:
        fragment = one.fragment
        headers = msgspec.json.encode(fragment_headers(fragment))
        batch.entries.parked.append(ParkedFragment(fragment.job, fragment.source, headers, fragment.body))
        batch.settled.append((one.delivery, ""))
        self._add(fragment.job, fragment.source, 1, len(fragment.body))

    def _add(self, job_id: str, source: str, count: int, size_bytes: int) -> None:
        parked = self._parked.setdefault(job_id, _ParkedJob(self._clock.monotonic_s()))
        for room in (
            parked.rooms.setdefault(source, _Room()),
            self._of_source.setdefault(source, _Room()),
            self._in_all,
        ):
            room.add(count, size_bytes)

    def _unpark(self, job_id: str, batch: Batch) -> None:
        batch.entries.unparked.add(job_id)
        for source, room in self._parked.pop(job_id).rooms.items():
            of_source = self._of_source[source]
            for shared in (of_source, self._in_all):
                shared.add(-room.count, -room.size_bytes)
            if not of_source.count:
                del self._of_source[source]
