"""The service `docket alerts`: asks for the packets around alerts of Suricata, and does nothing else.

A conversation that is alerted on again within a window that was asked for makes no further job. The id of a job follows
from conversation and window, so that alerts that are read twice after a crash are the same job.
"""

from __future__ import annotations

import logging
import threading
import uuid
from pathlib import Path

import msgspec
from prometheus_client import Counter, Gauge

from docket.bus.addressing import address
from docket.bus.interface import Broker
from docket.bus.messages import encode
from docket.bus.topology import JOBS, REQUEST_KEY
from docket.config.values import size_bytes
from docket.domain.annotation import LONGEST_TAG
from docket.domain.clock import Clock
from docket.domain.decoding import prepare
from docket.domain.plain_text import printable
from docket.domain.request import Request, check_request
from docket.domain.timewindow import US_PER_S, format_us
from docket.errors import BusError, InvalidRequest
from docket.runtime.whole_file import replace_file
from docket.workers.alerts.alert_inputs import AlertInput, open_input
from docket.workers.alerts.alert_rules import AlertRule, AlertsConfig, Budget
from docket.workers.alerts.eve import Alert, read_alert

log = logging.getLogger(__name__)

ALERTS = Counter("docket_alerts", "Alerts by rule and what became of them.", ["rule", "outcome"])
READABLE = Gauge("docket_alert_input_readable", "1 while the input can be read.", ["input"])
OUTCOMES = ("asked", "joined", "sample", "jobs_per_hour", "jobs_per_day", "bytes_per_hour", "bytes_per_day")

IDLE_S = 0.5
PUBLISH_S = 5.0
OWNER = "docket-alerts"
_NAMESPACE = uuid.UUID("6c1b3a52-3a35-4a55-9d0e-61d7c2c0a1e4")
"""Of the ids that are made here."""
MOST_FLOWS = 100_000


class AlertState(msgspec.Struct, kw_only=True):
    """What a restart must know."""

    positions: dict[str, list[int]] = {}
    budgets: dict[str, Budget] = {}
    windows: dict[str, tuple[int, int]] = {}
    """Conversation to the window that was asked for last, microseconds."""
    seen: int = 0
    unmatched: int = 0
    joined: int = 0
    """Alerts whose packets a job had been asked for already."""
    unreadable: int = 0


