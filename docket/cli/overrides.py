"""The configuration as the arguments of a service change it: other addresses to listen on, fewer sources."""

from __future__ import annotations

import dataclasses

from docket.config.model import Config
from docket.errors import ConfigError, Fault


def listening_on(config: Config, addresses: list[str] | None) -> Config:
    """The configuration with other addresses to listen on, if there are any. Raises ConfigError."""
    if not addresses:
        return config
    return dataclasses.replace(config, web=dataclasses.replace(config.web, listen=tuple(addresses)))


def only_sources(config: Config, names: list[str]) -> Config:
    """The configuration with the named sources only; all if none is named. Raises ConfigError.

    An interface alone names the one source with that interface, so that a systemd instance can be `em1`.
    """
    if not names:
        return config
    chosen, faults = [], []
    for name in dict.fromkeys(names):
        found = [one for one in config.sources if name in (one.name, one.name.partition(":")[2])]
        exact = [one for one in found if one.name == name] or found
        if len(exact) == 1:
            chosen += exact
        else:
            what = f"several sources are called {name}" if exact else f"there is no source {name}"
            known = ", ".join(one.name for one in config.sources)
            faults.append(Fault("bad-source", f"{what}; the configuration has {known or 'none'}"))
    if faults:
        raise ConfigError(faults)
    return dataclasses.replace(config, sources=tuple(dict.fromkeys(chosen)))
