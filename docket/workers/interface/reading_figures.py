"""Figures about readings for Prometheus, of all sources of this process."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

READINGS = Counter("docket_readings", "Readings that ended with a verdict, by source.", ["source", "verdict"])
READING_SECONDS = Histogram(
    "docket_reading_seconds",
    "Time that the source's store was read, without waiting.",
    ["source"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900),
)
READING_FAILURES = Counter("docket_reading_failures", "Readings that ended in an error of the worker.", ["source"])
