"""Which alerts become jobs, and how many: rules with budgets, from a file of their own."""

from __future__ import annotations

import ipaddress
import zlib
from pathlib import Path

import msgspec

from docket.config.values import duration_s, size_bytes
from docket.domain.decoding import prepare
from docket.domain.timewindow import US_PER_S
from docket.errors import ConfigError, Fault
from docket.workers.alerts.eve import Alert

HOUR_S, DAY_S = 3600, 86_400


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alert is for the first rule that it meets in everything the rule names."""

    name: str
    signatures: tuple[int, ...] = ()
    severity: int | None = None
    """This one or a graver one: 1 is the gravest."""
    categories: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    """One end of the conversation lies in one of them."""
    sample: float = 1.0
    """The share of conversations that is asked for, always the same ones."""
    before: str = "60s"
    after: str = "120s"
    """The window around the alert."""
    sources: tuple[str, ...] = ()
    jobs_per_hour: int = 100
    jobs_per_day: int = 1000
    bytes_per_job: str = "50MB"
    bytes_per_hour: str = "5GB"
    bytes_per_day: str = "50GB"
    """A job counts with all it may bring, `bytes_per_job`."""

    def takes(self, alert: Alert) -> bool:
        ends = [ipaddress.ip_address(alert.source), ipaddress.ip_address(alert.destination)]
        nets = [ipaddress.ip_network(net, strict=False) for net in self.networks]
        return (
            (not self.signatures or alert.signature_id in self.signatures)
            and (self.severity is None or alert.severity <= self.severity)
            and (not self.categories or alert.category in self.categories)
            and (not nets or any(end in net for end in ends for net in nets))
        )

    def samples(self, alert: Alert) -> bool:
        return zlib.crc32(alert.flow.encode()) < self.sample * 2**32

    def window_us(self, alert: Alert) -> tuple[int, int]:
        return (
            alert.at_us - duration_s(self.before) * US_PER_S,
            alert.at_us + duration_s(self.after) * US_PER_S,
        )


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inputs: tuple[str, ...]
    """`/path/to/eve.json`, `unix:/path`, `redis://host:port/key`, or `bus:`."""
    rules: tuple[AlertRule, ...]
    state: str = "/var/lib/docket-alerts/state.json"


def decode_rules(path: Path) -> AlertsConfig:
    """As written, not checked. Raises OSError, msgspec's errors."""
    return msgspec.yaml.decode(path.read_bytes(), type=AlertsConfig)


def read_rules(path: Path) -> AlertsConfig:
    """Raises ConfigError."""
    try:
        config = decode_rules(path)
        for rule in config.rules:
            _check(rule)
    except OSError as error:
        raise ConfigError([Fault("no-rules", f"{path} cannot be read: {error.strerror}", "rules")]) from error
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise ConfigError([Fault("bad-rules", f"{path}: {error}", "rules")]) from error
    return config


def _check(rule: AlertRule) -> None:
    for net in rule.networks:
        ipaddress.ip_network(net, strict=False)
    for text in (rule.before, rule.after):
        duration_s(text)
    for text in (rule.bytes_per_job, rule.bytes_per_hour, rule.bytes_per_day):
        size_bytes(text)


class Budget(msgspec.Struct, kw_only=True):
    """What a rule has used up, and what it had to leave out."""

    asked: list[int] = []
    """When, in seconds since 1970; those of the last day."""
    left_out: dict[str, int] = {}
    """Alerts by reason: `jobs_per_hour`, `bytes_per_day`, `sample`, …"""

    def allows(self, rule: AlertRule, now_s: int) -> str | None:
        """The budget that is used up, or None."""
        # What was asked while the clock was ahead counts from now, and not until that time has come.
        self.asked = [min(at_s, now_s) for at_s in self.asked if at_s > now_s - DAY_S]
        in_hour, in_day = sum(at_s > now_s - HOUR_S for at_s in self.asked), len(self.asked)
        each = size_bytes(rule.bytes_per_job)
        used = (
            ("jobs_per_hour", in_hour + 1, rule.jobs_per_hour),
            ("jobs_per_day", in_day + 1, rule.jobs_per_day),
            ("bytes_per_hour", (in_hour + 1) * each, size_bytes(rule.bytes_per_hour)),
            ("bytes_per_day", (in_day + 1) * each, size_bytes(rule.bytes_per_day)),
        )
        return next((name for name, needed, allowed in used if needed > allowed), None)

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


prepare(AlertsConfig)
