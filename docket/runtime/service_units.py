"""Which of the services that Docket needs have failed on this machine, by the word of systemd. Reads only."""

from __future__ import annotations

import subprocess
from pathlib import Path

PATTERNS = ("docket*", "stenographer*", "rabbitmq-server.service", "lighttpd.service", "nginx.service")
ANSWER_S = 3.0


def failed_units() -> list[str]:
    """The names of the failed ones, without those that only say that another one has failed. Empty without systemd."""
    if not Path("/run/systemd/system").is_dir():
        return []
    command = ["systemctl", "list-units", "--all", "--state=failed", "--plain", "--no-legend", "--no-pager", *PATTERNS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    names = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    return [name for name in names if name != "docket-check.service"] or names


def advice(unit: str) -> str:
    """What to do about a failed one."""
    return f"journalctl -u {unit} -n 20; mend what it says, then systemctl start docket.target {unit}"
