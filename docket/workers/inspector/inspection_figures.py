"""Figures of the inspector for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

INSPECTIONS = Counter("docket_inspections", "Results that were gone through, by what came of it.", ["outcome"])
INSPECTION_SECONDS = Histogram(
    "docket_inspection_seconds", "Time to go through one result.", buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900)
)
WAITING = Gauge("docket_inspections_waiting", "Results that wait to be gone through.")

OUTCOMES = ("done", "gone", "failed")
for _outcome in OUTCOMES:
    # Prometheus sees no increase in a series that was not there.
    INSPECTIONS.labels(_outcome)
