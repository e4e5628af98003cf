"""A question goes straight: parsed once in a process, checked once at each door, and through few modules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docket.cli.one_process import DEMO_SOURCES
from tests.cli.running_server import clean_environ

ROOT = Path(__file__).parents[2]

DOORS = ("the web app", "the collector's queue", *(f"the queue of {name}" for name in DEMO_SOURCES))
MOST_MODULES = 111
"""Of the asker, the web app, the collector, a worker, its index, the bus and the inspector together. The index is
written before the trace begins, also on a busy machine: its modules count as the question's, which crosses them too."""


def test_a_question_is_parsed_once_and_checked_at_each_door(tmp_path: Path) -> None:
    """All services are in one process here, so that its text is read once in all; a check is one more per message.

    What runs without a question as well, such as heartbeats, is not on its way.
    """
    traced = subprocess.run(
        [sys.executable, "-m", "tools.trace_request"],
        cwd=ROOT,
        env=clean_environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    counts = dict(re.findall(r"^(.+) (\d+) times$", traced.stdout, flags=re.MULTILINE))
    assert counts == {"the query's text was parsed": "1", "the request was checked": str(len(DOORS))}
    crossed = re.search(r"; (\d+) of them run for a request only:$", traced.stdout, flags=re.MULTILINE)
    assert crossed is not None
    assert int(crossed[1]) <= MOST_MODULES, traced.stdout
