"""`python -m bench [NAME ...] [--quick]`: measure, and print each figure beside its reference.

Without names everything is measured, and docs/performance.md gets the new figures; with `needle` alone docs/index.md
gets its own, with `scale` alone docs/scale.md. Needs root, as the tests of real services do: packets are recorded on
cables of their own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import (
    audience,
    big,
    browser,
    capture_loss,
    decoder,
    growth,
    inspector,
    large_directory,
    limit,
    merge,
    needle,
    recorder_loss,
    scale,
    small,
)
from bench.figure import Report
from bench.harness import Stage
from bench.page import rewrite, rewrite_captures, rewrite_scale, shown
from tests.services.bulk import PACKETS

RUNS = 3
DOCS = Path(__file__).parent.parent / "docs"
QUICK_PACKETS = 100_000

MEASUREMENTS: dict[str, Callable[[Stage, int], Report]] = {
    "big": big.measure,
    "small": small.measure,
    "limit": limit.measure,
    "audience": audience.measure,
    "growth": growth.measure,
    "mercy": capture_loss.measure,
    "merge": merge.measure,
    "decoder": decoder.measure,
    "needle": needle.measure,
    "recorder": recorder_loss.measure,
    "browser": browser.measure,
    "inspector": inspector.measure,
}
BY_NAME: dict[str, Callable[[Stage, int], Report]] = {"live": large_directory.measure, "scale": scale.measure}
"""Measured only when asked for: what needs more, or takes longer, than a machine of every day has."""
KNOWN = MEASUREMENTS | BY_NAME


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(KNOWN)}; default: all but {', '.join(BY_NAME)}"
    )
    parser.add_argument("--quick", action="store_true", help="one run with little traffic, to see that it works")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(KNOWN)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    names = arguments.names or list(MEASUREMENTS)
    reports = _measure(names, 1 if arguments.quick else RUNS, QUICK_PACKETS if arguments.quick else PACKETS)
    if not (arguments.names or arguments.quick):
        rewrite(DOCS, reports)
    elif names == ["needle"] and not arguments.quick:
        rewrite_captures(DOCS, reports[0])
    elif names == ["scale"] and not arguments.quick:
        rewrite_scale(DOCS, reports[0])
    return 0


def _measure(names: list[str], runs: int, packets: int) -> list[Report]:
    reports = []
    with tempfile.TemporaryDirectory(prefix="docket-bench-") as directory:
        place = Path(directory)
        place.chmod(0o755)  # stenographer runs as a user of its own
        stage = Stage(place, packets)
        try:
            for name in names:
                began_s = time.monotonic()
                report = KNOWN[name](stage, runs)
                print(shown(report), f"({name}: {time.monotonic() - began_s:.0f} s)\n", sep="\n", flush=True)
                reports.append(report)
        finally:
            stage.close()
    return reports


if __name__ == "__main__":
    sys.exit(main())
