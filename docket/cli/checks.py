"""What `docket status` looks at beyond the server's own word: queues, certificates; and what to do about each fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from docket.bus import topology
from docket.config.model import Config, StenographerConfig
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


def queues(metrics: str) -> list[QueueState]:
    """The queues as the server's figures tell of them."""
    numbers: dict[str, dict[str, int]] = {}
    for kind, name, value in _SAMPLE.findall(metrics):
        numbers.setdefault(name.replace(r"\"", '"').replace(r"\\", "\\"), {})[kind] = int(float(value))
    return [_queue(name, found.get("messages", 0), found.get("consumers", 0)) for name, found in numbers.items()]


def _queue(name: str, messages: int, consumers: int) -> QueueState:
    advice = ""
    if name == topology.DEAD_QUEUE:
        if messages:
            advice = "messages that could not be handled: see docs/operations.md, Dead letters"
    elif name == topology.INSPECTOR_QUEUE:
        # Results are whole without an inspector; only looking into them needs one.
        advice = ""
    elif not consumers:
        advice = f"no consumer: systemctl status {_unit(name)}"
    return QueueState(name=name, messages=messages, consumers=consumers, ok=not advice, advice=advice)


def _unit(queue: str) -> str:
    source = queue.removeprefix(topology.source_queue(""))
    return f"docket-worker@{source.partition(':')[2]}" if source != queue else "docket-collector"


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


_ADVICE: Mapping[str, str] = {
    "broker": "systemctl status rabbitmq-server; then `bus` in the configuration",
    "ledger": "systemctl status docket-collector: it makes the ledger, and the web app reads it in spool.path",
    "spool": "delete results, or lower spool.max_bytes or spool.keep; what else fills the disk?",
    "collector": "systemctl status docket-collector; journalctl -u docket-collector",
    "inspector": "systemctl status docket-inspector; without it results are whole, and cannot be looked into",
}


def advice(check: str) -> str:
    """What to do about a check of the server's that is not well."""
    if check.startswith("source "):
        interface = check.rpartition(":")[2]
        return f"systemctl status docket-worker@{interface} stenographer@{interface}"
    return _ADVICE.get(check, "journalctl -u docket")
