"""The one small face that every kind of source shows to the worker. Imports no kind.

A kind only reads: it turns a question into its store's words and streams classic PCAP bytes. Cutting,
trimming, counting, limits and publishing are the worker's, the same for every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from docket.domain.query.canonical import Query
from docket.domain.query.planning import Plan
from docket.domain.survey import Survey
from docket.domain.timewindow import Window
from docket.errors import DocketError


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch `[after, before)` for which the store shows no sign of recording. Microseconds since 1970 UTC."""

    after_us: int
    before_us: int
    reason: str
    """How that is known, as a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a source can answer for right now. Times in microseconds since 1970 UTC."""

    oldest_us: int | None
    """None: there is nothing on disk, or the store does not say."""
    readable_until_us: int | None
    """Packets before this time are on disk and can be read."""
    stats: dict[str, int] = field(default_factory=dict)
    flush_lag_us: int = 0
    """How long after its time a packet is on disk at the latest, as long as the capture is running."""
    gaps: tuple[Gap, ...] = ()
    """In order of time, between `oldest_us` and `readable_until_us`."""
    pauses: tuple[Gap, ...] = ()
    """Silences that are no gaps, in order of time; the reason says whether the source has been as quiet before."""
    clock_steps_us: int = 0
    """So far before `oldest_us` or after the present there may be packets, where clocks were set."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A question in the words of the store."""

    sent: str
    if_empty: str = ""
    """Advice for an asker who gets nothing, where these words may miss what was meant."""
    plan: Plan | None = None
    """For a store that is asked for more than the query says: the worker keeps what matches."""

    @property
    def kept(self) -> str:
        """What the worker keeps of the answer, in words; empty for all of it."""
        return "" if self.plan is None or self.plan.kept is None else self.plan.kept.canonical


@dataclass(frozen=True, slots=True)
class Received:
    """What came of one answer, inside the window or not."""

    packets: int
    last_us: int | None
    """The latest packet's time."""


def _not_known() -> int | None:
    return None


def _nothing_to_prove(_received: Received) -> Coverage | None:
    return None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Something that an answer that came to its end lacks, or may lack."""

    verdict: str
    sentence: str
    next_step: str
    usable: bool = True
    """Whether what came is worth something."""


class ReadAgain(DocketError):
    """Raised in mid-stream by a source that must answer in another form; the reading begins again, once."""


def _nothing_short() -> tuple[Shortfall, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer being streamed."""

    chunks: Iterator[bytes | list[bytes]]
    """Classic PCAP, little-endian, with micro- or nanoseconds: the 24-byte header first, then records, cut anywhere; a
    chunk of its own that is a FurtherHeader where packets of another link type begin. A chunk may be a list of pieces,
    which are joined where they are used. Raises ReadAgain, and SourceError (verdict and sentence) when the store
    refuses, breaks off or stops early; whole records before that are good."""
    through_us: Callable[[], int | None] = _not_known
    """Every packet before this time has been in the chunks, as far as the store can tell meanwhile."""
    prove: Callable[[Received], Coverage | None] = _nothing_to_prove
    """To be called after the last chunk, for a store whose answers may end too early and still look whole. Gives what
    the store has now, if it was asked for that. Raises SourceError, `cut`, when this answer ended too early."""
    shortfalls: Callable[[], tuple[Shortfall, ...]] = _nothing_short
    """To be called after the last chunk: what the store could not read of what it was asked, the gravest first."""


class Source(Protocol):
    """One capture store. Several threads may use it at once."""

    name: str
    kind: str
    look_inside: bool
    """Plain words of a query mean any layer of a packet here."""

    def close(self) -> None:
        """Let go of connections; no reading may be under way."""

    def coverage(self, *, age_s: float = 0.0) -> Coverage:
        """What the store has; what it said up to `age_s` ago will do. Raises SourceError (`refused`, `unreachable`)."""

    def slices(self, window: Window) -> list[Window]:
        """The window cut into pieces that one reading each can answer safely, in time order."""

    def wording(self, query: Query, window: Window) -> Wording:
        """What the store is asked when this window is read. Does not ask it."""

    def survey(self, query: Query, window: Window, stop: Event) -> Survey | None:
        """How much matches, and when there were packets, as far as an index tells within a second; None where there
        is none. Raises SourceError."""

    def read(
        self, query: Query, window: Window, *, most_bytes: int | None, most_packets: int | None, stop: Event
    ) -> AbstractContextManager[Reading]:
        """Begin one reading; leaving the context drops it at once, also in mid-stream. `stop` set by another
        thread makes a waiting read end within a second, with a SourceError that is not to be shown. The answer
        may hold packets outside the window. The store may stop by itself after `most_bytes` of records
        (headers counted) or `most_packets`, never before. Raises SourceError."""
