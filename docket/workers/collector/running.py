"""Keeps a collector at work for as long as the service runs, also where its ledger or its spool goes out of sight.

A ledger that was renamed is waited for, and nothing is taken meanwhile: SQLite would go on writing to the file that
readers no longer find. One that stays away is written again from the file that is still open, and the spool is then
taken up as at a start: results that are still there stay, and no job is lost. For `service`.
"""

from __future__ import annotations

import logging
import time
from threading import Event
from typing import Protocol

from docket.errors import BusError, SpoolError
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Ledger

log = logging.getLogger(__name__)

AWAY_S = 5.0
"""How long a ledger may be out of sight before it counts as lost. Shorter than a broker waits for a heartbeat."""
LOOK_S = 0.2
AGAIN_S = 1.0
"""Between attempts to begin again."""


class Opened(Protocol):
    """What is kept at work."""

    ledger: Ledger

    def open(self, stop: Event | None = None) -> None: ...

    def close(self) -> None: ...

    def turn(self, timeout_s: float) -> None: ...

    def idle_s(self) -> float: ...


def keep_running(collector: Opened, spool: Spool, stop: Event, longest_wait_s: float) -> None:
    """Work until `stop` is set. Raises SpoolError, TopologyMismatch or BusLost if it cannot even begin."""
    collector.open(stop)
    try:
        while not stop.is_set():
            if collector.ledger.is_in_place or _comes_back(collector.ledger, stop):
                collector.turn(min(collector.idle_s(), longest_wait_s))
            elif not stop.is_set():
                _begin_again(collector, spool, stop)
    finally:
        collector.close()


def _comes_back(ledger: Ledger, stop: Event) -> bool:
    """Whether it is where it belongs again, after a while at the longest."""
    log.error("the ledger is not where it was: %s; nothing is taken until it is back", ledger.path)
    until_s = time.monotonic() + AWAY_S
    # Another file of the name is not waited for: the one that is open will not come back.
    while not ledger.path.exists() and time.monotonic() < until_s and not stop.wait(LOOK_S):
        pass
    if ledger.is_in_place:
        log.warning("the ledger is back")
    return ledger.is_in_place


def _begin_again(collector: Opened, spool: Spool, stop: Event) -> None:
    """Take up the spool as it is now, once there is one."""
    ledger, is_closed, said = collector.ledger, False, ""
    while not stop.is_set():
        try:
            if not spool.path.is_dir():
                raise SpoolError(f"the spool {spool.path} is not there")
            if not is_closed:
                is_copied = ledger.copy_lost()
                collector.close()
                is_closed = True
                if is_copied:
                    ledger.put_copy_in_place()
            collector.open(stop)
            return
        except (SpoolError, BusError) as error:
            if str(error) != said:
                log.error("the collector cannot go on: %s", error)
            said = str(error)
        stop.wait(AGAIN_S)
