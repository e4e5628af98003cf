"""What `docket status` looks at beyond the server's own word: queues, certificates; and what to do about each fault."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from docket.bus import topology
from docket.config.model import Config, StenographerConfig
from docket.domain.api import Check
from docket.runtime.cert_expiry import not_after

SOON = timedelta(days=30)
"""A certificate that ends within this is not well: renewing it takes people."""

_SAMPLE = re.compile(r'^docket_queue_(messages|consumers)\{queue="((?:[^"\\]|\\.)*)"\} (\S+)$', re.MULTILINE)


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """One queue of the bus."""

    name: str
    messages: int
    consumers: int
    ok: bool
    advice: str = ""


class CertificateState(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate that the configuration names."""

    path: str
    ends: str | None
    ok: bool
    advice: str = ""


def queues(metrics: str, checks: Iterable[Check]) -> list[QueueState]:
    """The queues as the server's figures tell of them, and what its checks say about each."""
    numbers: dict[str, dict[str, int]] = {}
    for kind, name, value in _SAMPLE.findall(metrics):
        numbers.setdefault(name.replace(r"\"", '"').replace(r"\\", "\\"), {})[kind] = int(float(value))
    bad = {check.name: check.advice for check in checks if not check.ok}
    return [
        QueueState(
            name=name,
            messages=found.get("messages", 0),
            consumers=found.get("consumers", 0),
            ok=check_of(name) not in bad,
            advice=bad.get(check_of(name), ""),
        )
        for name, found in numbers.items()
    ]


def check_of(queue: str) -> str:
    """The name of the server's check that a queue has while it is not well."""
    return "dead letters" if queue == topology.DEAD_QUEUE else f"queue {queue}"


def certificates(config: Config, now: datetime | None = None) -> list[CertificateState]:
    """Every certificate that the configuration names and this user may read."""
    now = now or datetime.now(UTC)
    return [_certificate(path, now) for path in dict.fromkeys(_paths(config))]


def _paths(config: Config) -> Iterable[Path]:
    for name in ("ca", "cert"):
        if name in config.bus_tls:
            yield Path(config.bus_tls[name])
    for source in config.sources:
        if isinstance(source, StenographerConfig):
            yield from (source.ca, source.cert)


def _certificate(path: Path, now: datetime) -> CertificateState:
    try:
        ends = not_after(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return CertificateState(path=str(path), ends=None, ok=False, advice=f"cannot be read: {reason}")
    left = ends - now
    advice = ""
    if left < SOON:
        said = "has ended" if left <= timedelta(0) else f"ends in {left.days} days"
        advice = f"{said}: make a new one (stenokeys, deploy/tls/certificates) and restart what uses it"
    return CertificateState(path=str(path), ends=ends.strftime("%Y-%m-%dT%H:%M:%SZ"), ok=not advice, advice=advice)
