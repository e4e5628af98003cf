"""How full the queues are: asked of the broker a bounded number at a time, and remembered. For health and metrics.

Both may be asked several times a second, and each look costs the broker a question per queue, on the connection that
carries the jobs: of a thousand sources that would be a second of its time for every call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from docket.bus import topology
from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import QueueDepth
from docket.domain.clock import now_us
from docket.errors import BusError
from docket.spool.collector_health import SILENCE_S, CollectorHealth

LOOK_AGAIN_S = 2.0
MOST_AT_ONCE = 100
"""Queues of sources that are looked at then, in turn."""


class QueueDepths:
    """One per process."""

    def __init__(self) -> None:
        self._known: dict[str, QueueDepth] = {}
        self._looked_s: float | None = None
        self._next = 0
        """The place of the source whose turn it is."""
        self._lock = asyncio.Lock()

    async def of(
        self, link: AsyncBusClient, sources: Sequence[str], collector: CollectorHealth | None = None
    ) -> dict[str, QueueDepth]:
        """Of the queues of these sources and those that all share, as far as they are known.

        Where this process has no right to look at a queue, and while its own connection takes no messages, what the
        collector saw stands for it: since RabbitMQ 4.2.6 the rights of the web app alone show it no queue.
        """
        wanted = [queue.name for queue in topology.queues(sources)]
        try:
            known = await self._seen_here(link, wanted)
        except BusError:
            known = {}
        if collector is not None and collector.silent_s(now_us()) <= SILENCE_S:
            known = {name: QueueDepth(*depth) for name, depth in collector.queues.items()} | known
        return {name: known[name] for name in wanted if name in known}

    async def _seen_here(self, link: AsyncBusClient, wanted: Sequence[str]) -> dict[str, QueueDepth]:
        """Raises BusError."""
        kept = set(wanted)
        async with self._lock:
            if self._looked_s is None or time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
                self._looked_s = None
                seen = await link.depths(self._due(wanted))
                self._known = {name: depth for name, depth in (self._known | seen).items() if name in kept}
                self._looked_s = time.monotonic()
            return self._known

    def _due(self, wanted: Sequence[str]) -> list[str]:
        """The queues that are looked at now: those that all share, and of the sources as many as it is the turn of."""
        of_sources = [name for name in wanted if name.startswith(topology.source_queue(""))]
        shared = [name for name in wanted if not name.startswith(topology.source_queue(""))]
        begin = self._next % max(len(of_sources), 1)
        turn = [*of_sources[begin:], *of_sources[:begin]][:MOST_AT_ONCE]
        self._next = begin + len(turn)
        return shared + turn
