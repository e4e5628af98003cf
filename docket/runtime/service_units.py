"""Which of the services that Docket needs have failed on this machine, by the word of systemd. Reads only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

PATTERNS = ("docket*", "stenographer*", "rabbitmq-server.service", "lighttpd.service", "nginx.service")
ANSWER_S = 3.0


def systemd_runs() -> bool:
    """Whether systemd is this machine's first process, by its own mark."""
    return Path("/run/systemd/system").is_dir()


def failed_units() -> list[str]:
    """The names of the failed ones, without those that only say that another one has failed. Empty without systemd."""
    if not systemd_runs():
        return []
    names = _listed("list-units", "--all", "--state=failed", *PATTERNS)
    return [name for name in names if name != "docket-check.service"] or names


def stale_workers(wanted: Iterable[str]) -> list[str]:
    """Instances of workers and recorders that are enabled or loaded on this machine, and are not among the wanted."""
    patterns = ("docket-worker@*.service", "docket-record@*.service")
    known = {*_listed("list-units", "--all", *patterns), *_listed("list-unit-files", "--state=enabled", *patterns)}
    keep = {name.removesuffix(".service") for name in wanted}
    return sorted(name for name in known if name.removesuffix(".service") not in keep and "@." not in name)


def _listed(*arguments: str) -> list[str]:
    command = ["systemctl", *arguments, "--plain", "--no-legend", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def advice(unit: str) -> str:
    """What to do about a failed one. After too many starts systemd refuses more until it is reset."""
    again = f"systemctl reset-failed {unit}; systemctl start docket.target {unit}"
    return f"journalctl -u {unit} -n 20; mend what it says, then {again}"
