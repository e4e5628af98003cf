"""Who sent a message, as far as the broker vouches for it, and for whom that user may speak. Pure.

A publisher puts its user's name into a message (`user_id`); RabbitMQ takes no other name than the one that the
connection logged in with. All of Docket's services do so. The web app speaks for its users and the collector for a job;
a worker speaks for its own sources: `docket-worker` for those of every sensor, `docket-worker-rock02` for `rock02:*`.
"""

from __future__ import annotations

import msgspec

from docket.bus.permissions import COLLECTOR, INSPECTOR, WEB, WORKER, worker_of
from docket.domain.decoding import prepare
from docket.domain.refinement import SPOOL_SOURCE
from docket.errors import MessageError

SPEAKS_FOR_OTHERS = frozenset({WEB, COLLECTOR})


def sender(user_id: str | None, named: str, own: str | None) -> str:
    """The user whom a message on `docket.jobs` is from; `named` is what the message says itself.

    `own` is the account of the reader: where all services share one, it says nothing.
    """
    return named if user_id in (None, own, *SPEAKS_FOR_OTHERS) else user_id or named


def objection(user_id: str | None, source: str, own: str | None) -> str:
    """Why a message about a source is not believed; empty if it is.

    `own` is the account of the reader. Where all services share one, all is believed that comes from it; None:
    the bus is within the process.
    """
    if own is None or user_id == own:
        return ""
    if user_id is None:
        return f"it does not say who sent it (user_id), so nothing is believed of {source}"
    sensor = source.partition(":")[0]
    if source == SPOOL_SOURCE:
        right = user_id in (INSPECTOR, COLLECTOR)
    else:
        right = user_id in (WORKER, COLLECTOR, worker_of(sensor))
    return "" if right else f"{user_id} may not speak for {source}"


def check_sender(user_id: str | None, source: str, own: str | None) -> None:
    """Raises MessageError where `objection` has one."""
    reason = objection(user_id, source, own)
    if reason:
        raise MessageError(reason)


class _Source(msgspec.Struct):
    name: str = ""


class _Survey(msgspec.Struct):
    source: str = ""


class _Event(msgspec.Struct):
    source: _Source | None = None
    survey: _Survey | None = None

    @property
    def of(self) -> str | None:
        """The source that is spoken of."""
        if self.survey is not None:
            return self.survey.source
        return None if self.source is None else self.source.name


def objection_to_event(key: str, user_id: str | None, body: bytes, own: str | None) -> str:
    """Why an event is not believed; empty if it is. About jobs, the broker's rights on keys guard it."""
    if not key.startswith(("source.", "survey.")) or own is None:
        return ""
    try:
        source = msgspec.json.decode(body, type=_Event).of
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # it is no event; decoding it says so
    return "" if source is None else objection(user_id, source, own)


prepare(_Event)
