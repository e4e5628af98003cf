"""What leaves the spool, and when: by age, by quota, by free space; and long after it, what is known of it.

Of what has to make room, the oldest finished results of the owner who holds most go first: one user's results do not
evict everybody else's. Only the collector uses it. A running job is never touched, and its files go before its record.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from docket.config.model import SpoolConfig
from docket.domain.job import EventName, Job, State
from docket.domain.timewindow import US_PER_S, format_us, parse_time_us
from docket.domain.units import size_text
from docket.errors import NoSuchJob
from docket.spool.layout import RESERVED, Spool
from docket.spool.ledger_statements import EndedJob
from docket.spool.ledger_writer import Ledger

log = logging.getLogger(__name__)

MOST_LEAVING = 1_000
"""Results in one pass, whose events are committed together; the next pass goes on."""
MOST_LOOKED_FOR = 5_000
MOST_LOOKED_AT = 1_000
"""Records in one pass."""
MOST_ERASED_EVENTS = 5_000
"""Together with their jobs; a job of a thousand sources has as many events and more."""

_WITHOUT_RESULT = (State.EXPIRED, State.FAILED, State.CANCELLED)
"""A failed or cancelled job may have one, too; then it has files."""
_FIRST_END = ("0", 0)
"""Before every time; jobs that have not ended have none."""

SPARE_INODES = 1_000
"""Fewer free inodes than this, and no new job is taken: each needs a handful."""


class Leaving(NamedTuple):
    """A job whose files are to go."""

    job_id: str
    reason: str


@dataclass(slots=True)
class _Held:
    finished_us: int
    size_bytes: int
    owner: str


class Retention:
    """Knows what every finished job holds, so that nothing has to be counted on the disk each time."""

    def __init__(self, spool: Spool, config: SpoolConfig) -> None:
        self._spool = spool
        self._config = config
        self._kept_s = {one.owner: one.keep_s for one in config.keep_of}
        self._held: dict[str, _Held] = {}
        self._lines: dict[str, list[tuple[int, str]]] = {}
        """The results of each owner by the time of their end, so that none has to be sorted to find the oldest."""
        self._bytes_of: Counter[str] = Counter()
        self._to_look_for: deque[str] = deque()
        self.used_bytes = 0
        """What finished jobs take up."""

    @property
    def max_bytes(self) -> int:
        return self._config.max_bytes

    @property
    def min_free_bytes(self) -> int:
        return self._config.min_free_bytes

    def take_stock(self, finished: Iterable[Job], find: Callable[[str], Job | None]) -> list[Path]:
        """Look through the spool once, at the start: note what finished jobs hold, and remove what is left of those
        that the ledger knows to be gone. Returns what it does not know. Raises SpoolError."""
        strays = []
        for job in finished:
            self._remove_leftovers(job)
            self.note(job)
        for directory in self._spool.directories():
            if directory.name in self._held:
                continue
            owner = self._owner(directory.name, find)
            if owner is None:
                strays.append(directory)
            elif owner.is_final and owner.state is not State.EXPIRED and self._spool.result(owner.id).exists():
                # The ledger is older than this result, which was not deleted.
                log.warning("setting %s aside: the ledger knows of no result of job %s", directory, owner.id)
                self._spool.set_aside(directory)
            elif owner.is_final:
                log.info("removing what is left of job %s, which is %s", owner.id, owner.state)
                self._spool.remove_job(owner.id)
        return strays

    def note(self, job: Job) -> None:
        """A job has been finished, or its files have changed."""
        if not job.is_final or job.finished_at is None or job.pcap is None:
            return
        self.forget(job.id)
        held = _Held(parse_time_us(job.finished_at, None), self._spool.size_of(job.id), job.owner)
        self._held[job.id] = held
        insort(self._lines.setdefault(held.owner, []), (held.finished_us, job.id))
        self._bytes_of[held.owner] += held.size_bytes
        self.used_bytes += held.size_bytes

    def forget(self, job_id: str) -> None:
        """A job is open again, or its files are gone."""
        held = self._held.pop(job_id, None)
        if held is None:
            return
        line = self._lines[held.owner]
        del line[bisect_left(line, (held.finished_us, job_id))]
        self._bytes_of[held.owner] -= held.size_bytes
        self.used_bytes -= held.size_bytes
        if not line:
            del self._lines[held.owner], self._bytes_of[held.owner]

    def missing(self) -> Iterator[str]:
        """Jobs whose result another program has removed; so many are looked for each time."""
        if not self._to_look_for:
            self._to_look_for.extend(self._held)
        for _ in range(min(MOST_LOOKED_FOR, len(self._to_look_for))):
            job_id = self._to_look_for.popleft()
            if job_id in self._held and not self._spool.result(job_id).exists():
                yield job_id

    def leaving(
        self, now_us: int, free_bytes: int, open_bytes: int, open_of: Mapping[str, int] | None = None
    ) -> list[Leaving]:
        """The jobs whose files have to go now: what is too old, and then as many as have to make room.

        `open_bytes` is what open jobs take up, `open_of` how much of it is each owner's.
        """
        leaving: list[Leaving] = []
        bytes_of = self._bytes_of + Counter(open_of or {})
        used_bytes, taken = self.used_bytes + open_bytes, Counter[str]()

        def take(owner: str, reason: str) -> None:
            nonlocal used_bytes, free_bytes
            job_id = self._lines[owner][taken[owner]][1]
            size_bytes = self._held[job_id].size_bytes
            taken[owner] += 1
            leaving.append(Leaving(job_id, reason))
            bytes_of[owner] -= size_bytes
            used_bytes, free_bytes = used_bytes - size_bytes, free_bytes + size_bytes

        for owner, line in self._lines.items():
            keep_s = self._kept_s.get(owner, self._config.keep_s)
            for _ in range(min(self._count_old(line, now_us - keep_s * US_PER_S), MOST_LEAVING - len(leaving))):
                take(owner, f"older than {in_hours(keep_s)}")
        while len(leaving) < MOST_LEAVING and (reason := self._makes_room(used_bytes, free_bytes)):
            holding = [owner for owner, line in self._lines.items() if taken[owner] < len(line)]
            if not holding:
                break
            take(max(holding, key=bytes_of.__getitem__), reason)
        return leaving

    @staticmethod
    def _count_old(line: Sequence[tuple[int, str]], before_us: int) -> int:
        return bisect_left(line, (before_us, ""))

    def _makes_room(self, used_bytes: int, free_bytes: int) -> str:
        """Why something has to go; empty if nothing has."""
        if used_bytes > self._config.max_bytes:
            return f"removed to keep the spool within {size_text(self._config.max_bytes)}"
        if free_bytes < self._config.min_free_bytes:
            return f"removed to keep {size_text(self._config.min_free_bytes)} of the disk free"
        return ""

    def refusal(self, free_bytes: int, free_inodes: int | None, open_bytes: int) -> str:
        """Why no new job can be taken, after everything that may go is gone; empty if one can."""
        if free_bytes < self._config.min_free_bytes:
            kept = size_text(self._config.min_free_bytes)
            return f"the spool has {size_text(free_bytes)} free, at least {kept} are kept free"
        used_bytes = self.used_bytes + open_bytes
        if used_bytes >= self._config.max_bytes:
            quota = size_text(self._config.max_bytes)
            return f"the spool holds {size_text(used_bytes)} of at most {quota}, and no finished result can go"
        if free_inodes is not None and free_inodes < SPARE_INODES:
            return f"the spool's disk can take only {free_inodes} more files"
        return ""

    def _owner(self, name: str, find: Callable[[str], Job | None]) -> Job | None:
        try:
            self._spool.job_directory(name)
        except NoSuchJob:
            return None
        return find(name)

    def _remove_leftovers(self, job: Job) -> None:
        """Files that a killed collector had no time to remove."""
        directory = self._spool.job_directory(job.id)
        leftovers: Iterable[str] = ("job.pcap.partial", "job.pcap.sorting", *RESERVED)
        for path in (directory / name for name in leftovers):
            if path.exists():
                log.info("removing %s, left over", path)
                path.unlink(missing_ok=True)
        if job.state is State.COMPLETED and self._spool.parts(job.id).exists():
            log.info("removing the parts of job %s, left over", job.id)
            self._spool.remove_parts(job.id)


class RecordExpiry:
    """Finds the records that are old enough to be erased, a bounded number of them each time.

    Only of jobs that have ended and have no result, neither in the ledger nor in the spool, and whose events the bus
    has. The newest event of all stays, since clients ask for what came after it.
    """

    def __init__(self, ledger: Ledger, spool: Spool, keep_s: int) -> None:
        self._ledger, self._spool, self._keep_s = ledger, spool, keep_s
        self._ended = _FIRST_END
        """Up to where the ended jobs have been looked at."""
        self._seq = 0
        """Up to where the events have been looked at."""

    def seen_us(self) -> int | None:
        """The latest time that an earlier collector has written down. Raises SpoolError."""
        health = self._ledger.health()
        return None if health is None else parse_time_us(health.at, None)

    def choose(self, now_us: int, in_use: Container[str]) -> tuple[list[str], list[int]]:
        """The jobs, and the events without a job, that go now. Raises SpoolError."""
        oldest = format_us(max(now_us - self._keep_s * US_PER_S, 0))
        newest_seq = self._ledger.last_seq()
        return self._old_jobs(oldest, newest_seq, in_use), self._old_rejections(oldest, newest_seq)

    def _old_jobs(self, oldest: str, newest_seq: int, in_use: Container[str]) -> list[str]:
        ended = self._ledger.ended_jobs(self._ended, oldest, MOST_LOOKED_AT)
        erased: list[str] = []
        events = 0
        for job in ended:
            if events >= MOST_ERASED_EVENTS:
                break
            self._ended = job.finished, job.n
            if job.job_id in in_use or not self._has_no_result(job):
                continue
            extent = self._ledger.extent(job.job_id)
            if extent is None or (extent.published and extent.last_at < oldest and extent.last_seq < newest_seq):
                erased.append(job.job_id)
                events += 0 if extent is None else extent.events
        else:
            if len(ended) < MOST_LOOKED_AT:
                self._ended = _FIRST_END
        return erased

    def _has_no_result(self, job: EndedJob) -> bool:
        return job.state in _WITHOUT_RESULT and not self._spool.job_directory(job.job_id).exists()

    def _old_rejections(self, oldest: str, newest_seq: int) -> list[int]:
        headings = self._ledger.event_headings(self._seq, MOST_LOOKED_AT)
        old = [heading for heading in headings if heading.at < oldest and heading.seq < newest_seq]
        self._seq = old[-1].seq if len(old) == MOST_LOOKED_AT else 0
        return [heading.seq for heading in old if heading.name == EventName.REJECTED]


def in_hours(duration_s: int) -> str:
    """`48 h`, or with minutes or seconds where hours do not say it."""
    if duration_s % 3600 == 0:
        return f"{duration_s // 3600} h"
    return f"{duration_s // 60} min" if duration_s % 60 == 0 else f"{duration_s} s"
