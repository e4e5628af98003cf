"""What is wrong beyond the web app itself: the broker's alarm, queues, silent directories, certificates, failed units.

For `readiness` alone. Each fault is a check that is not ok, with what to do; what is well is not listed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
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
from docket.web.http.executor import Executor

PROBE_S = 1.5
"""How long the broker may take for one small message."""
LOOK_AGAIN_S = 5.0
"""Health may be asked several times a second; units and broker are looked at this often at most."""
WARN_DAYS = 30
SILENT_S = 15 * 60
"""A directory into which a recorder has written nothing for longer is worth a look, also at night."""


_COLLECTOR_UNIT = "systemctl status docket-collector"


def fault(name: str, message: str, advice: str) -> Check:
    return Check(name=name, ok=False, message=message, advice=advice)


class HealthFaults:
    """Looks, and remembers for a moment what it saw. One per process."""

    def __init__(self, link: AsyncBusClient, files: Executor, certificates: Sequence[Path]) -> None:
        """`certificates`: files, and directories of them."""
        self._link = link
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

    async def others(self, sources: Sequence[SourceStatus], depths: Mapping[str, QueueDepth]) -> list[Check]:
        """What is wrong with the queues whose depths are given, with the sources, and on this machine."""
        known = self._fresh("others")
        if known is None:
            known = await self._files.run(_of_this_machine, self._certificates)
            self._seen["others"] = (time.monotonic(), known)
        queues = [check for name, depth in depths.items() for check in _of_queue(name, depth)]
        return [*queues, *_of_sources(sources), *known]

    async def _probe(self) -> list[Check]:
        event = f"audit.{AuditAction.PROBE.value}"
        body = encode(AuditMessage(event=event, at=now_text(), user="", address="", job_id="", request="", detail=""))
        try:
            await self._link.publish(topology.EVENTS, event, body, mandatory=False, timeout_s=PROBE_S)
        except BusError as error:
            what = "rabbitmqctl status (Alarms): make room on its disk or in its memory; it goes on by itself then"
            return [fault("broker", str(error), what)]
        return []

    def _fresh(self, what: str) -> list[Check] | None:
        at_s, checks = self._seen.get(what, (0.0, []))
        return checks if at_s and time.monotonic() - at_s < LOOK_AGAIN_S else None


def _of_queue(name: str, depth: QueueDepth) -> Iterator[Check]:
    if name == topology.DEAD_QUEUE:
        if depth.messages:
            message = f"{depth.messages} messages could not be handled"
            yield fault("dead letters", message, "docs/operations.md, Dead letters: look at the reason, then purge")
    elif not depth.consumers:
        yield fault(f"queue {name}", f"no reader, {depth.messages} messages", _read_by(name))


def _read_by(queue: str) -> str:
    if queue == topology.INSPECTOR_QUEUE:
        return "systemctl status docket-inspector; without it results are whole, and cannot be looked into"
    source = queue.removeprefix(topology.source_queue(""))
    return f"systemctl status docket-worker@{source.partition(':')[2]}" if source != queue else _COLLECTOR_UNIT


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


def _of_this_machine(certificates: Sequence[Path]) -> list[Check]:
    found = [fault(f"unit {name}", "has failed", advice(name)) for name in failed_units()]
    for path in _files(certificates):
        try:
            found += _of_end(f"certificate {path}", int(not_after(path).timestamp()))
        except (OSError, ValueError):
            continue  # a key, or nothing that this process may read
    return found


def _files(certificates: Sequence[Path]) -> list[Path]:
    """Each once, though names beside it may lead to it, too."""
    known: dict[str, Path] = {}
    for named in certificates:
        for path in sorted(named.glob("*.pem")) if named.is_dir() else (named,):
            known.setdefault(os.path.realpath(path), path)
    return list(known.values())
