"""Interfaces that Docket records itself, as entries of `sources`: those asked for, and those there already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from docket.cli.setup.reading_rights import OWNER
from docket.config.values import size_bytes
from docket.domain.request import SOURCE_NAME
from docket.errors import ConfigError, Fault

DIRECTORY = Path("/data/pcap")
"""As in deploy/systemd/docket-record@.service, which may write nowhere else."""
DEFAULT_RING = "100GB"
_SMALLEST_RING_BYTES = 10_000_000


def recorded(sensor: str, interface: str, ring: str) -> dict[str, str]:
    """The entry of an interface that is to be recorded. Raises ConfigError."""
    name = f"{sensor}:{interface}"
    if "/" in interface or not SOURCE_NAME.fullmatch(name):
        raise ConfigError([Fault("bad-interface", f"{interface!r} is not the name of an interface")])
    try:
        too_small = size_bytes(ring) < _SMALLEST_RING_BYTES
    except ValueError as error:
        raise ConfigError([Fault("bad-ring", f"--ring: {error}")]) from error
    if too_small:
        raise ConfigError([Fault("bad-ring", f"--ring: {ring} is less than 10MB")])
    return {"name": name, "kind": "capture-files", "path": str(DIRECTORY / interface), "ring": ring}


def with_recorded(entries: list[dict[str, Any]], new: Sequence[dict[str, str]], old_text: str) -> list[dict[str, Any]]:
    """The entries that were found, the new ones, and those of the old file that have a ring; one per name and path."""
    mine = {entry["name"]: entry for entry in [*_with_a_ring(old_text), *new]}
    paths = {entry["path"] for entry in mine.values()}
    found = [entry for entry in entries if entry["name"] not in mine and entry.get("path") not in paths]
    return [*found, *mine.values()]


def make_directory(root: Path, interface: str) -> None:
    """The directory of an interface's files, for the services' user where there is one. Raises ConfigError."""
    path = root / DIRECTORY.relative_to("/") / interface
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(path, OWNER, OWNER)
    except LookupError:
        pass  # the package makes the user; the unit makes the directory once more
    except OSError as error:
        raise ConfigError([Fault("cannot-write", f"{path} cannot be made: {error.strerror}")]) from error


def _with_a_ring(text: str) -> list[dict[str, Any]]:
    try:
        sources = (yaml.safe_load(text) or {}).get("sources") or []
    except (yaml.YAMLError, AttributeError):
        return []  # what is wrong with the file is said when it is checked
    return [
        entry for entry in sources if isinstance(entry, dict) and "ring" in entry and {"name", "path"} <= entry.keys()
    ]
