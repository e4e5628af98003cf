"""Fragments that came before the request of their job. For the collector.

A source may answer before the collector has read the question, since each has a queue of its own. Such
fragments stay unacknowledged, so their number is bounded by what the receiver hands out.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from docket.bus.interface import Delivery
from docket.bus.messages import Fragment
from docket.domain.clock import Clock

PATIENCE_S = 10.0
"""After that the request is not coming any more: it was no valid one, or it is lost."""

CROWDED = 4
"""From so many kept fragments on they may hold back those of real jobs: a shard hands out eight (`PREFETCH`)."""

CROWDED_PATIENCE_S = 0.5
"""The patience then. A request is published before anybody can answer it, so it is late by milliseconds at most."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    delivery: Delivery
    fragment: Fragment
    since_s: float


class EarlyFragmentBuffer:
    """Keeps them in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, list[_Held]] = {}
        self._given_up: dict[str, None] = {}

    def is_given_up(self, job_id: str) -> bool:
        """Whether fragments of this job waited in vain before."""
        return job_id in self._given_up

    def keep(self, delivery: Delivery, fragment: Fragment) -> None:
        self._held.setdefault(fragment.job, []).append(_Held(delivery, fragment, self._clock.monotonic_s()))

    def waiting_for(self, jobs: Container[str]) -> list[str]:
        """Those of the jobs for which something is kept."""
        return [job_id for job_id in self._held if job_id in jobs]

    def of(self, job_id: str) -> list[tuple[Delivery, Fragment]]:
        """Hand out what was kept for a job."""
        return [(held.delivery, held.fragment) for held in self._held.pop(job_id, [])]

    def too_old(self, generation: int) -> list[tuple[Delivery, Fragment]]:
        """Hand out what will not be asked for, and forget what the broker has taken back."""
        crowded = sum(map(len, self._held.values())) >= CROWDED
        oldest_s = self._clock.monotonic_s() - (CROWDED_PATIENCE_S if crowded else PATIENCE_S)
        given_up: list[tuple[Delivery, Fragment]] = []
        for job_id, kept in list(self._held.items()):
            alive = [held for held in kept if held.delivery.generation == generation]
            if alive and alive[0].since_s < oldest_s:
                given_up += [(held.delivery, held.fragment) for held in alive]
                alive = []
                self._forget_soon(job_id)
            if alive:
                self._held[job_id] = alive
            else:
                del self._held[job_id]
        return given_up

    def _forget_soon(self, job_id: str) -> None:
        self._given_up[job_id] = None
        if len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
