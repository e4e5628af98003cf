"""A job that one source has in hand, and why it is no longer read there. For `job_runner`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, auto

from docket.bus.interface import Delivery
from docket.domain.request import Request


class Ending(Enum):
    """Why a job is no longer read here."""

    DONE = auto()
    FINAL = auto()
    """The job is closed or cancelled: its packets are not wanted."""
    SUPERSEDED = auto()
    """A later attempt of the same job came."""
    LATE = auto()
    """The deadline has come; the collector says so."""
    LEAVING = auto()
    """This worker stops: the next one reads it again."""


@dataclass(eq=False)
class ActiveJob:
    """Under the lock of its `JobRunner`, but for `stop`."""

    request: Request
    base: int
    """The attempt that the message asked for; redeliveries of the same message have the same."""
    attempt: int
    deliveries: list[Delivery]
    """The message, once per time it was delivered; those of lost connections settle to nothing."""
    answered: bool = False
    """The whole answer is on the bus; the message need not come again, even if this worker leaves. Without it, the
    message goes only when the job waits for no answer any more."""
    owner: str = ""
    """Whose share of the source it takes."""
    stop: threading.Event = field(default_factory=threading.Event)
    ending: Ending = Ending.DONE
    thread: threading.Thread | None = None
