"""What is wrong beyond the web app itself: the broker's alarm, queues, silent directories, certificates, failed units.

For `health_handlers` alone. Each fault is a check that is not ok, with what to do; what is well is not listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from docket.bus import topology
from docket.bus.async_interface import AsyncBusClient
from docket.bus.interface import QueueDepth
from docket.bus.messages import AuditAction, AuditMessage, encode
from docket.domain.api import Check
from docket.domain.clock import now_text, now_us
from docket.domain.source import SourceStatus
from docket.domain.timewindow import US_PER_S
from docket.errors import BusError
from docket.runtime.cert_expiry import not_after
from docket.runtime.service_units import advice, failed_units
from docket.web.health.queue_depths import QueueDepths
from docket.web.http.executor import Executor

PROBE_S = 1.5
"""How long the broker may take for one small message."""
LOOK_AGAIN_S = 5.0
"""Health may be asked several times a second; units and broker are looked at this often at most."""
WARN_DAYS = 30
SILENT_S = 15 * 60
"""A directory into which a recorder has written nothing for longer is worth a look, also at night."""


def fault(name: str, message: str, advice: str) -> Check:
    return Check(name=name, ok=False, message=message, advice=advice)


class HealthFaults:
    """Looks, and remembers for a moment what it saw. One per process."""

    def __init__(
        self, link: AsyncBusClient, queue_depths: QueueDepths, files: Executor, certificates: Sequence[str]
    ) -> None:
        self._link = link
        self._queue_depths = queue_depths
        self._files = files
        self._certificates = certificates
        self._seen: dict[str, tuple[float, list[Check]]] = {}

    async def broker(self) -> Check | None:
        """Why the broker takes no messages; None where it does. Only a message tells: an alarm stops no one else."""
        known = self._fresh("broker")
        if known is None:
            known = await self._probe()
            self._seen["broker"] = (time.monotonic(), known)
        return known[0] if known else None

    async def others(self, sources: Sequence[SourceStatus]) -> list[Check]:
        known = self._fresh("others")
        if known is None:
            known = await self._files.run(_of_this_machine, self._certificates)
            self._seen["others"] = (time.monotonic(), known)
        return [*await self._of_queues(sources), *_of_sources(sources), *known]

    async def _probe(self) -> list[Check]:
        event = f"audit.{AuditAction.PROBE.value}"
        body = encode(AuditMessage(event=event, at=now_text(), user="", address="", job_id="", request="", detail=""))
        try:
            await self._link.publish(topology.EVENTS, event, body, mandatory=False, timeout_s=PROBE_S)
        except BusError as error:
            what = "rabbitmqctl status (Alarms): make room on its disk or in its memory; it goes on by itself then"
            return [fault("broker", str(error), what)]
        return []

    async def _of_queues(self, sources: Sequence[SourceStatus]) -> list[Check]:
        try:
            depths = await self._queue_depths.of(self._link, [source.name for source in sources])
        except BusError:
            return []
        offline = {topology.source_queue(source.name) for source in sources if source.state != "online"}
        unread = {topology.INSPECTOR_QUEUE, *offline}
        return [check for name, depth in depths.items() if name not in unread for check in _of_queue(name, depth)]

    def _fresh(self, what: str) -> list[Check] | None:
        at_s, checks = self._seen.get(what, (0.0, []))
        return checks if at_s and time.monotonic() - at_s < LOOK_AGAIN_S else None


def _of_queue(name: str, depth: QueueDepth) -> Iterator[Check]:
    if name == topology.DEAD_QUEUE:
        if depth.messages:
            message = f"{depth.messages} messages could not be handled"
            yield fault("dead letters", message, "docs/operations.md, Dead letters: look at the reason, then purge")
    elif not depth.consumers:
        source = name.removeprefix(topology.source_queue(""))
        unit = f"docket-worker@{source.partition(':')[2]}" if source != name else "docket-collector"
        yield fault(f"queue {name}", f"no reader, {depth.messages} messages", f"systemctl status {unit}")


def _of_sources(sources: Sequence[SourceStatus]) -> Iterator[Check]:
    """What a source that answers says of itself and would not be an error of its own."""
    for source in sources:
        written_s = source.stats.get("last_written")
        silent_s = 0 if written_s is None else now_us() // US_PER_S - written_s
        if silent_s > SILENT_S:
            message = f"no file of it was written to for {silent_s // 60} minutes"
            yield fault(f"recording {source.name}", message, "is its recorder running, and is there traffic?")
        ends_s = source.stats.get("certificate_ends")
        if ends_s is not None:
            yield from _of_end(f"certificate of {source.name}", ends_s)


def _of_end(name: str, ends_s: int) -> Iterator[Check]:
    days = (ends_s - now_us() // US_PER_S) // 86_400
    if days < WARN_DAYS:
        said = f"ends in {days} days" if days >= 0 else "has ended"
        what = "make a new one (stenokeys, deploy/tls/certificates), then restart what uses it"
        yield fault(name, said, what)


def _of_this_machine(certificates: Sequence[str]) -> list[Check]:
    found = [fault(f"unit {name}", "has failed", advice(name)) for name in failed_units()]
    for path in certificates:
        try:
            found += _of_end(f"certificate {path}", int(not_after(Path(path)).timestamp()))
        except (OSError, ValueError):
            continue  # a key, or nothing that this process may read
    return found
