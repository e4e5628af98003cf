"""Whether an answer of stenographer that ended like a good one is whole. For `stenographer` only.

Stenographer ends an answer normally after an error of its disk, or of its own doing, and says so nowhere. But it reads
files in the order of time, so a packet from after the window proves that all of the window was read. Where none
came, it is asked once more, cheaply: how many matching packets its index has (`/debug/t0/positions`), or, where the
index is not asked for a question or not shown, whether there is a packet after the last one.

Only files that were whole before the reading began are looked at, so fresh packets raise no false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event

from docket.domain.query.canonical import Query
from docket.domain.query.render import to_stenographer
from docket.domain.timewindow import US_PER_S, Window, format_human
from docket.errors import CaptureError, DocketError, SourceError
from docket.packet.record_cutter import RecordCutter
from docket.workers.sources.base import Received
from docket.workers.sources.stenographer.body import Body
from docket.workers.sources.stenographer.session import StenoSession

SLACK_US = 60 * US_PER_S
"""Stenographer takes files that start up to a minute outside of the times it is asked for."""
MOST_FILES = 24
"""Files whose index is looked at; of more than that, as many as this, spread evenly."""
MOST_PACKETS = 20_000
"""Up to so many packets they are counted one by one; of a larger answer only the files after its end are looked at."""
BUFFERED_US = 60 * US_PER_S
"""A file may begin with packets older than itself, which lay in the capture's buffer: 10 s by default."""

_ALL, _ERROR = b"POSITIONS:\n\tALL", b"ERROR"

File = tuple[int, int]
"""Number of the capture thread, and start in µs, which is the file's name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has ended like a good one."""

    source: str
    query: Query
    window: Window
    """What was wanted."""
    asked: Window
    """What was asked, wider."""
    files: Sequence[Sequence[int]]
    """Per capture thread the sorted starts of the files that were whole before the reading began; may be unknown."""
    known_until_us: int
    """Packets before this time were on disk when the reading began."""


def prove(session: StenoSession, answer: Answer, received: Received, stop: Event) -> None:
    """Return if nothing speaks against the answer. Raises SourceError, `cut` where the store has more."""
    last_us = received.last_us
    if last_us is not None and last_us >= answer.window.before_us:
        return
    few = received.packets <= MOST_PACKETS
    files = _files(answer)
    if answer.files and not files:
        return
    if few and len(files) <= MOST_FILES:
        expected = _count(session, answer, files, received.packets, stop)
        if expected is not None and expected > received.packets:
            raise _cut(
                answer.source, f"its index has at least {expected:,} such packets, and {received.packets:,} came"
            )
    else:
        since_us = answer.asked.after_us - SLACK_US if last_us is None else last_us + BUFFERED_US
        late = [file for file in files if since_us <= file[1] < answer.window.before_us]
        expected = _count(session, answer, _sample(late), 0, stop)
        if expected:
            raise _cut(answer.source, "its index has such packets after the last one that came")
    if expected is None:
        _look_further(session, answer, received, again=few, stop=stop)


def _files(answer: Answer) -> list[File]:
    """The files that were asked for, the oldest first."""
    first_us, last_us = answer.asked.after_us - SLACK_US, answer.asked.before_us + SLACK_US
    found = [(thread, start) for thread, starts in enumerate(answer.files) for start in starts]
    return sorted((file for file in found if first_us <= file[1] <= last_us), key=lambda file: file[1])


def _sample(files: Sequence[File]) -> list[File]:
    """All of them or MOST_FILES, among them the last one."""
    if len(files) <= MOST_FILES:
        return list(files)
    return [files[len(files) - 1 - number * len(files) // MOST_FILES] for number in range(MOST_FILES)]


def _count(session: StenoSession, answer: Answer, files: Iterable[File], enough: int, stop: Event) -> int | None:
    """How many matching packets the files' indexes have; counting ends above `enough`.

    None: the store does not show its index, or the question needs none. Raises SourceError.
    """
    text = to_stenographer(answer.query, answer.asked.after_us, answer.asked.before_us)
    total: int | None = None
    for thread, start in files:
        body = session.post_if_there(f"/debug/t{thread}/positions?name={start}", text, stop)
        if body is None:
            continue
        try:
            found = _positions(body, enough - (total or 0))
        except SourceError as error:
            raise _not_known(answer.source, error) from error
        finally:
            body.leave()
        if found is None:
            return None
        total = (total or 0) + found
        if total > enough:
            break
    return total


def _positions(body: Body, enough: int) -> int | None:
    """The number of positions, one a line behind a tab; None where all packets of the file are meant.

    Raises SourceError.
    """
    found, head = 0, b""
    for block in body.blocks():
        if len(head) < len(_ALL):
            head += block
            found = head.count(b"\t")
        else:
            found += block.count(b"\t")
        if head.startswith(_ERROR):
            raise SourceError("cut", "its index cannot be read")
        if len(head) >= len(_ALL) and found > enough and not head.startswith(_ALL):
            break
    return None if head.startswith(_ALL) else found


def _look_further(session: StenoSession, answer: Answer, received: Received, *, again: bool, stop: Event) -> None:
    """Ask for the files after the last packet, and with `again` for its neighbourhood first. Raises SourceError."""
    last_us = received.last_us if received.last_us is not None else answer.window.after_us - 1
    newest_us = max((starts[-1] for starts in answer.files if starts), default=None)
    before_us = answer.asked.before_us
    if newest_us is not None:
        before_us = min(before_us, newest_us - SLACK_US + US_PER_S)
    if again:
        after_us = max(last_us - (answer.window.after_us - answer.asked.after_us), 0)
        _look(session, answer, Window(after_us, before_us), last_us, MOST_PACKETS + received.packets, stop)
    if newest_us is None or newest_us > last_us:
        # What could not be read once can perhaps never be read: so begin behind it.
        _look(session, answer, Window(last_us + SLACK_US, before_us), last_us, MOST_PACKETS, stop)


def _look(session: StenoSession, answer: Answer, asked: Window, last_us: int, most_packets: int, stop: Event) -> None:
    """Raise SourceError, `cut`, if these files have a packet of the window after the last one that came."""
    missed = Window(max(last_us + 1, answer.window.after_us), min(answer.window.before_us, answer.known_until_us))
    cutter = RecordCutter(missed, None, None)
    text = to_stenographer(answer.query, asked.after_us, asked.before_us)
    body = session.post("/query", text, {"Steno-Limit-Packets": str(most_packets)}, stop)
    try:
        for block in body.pieces():
            first_us = cutter.feed(block).first_us
            if first_us is not None:
                raise _cut(answer.source, f"it has a further packet, from {format_human(first_us)}")
        cutter.finish()
    except CaptureError as error:
        raise _not_known(answer.source, error) from error
    finally:
        body.leave()


def _cut(source: str, proof: str) -> SourceError:
    return SourceError("cut", f"The answer of {source} ended like a good one, but it is not whole: {proof}")


def _not_known(source: str, error: DocketError) -> SourceError:
    return SourceError("cut", f"Whether the answer of {source} is whole is not known: {error}")
