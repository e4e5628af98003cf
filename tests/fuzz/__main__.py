"""`make fuzz-services`: 100,000 messages on the bus and 200,000 requests over HTTP; SEED=… repeats a run."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import bus_messages, http_requests, http_routes
from tests.services.chance import seed_from_environment


def main() -> int:
    """Print what became of them. The exit code is 0 if nothing is wrong."""
    seed, cases = seed_from_environment(), int(os.environ.get("CASES", "100000"))
    print(f"seed {seed}", flush=True)
    wrong = False
    for run in (bus_messages.run, http_requests.run, http_routes.run):
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            report = run(Path(place), cases, seed)
        print(f"\n{run.__module__}, {time.monotonic() - began_s:.0f} s\n{report.text}", flush=True)
        wrong = wrong or bool(report.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