class AlertService:
    """Reads its inputs one after the other, and publishes."""

    def __init__(self, config: AlertsConfig, broker: Broker, clock: Clock | None = None) -> None:
        self._config = config
        self._broker = broker
        self._publisher = broker.publisher("alerts")
        self._clock = clock or Clock()
        self._path = Path(config.state)
        self.state = self._load()
        self._inputs: dict[str, AlertInput] = {}
        self._broken: set[str] = set()
        for rule in config.rules:
            for outcome in OUTCOMES:
                # Prometheus sees no increase in a series that was not there.
                ALERTS.labels(rule.name, outcome)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then what is in hand is finished and noted."""
        try:
            while not stop.is_set():
                if not self.step(stop):
                    stop.wait(IDLE_S)
        finally:
            for one in self._inputs.values():
                one.close()

    def step(self, stop: threading.Event | None = None) -> bool:
        """Take what there is; gives whether there was something. What the bus does not take is not noted as read."""
        worked = False
        for name in self._config.inputs:
            lines = self._lines(name)
            for line in lines:
                while not self._take(line):
                    # A bus that refuses does so at once.
                    if stop is not None and stop.wait(IDLE_S):
                        return False
            if lines:
                worked = True
                self.state.positions[name] = self._inputs[name].position()
                self._save()
                self._inputs[name].settle()
        return worked

    def _lines(self, name: str) -> list[bytes]:
        try:
            if name not in self._inputs:
                self._inputs[name] = open_input(name, self.state.positions.get(name, []), self._broker)
            lines = self._inputs[name].lines()
        except OSError as error:
            if name not in self._broken:
                log.warning("alerts of %s cannot be read: %s", _shown(name), error.strerror or error)
            self._broken.add(name)
            READABLE.labels(_shown(name)).set(0)
            return []
        self._broken.discard(name)
        READABLE.labels(_shown(name)).set(1)
        return lines

    def _take(self, line: bytes) -> bool:
        """False if the bus did not take it."""
        try:
            alert = read_alert(line)
        except ValueError as error:
            self.state.unreadable += 1
            ALERTS.labels("", "unreadable").inc()
            log.info("a line of EVE cannot be read: %s", error)
            return True
        if alert is None:
            return True
        rule = next((one for one in self._config.rules if one.takes(alert)), None)
        if rule is None:
            self.state.seen += 1
            self.state.unmatched += 1
            ALERTS.labels("", "unmatched").inc()
            return True
        taken = self._ask(alert, rule)
        self.state.seen += taken
        return taken

    def _ask(self, alert: Alert, rule: AlertRule) -> bool:
        state, now_s = self.state, self._clock.now_us() // US_PER_S
        begin, end = state.windows.get(alert.flow, (0, 0))
        if begin <= alert.at_us < end:
            state.joined += 1
            ALERTS.labels(rule.name, "joined").inc()
            return True
        budget = state.budgets.setdefault(rule.name, Budget())
        reason = "sample" if not rule.samples(alert) else budget.allows(rule, now_s)
        if reason is not None:
            budget.leave_out(reason)
            ALERTS.labels(rule.name, reason).inc()
            log.info("rule %s: an alert of %d is left out: %s", rule.name, alert.signature_id, reason)
            return True
        try:
            request = self._request(alert, rule)
            self._publisher.publish(JOBS, REQUEST_KEY, encode(request), headers=address(request), wait_s=PUBLISH_S)
        except (InvalidRequest, ValueError) as error:
            # Also a time at the end of the calendar, whose window would lie beyond it.
            state.unreadable += 1
            log.warning("an alert of %d makes no question: %s", alert.signature_id, error)
            return True
        except BusError as error:
            log.warning("the request for an alert of %d waits: %s", alert.signature_id, error)
            return False
        budget.asked.append(now_s)
        ALERTS.labels(rule.name, "asked").inc()
        state.windows[alert.flow] = (request.after_us, request.before_us)
        while len(state.windows) > MOST_FLOWS:
            del state.windows[next(iter(state.windows))]
        log.info("job %s: asked for an alert of %d by rule %s", request.id, alert.signature_id, rule.name)
        return True

    def _request(self, alert: Alert, rule: AlertRule) -> Request:
        after_us, before_us = rule.window_us(alert)
        name, file = printable(alert.signature), printable(alert.capture_file)
        note = f"alert {alert.signature_id} ({name}), rule {rule.name}, severity {alert.severity}"
        return check_request(
            {
                "id": str(uuid.uuid5(_NAMESPACE, f"{alert.flow} {after_us} {before_us}")),
                "query": alert.flow,
                "after": format_us(after_us),
                "before": format_us(before_us),
                "requested_at": self._clock.now(),
                "sources": list(rule.sources) or None,
                "limits": {"bytes": size_bytes(rule.bytes_per_job)},
                "owner": OWNER,
                "note": f"{note}, {file}" if file else note,
                "tags": [f"alert:{alert.signature_id}", f"rule:{rule.name}"[:LONGEST_TAG]],
            }
        )

    def _load(self) -> AlertState:
        try:
            return read_state(self._path)
        except FileNotFoundError:
            return AlertState()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s cannot be read, alerts are read from the beginning: %s", self._path, error)
            return AlertState()

    def _save(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, [msgspec.json.encode(self.state)])
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)


def _shown(name: str) -> str:
    """An input without its password."""
    return name.rpartition("@")[2]


def read_state(path: Path) -> AlertState:
    """What the service has written down. Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=AlertState)


prepare(AlertState)
