"""What a run of a fuzzer found. And the memory of this process."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MOST_GROWTH_BYTES = 64 * 1024 * 1024
"""Caches fill at first; what grows with each case would come to far more."""


@dataclass
class Report:
    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """What became of the cases, by kind."""
    served: int = 0
    """Good requests in between that were answered."""
    faults: list[str] = field(default_factory=list)
    growth_bytes: int = 0

    @property
    def wrong(self) -> list[str]:
        grown = [f"memory grew by {self.growth_bytes:,} bytes"] if self.growth_bytes > MOST_GROWTH_BYTES else []
        return [*self.faults[:20], *grown]

    @property
    def text(self) -> str:
        kinds = ", ".join(f"{name} {count:,}" for name, count in sorted(self.answers.items()))
        lines = [f"{self.cases:,} cases: {kinds}", f"{self.served:,} good requests in between were answered"]
        return "\n".join([*lines, f"memory grew by {self.growth_bytes / 1e6:.1f} MB", *self.wrong])


class Tracebacks(logging.Handler):
    """Collects every record that carries an exception, is an error, or is of an answer 500 that no client may see."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info or record.levelno >= logging.ERROR or " 500 in " in text:
            self._report.faults.append(f"{record.name}: {text[:300]} {record.exc_info or ''}")

    def __enter__(self) -> Tracebacks:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def resident_bytes() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024
