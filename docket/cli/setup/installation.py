"""What belongs on a machine, and how it gets there and leaves: files that are compared before they are written.

For `docket install`, which people call, and for the Debian package, which is made with it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import docket
from docket.runtime.whole_file import replace_file

UNITS = Path("usr/lib/systemd/system")
_UNIT_FILES = (
    "docket.service",
    "docket.socket",
    "docket-worker@.service",
    "docket-collector.service",
    "docket-inspector.service",
    "docket-indexer.service",
    "docket-alerts.service",
    "docket-webhooks.service",
    "docket-record@.service",
    "docket-check.service",
    "docket.target",
)
PROGRAM = Path("usr/bin/docket")
CONFIG = Path("etc/docket/docket.yaml")
SPOOL = Path("var/spool/docket")

EXAMPLE = """\
# Docket's configuration. Every setting has a default; only `sources` must be there.
# `docket setup` fills in the sources from /etc/stenographer; `docket config check` finds all faults.
# What each setting means: docs/configuration.md.

# `docket setup` makes a user of Docket's own on this machine's RabbitMQ and writes it here; the services refuse guest.
# Each service may have one of its own, with the least rights: docs/cluster.md.
bus: amqp://guest:guest@127.0.0.1:5672/%2F

spool:
  path: /var/spool/docket
  max_bytes: 50GB     # results beyond this go, the oldest first
  min_free: 500MB     # below this results go, and new jobs are refused
  keep: 48h

web:
  listen: ["unix:/run/docket/docket.socket"]
  base_path: /app/docket/
  user_header: Forwarded    # as lighttpd passes users on; X-Remote-User for nginx
  sendfile: none            # lighttpd or nginx, when its configuration of deploy/ is in use
  admins: []                # users who may change everybody's jobs
  own_jobs_only: false      # true: jobs are for their owners and the admins alone

jobs:
  deadline: 20m
  default_window: 24h
  max_bytes: 10GB

sources: []
"""


class Verb(Enum):
    """What happens, or would happen, to one file."""

    MAKE = "make"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the installation."""

    path: Path
    """Below the root."""
    content: str
    mode: int = 0o644
    is_config: bool = False
    """Belongs to the operator once it is there: never written over, never removed unless it is as it was made."""


@dataclass(frozen=True, slots=True)
class Step:
    verb: Verb
    item: Item


def shipped(name: str) -> str:
    """The text of a file below `deploy`, from the checkout or from what the package brought. Raises OSError."""
    return (shipped_directory() / name).read_text()


def shipped_directory() -> Path:
    """`deploy`, of the checkout or of what the package brought. Raises OSError."""
    beside = Path(docket.__file__).parent.parent
    data = Path(sysconfig.get_path("data"))
    for place in (beside / "deploy", beside / "share/docket/deploy", data / "share/docket/deploy"):
        if (place / "systemd").is_dir():
            return place
    raise FileNotFoundError("deploy is not beside this Docket; install from the package or a checkout")


def items(manual: str, completions: Iterable[tuple[Path, str]], program: str | None) -> list[Item]:
    """Everything that belongs on the machine. `program`: the text of /usr/bin/docket, if not there yet."""
    found = [Item(UNITS / name, shipped(f"systemd/{name}")) for name in _UNIT_FILES]
    found += [
        Item(Path("usr/lib/sysusers.d/docket.conf"), shipped("systemd/docket.sysusers")),
        Item(Path("usr/lib/tmpfiles.d/docket.conf"), shipped("systemd/docket.tmpfiles")),
        Item(Path("usr/share/man/man1/docket.1"), manual),
        *(Item(path, text) for path, text in completions),
        Item(CONFIG, EXAMPLE, 0o640, is_config=True),
    ]
    if program is not None:
        found.append(Item(PROGRAM, program, 0o755))
    return found


def plan(root: Path, wanted: Iterable[Item]) -> list[Step]:
    """What an installation has to do; nothing is touched."""
    steps = []
    for item in wanted:
        there = _read(root / item.path)
        if there is None:
            verb = Verb.MAKE
        elif there == item.content:
            verb = Verb.SAME
        else:
            verb = Verb.KEEP if item.is_config else Verb.CHANGE
        steps.append(Step(verb, item))
    return steps


def plan_removal(root: Path, wanted: Iterable[Item]) -> list[Step]:
    """What an uninstallation has to do: everything goes that is there, but what the operator changed."""
    steps = []
    for item in wanted:
        there = _read(root / item.path)
        if there is not None:
            steps.append(Step(Verb.KEEP if item.is_config and there != item.content else Verb.REMOVE, item))
    return steps


def carry_out(root: Path, steps: Iterable[Step]) -> None:
    """Write and remove. Raises OSError."""
    for step in steps:
        path = root / step.item.path
        if step.verb in (Verb.MAKE, Verb.CHANGE):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, [step.item.content.encode()], mode=step.item.mode)
        elif step.verb is Verb.REMOVE:
            path.unlink(missing_ok=True)


def own_program() -> str | None:
    """The program to call where it is not /usr/bin/docket itself."""
    called = Path(sys.argv[0]).absolute()
    if called == Path("/") / PROGRAM:
        return None
    if called.name == "docket" and os.access(called, os.X_OK):
        return str(called)
    return f"{sys.executable} -m docket"


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
