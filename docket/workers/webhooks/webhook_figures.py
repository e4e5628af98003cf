"""The figures of `docket webhooks` for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DELIVERIES = Counter("docket_webhook_deliveries", "Attempts to deliver, and what came of them.", ["hook", "outcome"])
WAITING = Gauge("docket_webhook_waiting", "Events that wait to be delivered.", ["hook"])
DEAD = Gauge("docket_webhook_dead", "Events that were given up.", ["hook"])

OUTCOMES = ("delivered", "failed", "dead", "left out")


def begin(hook: str) -> None:
    """Every series begins with 0: Prometheus sees no increase in a series that was not there."""
    for outcome in OUTCOMES:
        DELIVERIES.labels(hook, outcome)
