"""Logging, set up once by the command line; and the safe writing of outside text on one line.

Rooms log through `logging.getLogger(__name__)` and name the job and the source in the message: `job ID: SOURCE: …`, so
that one `grep` follows a job through all processes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from docket.runtime.traces import with_trace

_SYSLOG_LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""Priorities of syslog(3), which journald reads from a line that begins with `<3>` (sd-daemon(3))."""

_LIBRARIES = ("amqp", "kombu", "pika", "urllib3", "asyncio", "tornado.access")
"""Their lines repeat what Docket says itself, once per attempt; only their errors are news."""


class DocketFormatter(logging.Formatter):
    """Time, level, message; further lines, as of a traceback, are indented, so that none can pass for a record.

    Under journald it is one line per record; the time is left out, since the journal has its own, and the priority
    stands in front.
    """

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s")
        self.journal = journal

    def formatMessage(self, record: logging.LogRecord) -> str:
        return with_trace(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self.journal:
            return "\n    ".join(one_line(line) for line in text.splitlines())
        priority = next((number for level, number in _SYSLOG_LEVELS if record.levelno >= level), 7)
        return f"<{priority}>{one_line(text)}"


def set_up(environ: Mapping[str, str], *, verbose: bool = False) -> None:
    """Log to stderr: warnings of libraries, everything from INFO on of Docket (DEBUG if verbose)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(DocketFormatter(journal=to_journal(environ)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("docket").setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING if verbose else logging.ERROR)


def to_journal(environ: Mapping[str, str]) -> bool:
    """Whether systemd has connected stderr to the journal (systemd.exec(5))."""
    return "JOURNAL_STREAM" in environ


def one_line(text: str) -> str:
    """The text with control characters written as escapes, so that no input can forge lines or steer a terminal.

    Line ends inside stay readable as ` | `; a traceback becomes one long line, as the journal wants it.
    """
    lines = " | ".join(line for line in text.splitlines() if line.strip())
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in lines
    )
