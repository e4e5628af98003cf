"""What `docket status` says of the services for alerts and webhooks: what was left out, and what was given up.

Both keep their state in files of their own user, so other users see only that they may not read it. No checks where
neither is configured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from docket.domain.api import Check
from docket.domain.clock import now_us
from docket.domain.timewindow import US_PER_S

WEBHOOKS, ALERTS = "webhooks.yaml", "alerts.yaml"


def neighbours(directory: Path) -> list[Check]:
    """Of the services whose configuration lies in the directory, beside that of Docket."""
    return [*_webhooks(directory / WEBHOOKS), *_alerts(directory / ALERTS)]


def _webhooks(path: Path) -> Iterator[Check]:
    if not _is_there(path):
        return
    # Loaded where they are needed: most sensors have neither.
    from docket.workers.webhooks.delivery_store import DeliveryStore, StoreFailed
    from docket.workers.webhooks.hooks import decode_hooks

    try:
        config = decode_hooks(path)
        state = Path(config.state)
        if not state.exists():
            yield Check(name="webhooks", ok=True, message="nothing was ever to be delivered")
            return
        store = DeliveryStore(state)
        try:
            names = [hook.name for hook in config.hooks]
            dead = {name: store.count(name, dead=True) for name in names}
            waiting = sum(store.count(name, dead=False) for name in names)
        finally:
            store.close()
    except (OSError, StoreFailed, msgspec.ValidationError, msgspec.DecodeError) as error:
        yield _unreadable("webhooks", error)
        return
    given_up = ", ".join(f"{count} of {name}" for name, count in dead.items() if count)
    message = f"{waiting} events wait" + (f"; given up: {given_up}" if given_up else "")
    advice = "docket webhooks --dead says why; docket webhooks --again tries again" if given_up else ""
    yield Check(name="webhooks", ok=not given_up, message=message, advice=advice)


def _alerts(path: Path) -> Iterator[Check]:
    if not _is_there(path):
        return
    from docket.workers.alerts.alert_rules import DAY_S, decode_rules
    from docket.workers.alerts.service import read_state

    try:
        state = Path(decode_rules(path).state)
        if not state.exists():
            yield Check(name="alerts", ok=True, message="no alert was read yet")
            return
        known = read_state(state)
    except (OSError, msgspec.ValidationError, msgspec.DecodeError) as error:
        yield _unreadable("alerts", error)
        return
    since_s = now_us() // US_PER_S - DAY_S
    asked = sum(at_s > since_s for budget in known.budgets.values() for at_s in budget.asked)
    left_out = [
        f"{count} by rule {rule} ({reason})"
        for rule, budget in known.budgets.items()
        for reason, count in budget.left_out.items()
    ]
    message = f"{known.seen} alerts read, {asked} jobs asked in the last day"
    # A budget that is used up does what it is for; it is shown, and no fault.
    yield Check(name="alerts", ok=True, message=message + (f"; left out: {', '.join(left_out)}" if left_out else ""))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _unreadable(name: str, error: Exception) -> Check:
    if isinstance(error, PermissionError):
        return Check(name=name, ok=True, message="its state is not for this user to read: sudo docket status")
    return Check(
        name=name, ok=False, message=f"its state cannot be read: {error}", advice=f"systemctl status docket-{name}"
    )
