"""Log lines: one per record, and nothing in them that could forge another."""

import logging
import re

import pytest

from docket.runtime.logs import DocketFormatter, one_line


def line(message: str, *arguments: object, journal: bool = True, level: int = logging.INFO) -> str:
    record = logging.LogRecord("docket.x", level, __file__, 1, message, arguments, None)
    return DocketFormatter(journal=journal).format(record)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 3)],
)
def test_journal_gets_priorities(level: int, priority: int) -> None:
    """Under journald a line begins with its syslog priority."""
    assert line("x", level=level) == f"<{priority}>x"


def test_terminal_gets_times_and_levels() -> None:
    """Without journald a line begins with its time and level."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING x", line("x", journal=False, level=30))


def test_outside_text_cannot_forge_a_line() -> None:
    """Line ends and control characters of what came from outside are written out."""
    assert line("user %s", "eve\n<3>root\x1b[2J") == "<6>user eve | <3>root\\x1b[2J"


def test_terminal_shows_further_lines_indented() -> None:
    """On a terminal a traceback stays readable, and still no outside text begins a line."""
    assert line("one\ntwo\x1b[2J", journal=False).splitlines()[1:] == ["    two\\x1b[2J"]


def test_traceback_is_one_line() -> None:
    """An exception's traceback stays with its record, on the same line."""
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = logging.LogRecord("docket.x", 40, __file__, 1, "failed", (), (type(error), error, error.__traceback__))
    formatted = DocketFormatter(journal=True).format(record)
    assert re.fullmatch(r"<3>failed \| Traceback .* \| ValueError: broken", formatted)


def test_one_line_leaves_ordinary_text_alone() -> None:
    """Letters of any script are printed as they are."""
    assert one_line("größer als 5 µs") == "größer als 5 µs"
