"""Logging: set up once by the command line; any room may bind the job and the source that it works on.

Rooms log through `logging.getLogger(__name__)` as usual. What is bound with `about` stands in every record of that
thread or task, so that one `grep` follows a job through all rooms.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_job: ContextVar[str] = ContextVar("job", default="")
_source: ContextVar[str] = ContextVar("source", default="")

_SYSLOG_LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""Priorities of syslog(3), which journald reads from a line that begins with `<3>` (sd-daemon(3))."""

_LIBRARIES = ("amqp", "kombu", "pika", "urllib3", "asyncio", "tornado.access")
"""Their lines repeat what Docket says itself, once per attempt; only their errors are news."""


@contextmanager
def about(*, job: str | None = None, source: str | None = None) -> Iterator[None]:
    """Within the block, records carry the job and the source; what is None stays as it was outside."""
    job_token = _job.set(job if job is not None else _job.get())
    source_token = _source.set(source if source is not None else _source.get())
    try:
        yield
    finally:
        _source.reset(source_token)
        _job.reset(job_token)


class DocketFormatter(logging.Formatter):
    """One line per record: time, level, where, what, then job and source where they are bound.

    Under journald the time is left out, since the journal has its own, and the priority stands in front.
    """

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s")
        self.journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = one_line(super().format(record)) + _subject(record)
        if not self.journal:
            return text
        priority = next((number for level, number in _SYSLOG_LEVELS if record.levelno >= level), 7)
        return f"<{priority}>{text}"


def set_up(environ: Mapping[str, str], *, verbose: bool = False) -> None:
    """Log to stderr: warnings of libraries, everything from INFO on of Docket (DEBUG if verbose)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(DocketFormatter(journal="JOURNAL_STREAM" in environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("docket").setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING if verbose else logging.ERROR)


def one_line(text: str) -> str:
    """The text with control characters written as escapes, so that nobody can forge lines or steer a terminal.

    Line ends inside stay readable as ` | `; a traceback becomes one long line, as the journal wants it.
    """
    lines = " | ".join(line for line in text.splitlines() if line.strip())
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in lines
    )


def _subject(record: logging.LogRecord) -> str:
    """Job and source: those that the record was given (`extra`), else those that are bound."""
    job = getattr(record, "job", None) or _job.get()
    source = getattr(record, "source", None) or _source.get()
    parts = [f"job={one_line(str(job))}" if job else "", f"source={one_line(str(source))}" if source else ""]
    text = " ".join(part for part in parts if part)
    return f" [{text}]" if text else ""
