"""`docket webhooks --check`, `--dead` and `--again`: what could not be delivered, and another attempt at it."""

from __future__ import annotations

import argparse
from pathlib import Path

from docket.cli.ui import text
from docket.cli.ui.terminal import Terminal
from docket.domain.clock import Clock
from docket.domain.timewindow import US_PER_S
from docket.domain.units import counted
from docket.runtime.exit_codes import ExitCode
from docket.workers.webhooks.delivery_store import DeliveryStore
from docket.workers.webhooks.hooks import WebhooksConfig

HEADER = ("HOOK", "EVENT", "ABOUT", "ATTEMPTS", "LAST")


def look(hooks: WebhooksConfig, args: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Raises StoreFailed."""
    if args.check:
        terminal.tell(text.safe(f"{args.hooks} is sound: {counted(len(hooks.hooks), 'hook')}."))
        return ExitCode.OK
    path = Path(hooks.state)
    # One that is made here would belong to the wrong user.
    if not path.exists():
        terminal.tell("Nothing was ever to be delivered.")
        return ExitCode.OK
    store = DeliveryStore(path)
    try:
        if args.again:
            terminal.tell(f"{store.again(Clock().now_us() // US_PER_S)} events are tried again.")
        else:
            _list(store, terminal)
    finally:
        store.close()
    return ExitCode.OK


def _list(store: DeliveryStore, terminal: Terminal) -> None:
    dead = store.dead_ones()
    if not dead:
        terminal.tell("Everything was delivered, or still waits.")
        return
    rows = [(one.hook, one.event, one.subject, str(one.attempts), text.safe(one.last_failure)) for one in dead]
    terminal.say(text.table(HEADER, rows))
