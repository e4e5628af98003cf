"""The one small face that every kind of source shows to the worker. Imports no kind.

A kind only reads: it turns a question into its store's words and streams classic PCAP bytes. Cutting,
trimming, counting, limits and publishing are the worker's, the same for every kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from docket.query import Query
from docket.window import Window


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a source can answer for right now. Times in microseconds since 1970 UTC; None = not known."""

    oldest_us: int | None
    readable_until_us: int | None
    """Packets before this time are on disk and can be read."""
    stats: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer being streamed."""

    sent: str
    """The text that the store was given."""
    chunks: Iterator[bytes]
    """Classic PCAP: the 24-byte header first, then records, cut anywhere. Raises SourceError (verdict and
    sentence) when the store refuses, breaks off or stops early; whole records before that are good."""


class Source(Protocol):
    name: str
    kind: str

    def coverage(self) -> Coverage:
        """Ask the store what it has. Raises SourceError (`refused`, `unreachable`)."""

    def slices(self, window: Window) -> list[Window]:
        """The window cut into pieces that one reading each can answer safely, in time order."""

    def read(
        self, query: Query, window: Window, *, most_bytes: int | None, most_packets: int | None, stop: Event
    ) -> AbstractContextManager[Reading]:
        """Begin one reading; leaving the context drops it at once, also in mid-stream. `stop` set by another
        thread makes a waiting read end within a second. The answer may hold packets outside the window.
        Raises SourceError."""
