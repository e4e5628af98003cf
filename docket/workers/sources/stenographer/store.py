"""The kind of source `stenographer`: asks one stenographer's HTTPS interface. For `kinds` only.

Facts about stenographer 1.0 that shape this file: it takes whole files by their start, a minute of slack on both
sides, so it is asked wider than the window; it stops by itself after 15 minutes, at a read error, or when a
file ages off, and ends the answer like a good one; its counters are up to 10 s old, its lists of files are not.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from docket.config.model import StenographerConfig
from docket.domain.clock import Clock
from docket.domain.plain_text import printable
from docket.domain.query.canonical import Query
from docket.domain.query.planning import for_stenographer
from docket.domain.query.render import to_stenographer
from docket.domain.survey import Survey
from docket.domain.timewindow import US_PER_S, Window, format_human
from docket.errors import SourceError
from docket.runtime.cert_expiry import not_after
from docket.workers.sources.base import Coverage, Gap, Reading, Received, Wording
from docket.workers.sources.gaps import merged, rotation_gaps
from docket.workers.sources.stenographer.body import Body
from docket.workers.sources.stenographer.completeness import Answer, prove
from docket.workers.sources.stenographer.file_ends import FileEnds
from docket.workers.sources.stenographer.session import StenoSession

STOPS_AFTER_S = 900
"""Stenographer's own limit for one query (a constant in its source)."""
SUSPICIOUS_AFTER_S = 870

LONGEST_FILE_US = 300 * US_PER_S
"""Stenographer restarts a capture that has not begun a new file for this long."""

COUNTERS_AGE_S = 15.0
"""Its counters, and how many capture threads it has, are asked for with each news of the source, and are good for so
long: a thread that is new after a restart has no whole file sooner than that."""

_COUNTER = re.compile(r"(\w+)\t(-?\d+)")
_FILE_NAME = re.compile(r"\s*(\d{10,20})\s*")
_MOST_THREADS = 64
_MOST_FILES = 1_000_000
"""Of all threads; a thread has 30,000 at most."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the server said of its disks, at one moment."""

    coverage: Coverage
    starts: list[list[int]]
    open_gaps: list[Gap]
    """Those that begin with the start of a file, because until when it was written is not known."""
    asked_s: float = -math.inf
    """In monotonic time, before the server was asked."""
    counters: dict[str, int] = field(default_factory=dict)
    counted_s: float = -math.inf
    """When those were asked for, and for all capture threads, which are as many for as long as it runs."""


