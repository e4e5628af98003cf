"""What a sensor's own configuration, /etc/docket/docket.yaml, says about the broker's login: `guest` is refused there.

Any process of the machine may be `guest`, and would read packets. Other configurations, and machines without a systemd,
such as containers, are for trying and developing, or have a network of their own.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from docket.bus.rabbitmq.guest import guest_enters, is_local, uses_guest
from docket.config.loader import DEFAULT_PATH
from docket.config.model import Config
from docket.errors import ConfigError, Fault
from docket.runtime.service_units import systemd_runs

log = logging.getLogger(__name__)

ADVICE = "as root, on the broker's machine: docket setup --broker-user"


class BrokerLogin(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the broker's users."""

    name: str
    ok: bool
    advice: str


def refuse_guest(config: Config, path: Path) -> None:
    """Raise ConfigError where a sensor's services would be `guest` on this machine's broker; warn of one elsewhere."""
    if not _is_guest(config, path):
        return
    message = f"RabbitMQ's user guest has a password that everybody knows; {ADVICE}"
    if is_local(config.bus, config.bus_tls):
        raise ConfigError([Fault("guest", message, "bus")])
    log.warning("bus: %s", message)


def broker_logins(config: Config, path: Path) -> list[BrokerLogin]:
    """What is wrong: Docket is `guest` itself, or `guest` can still log in."""
    advice = ""
    if _is_guest(config, path):
        advice = f"Docket logs in with a password that everybody knows; {ADVICE}"
    elif _is_sensor(path) and _is_local_amqp(config) and guest_enters(config.bus, config.bus_tls):
        advice = "can still log in with a password that everybody knows: rabbitmqctl delete_user guest"
    return [BrokerLogin(name="guest", ok=False, advice=advice)] if advice else []


def _is_sensor(path: Path) -> bool:
    return path == DEFAULT_PATH and systemd_runs()


def _is_local_amqp(config: Config) -> bool:
    return config.bus.startswith("amqp") and is_local(config.bus, config.bus_tls)


def _is_guest(config: Config, path: Path) -> bool:
    return _is_sensor(path) and config.bus.startswith("amqp") and uses_guest(config.bus, config.bus_tls)