class StenographerSource:
    """One stenographer. Keeps its connections, one per thread that is reading at the same time."""

    kind = "stenographer"

    def __init__(self, config: StenographerConfig, clock: Clock | None = None) -> None:
        self.name = config.name
        self.look_inside = config.look_inside
        self._config = config
        self._clock = clock or Clock()
        self._idle: list[StenoSession] = []
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._failure: tuple[float, SourceError | None] = -math.inf, None
        """The latest answer of several that wait for one, if it was none, and when it came."""
        self._latest = _Seen(Coverage(None, None), [], [])
        self._ends = FileEnds()

    def close(self) -> None:
        """Close its connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def coverage(self, *, age_s: float = 0.0) -> Coverage:
        """What is on its disks; see `Source.coverage`. Raises SourceError."""
        if not age_s:
            with self._session() as session:
                return self._see(session, counters_age_s=0.0).coverage
        came_s = time.monotonic()
        with self._asking:  # of many that come together, one asks
            latest = self._latest
            if time.monotonic() - latest.asked_s < age_s and not self._ends.know_one_of(latest.open_gaps):
                return latest.coverage
            failed_s, failure = self._failure
            if failure is not None and failed_s >= came_s:
                raise SourceError(failure.verdict, failure.sentence) from failure
            try:
                with self._session() as session:
                    return self._see(session).coverage
            except SourceError as error:
                self._failure = time.monotonic(), error
                raise

    def _see(self, session: StenoSession, counters_age_s: float = COUNTERS_AGE_S) -> _Seen:
        """Ask what is on its disks. Raises SourceError."""
        asked_s, known = time.monotonic(), self._latest
        counters, counted_s = known.counters, known.counted_s
        if known.starts and asked_s - counted_s < counters_age_s:
            starts = _file_starts(session, len(known.starts))
        else:
            counters, counted_s = _counters(session.get("/debug/stats") or ""), asked_s
            with contextlib.suppress(OSError, ValueError):
                ends = min(not_after(path) for path in (self._config.cert, self._config.ca))
                counters["certificate_ends"] = int(ends.timestamp())
            starts = _file_starts(session)
        lag_us = self._config.flush_lag_s * US_PER_S
        readable_until_us = self._clock.now_us() - lag_us
        oldest_us: int | None = counters.get("oldest_timestamp", 0) // 1000 or None
        if starts:
            # Every thread holds a share of the traffic: before the latest beginning some of it is missing.
            oldest_us = max(thread[0] for thread in starts)
            newest_us = min(thread[-1] for thread in starts)
            readable_until_us = max(newest_us, readable_until_us)
        # Of several threads nothing tells when the last file of one was done: nothing of it is sure before a gap.
        # A copy: what another question sees meanwhile must not be known to only one of the two that use it.
        ends_us = dict(self._ends.latest_us) if len(starts) == 1 else {}
        gaps = [gap for thread in starts for gap in rotation_gaps(thread, readable_until_us, LONGEST_FILE_US, ends_us)]
        coverage = Coverage(oldest_us, readable_until_us, counters, lag_us, merged(gaps))
        begun = frozenset(starts[0]) - ends_us.keys() if len(starts) == 1 else frozenset()
        open_gaps = [gap for gap in gaps if gap.after_us in begun]
        self._latest = seen = _Seen(coverage, starts, open_gaps, asked_s, counters, counted_s)
        return seen

    def slices(self, window: Window) -> list[Window]:
        """Cut at round times, so that no slice is longer than `slice_s`."""
        step_us = self._config.slice_s * US_PER_S
        if window.length_us <= step_us:
            return [window]
        first_cut_us = (window.after_us // step_us + 1) * step_us
        cuts = [window.after_us, *range(first_cut_us, window.before_us, step_us), window.before_us]
        return [Window(after_us, before_us) for after_us, before_us in itertools.pairwise(cuts)]

    def wording(self, query: Query, window: Window) -> Wording:
        """Stenographer's own words, asked wider than the window, for what its indexes can tell."""
        asked = self._wider(window)
        plan = for_stenographer(query, look_inside=self.look_inside)
        text = to_stenographer(plan.asked, asked.after_us, asked.before_us)
        vlan = re.search(r"\bvlan\b", query.canonical)
        advice = "The capture loses the outermost VLAN tag of a packet: ask again without vlan." if vlan else ""
        return Wording(text, advice, None if plan.is_exact else plan)

    def survey(self, query: Query, window: Window, stop: Event) -> Survey | None:  # noqa: ARG002
        """Its index tells nothing beforehand."""
        return None

    @contextmanager
    def read(
        self, query: Query, window: Window, *, most_bytes: int | None, most_packets: int | None, stop: Event
    ) -> Iterator[Reading]:
        """Ask; see `Source.read`. The limits go along as stenographer's own headers."""
        headers = {}
        if most_bytes is not None:
            headers["Steno-Limit-Bytes"] = str(most_bytes)
        if most_packets is not None:
            headers["Steno-Limit-Packets"] = str(most_packets)
        before = self._latest
        with self._session() as session:
            started_s = time.monotonic()
            body = session.post("/query", self.wording(query, window).sent, headers, stop)
            try:
                yield Reading(
                    self._checked(body, started_s),
                    prove=lambda received: self._prove(session, query, window, before, received, stop),
                )
            finally:
                body.leave()

    def _checked(self, body: Body, started_s: float) -> Iterator[list[bytes]]:
        """The answer, unless it is none; and at its end whether it took suspiciously long."""
        blocks = body.pieces()
        if body.content_type.startswith("text/"):
            page = printable(b"".join(next(blocks, [])))
            raise SourceError("refused", f"{self.name} answered with a text in place of packets: {page}")
        yield from blocks
        took_s = time.monotonic() - started_s
        if took_s >= SUSPICIOUS_AFTER_S:
            raise SourceError(
                "cut",
                f"The answer of {self.name} ended after {took_s / 60:.1f} min, and stenographer stops by itself "
                f"after {STOPS_AFTER_S // 60} min, so it is probably not whole",
            )
        body.leave()

    def _prove(
        self, session: StenoSession, query: Query, window: Window, before: _Seen, received: Received, stop: Event
    ) -> Coverage:
        """What is on the disks after an answer, once nothing speaks against it. Raises SourceError, `cut`."""
        asked = self._wider(window)
        try:
            after = self._see(session)
        except SourceError as error:
            raise SourceError("cut", f"Whether the answer of {self.name} is whole is not known: {error}") from error
        oldest_us, lost_before_us = before.coverage.oldest_us, after.coverage.oldest_us
        if oldest_us is not None and lost_before_us is not None and max(oldest_us, asked.after_us) < lost_before_us:
            raise SourceError(
                "cut",
                f"{self.name} removed packets from before {format_human(lost_before_us)} while it was reading them; "
                "stenographer ends an answer early then, so it may not be whole",
            )
        known_until_us = before.coverage.readable_until_us
        if known_until_us is None:
            known_until_us = self._clock.now_us()
        plan = for_stenographer(query, look_inside=self.look_inside)
        prove(session, Answer(self.name, plan.asked, window, asked, before.starts, known_until_us), received, stop)
        with contextlib.suppress(SourceError):
            if self._ends.look(session, after.open_gaps, window, stop):
                return self._see(session).coverage
        return after.coverage

    def _wider(self, window: Window) -> Window:
        widen_us = self._config.widen_s * US_PER_S
        return Window(max(window.after_us - widen_us, 0), window.before_us + widen_us)

    @contextmanager
    def _session(self) -> Iterator[StenoSession]:
        """A connection of one's own. After an error it is not used again, so renewed certificates are read then."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        if session is None:
            config = self._config
            session = StenoSession(config.url, config.cert, config.key, config.ca, config.server_name)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._idle.append(session)


def _counters(text: str) -> dict[str, int]:
    """Raises SourceError for a number of thousands of digits, which Python does not read."""
    try:
        return {name: int(value) for name, value in _COUNTER.findall(text)}
    except ValueError as error:
        raise SourceError("refused", "It gives a counter that cannot be") from error


def _file_starts(session: StenoSession, threads_known: int = _MOST_THREADS) -> list[list[int]]:
    """Per capture thread the sorted starts of its files in µs; empty if the server does not tell for all."""
    threads: list[list[int]] = []
    files = 0
    for number in range(threads_known):
        text = session.get(f"/debug/t{number}/files")
        if text is None:
            break
        starts = sorted(int(match[1]) for line in text.splitlines() if (match := _FILE_NAME.fullmatch(line)))
        if not starts:
            return []
        files += len(starts)
        if files > _MOST_FILES:
            raise SourceError("refused", f"It lists more than {_MOST_FILES:,} files, more than a stenographer keeps")
        threads.append(starts)
    return threads
