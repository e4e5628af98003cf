"""What people read: numbers, tables, faults with a caret, and no way for outside text to steer the terminal."""

import pytest

from docket.cli.ui import text
from docket.domain.units import packets_text, size_text
from docket.errors import Fault


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (3_200_000, "3.2 MB"), (10**12, "1.0 TB")]
)
def test_sizes_are_decimal(count: int, shown: str) -> None:
    """Sizes are shown as disks are sold."""
    assert size_text(count) == shown


def test_one_packet_is_singular() -> None:
    """Counts are grouped and agree with their noun."""
    assert [packets_text(1), packets_text(4872)] == ["1 packet", "4,872 packets"]


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("2026-11-24T14:10:00.000000Z", "2026-11-24 14:02:00 to 14:10:00 UTC"),
        ("2026-11-25T00:00:00.500000Z", "2026-11-24 14:02:00 to 2026-11-25 00:00:00.500000 UTC"),
    ],
)
def test_window_is_exact_and_short(before: str, shown: str) -> None:
    """The day is said once where it is the same; microseconds are said where there are any."""
    assert text.window("2026-11-24T14:02:00.000000Z", before) == shown


def test_outside_text_cannot_steer_the_terminal() -> None:
    """Escape sequences, line ends and direction marks are written out."""
    assert text.safe("a\x1b[2Jb\nc\u202ed\x9be") == "a\\x1b[2Jb | c\\u202ed\\x9be"


def test_table_columns_stand_below_each_other() -> None:
    """Columns are as wide as their widest cell, counted after escaping."""
    assert text.table(("A", "B"), [("1", "x"), ("\x07", "y")]) == ["A     B", "1     x", "\\x07  y"]


def test_fault_in_the_query_has_a_caret_at_its_place() -> None:
    """The caret stands below the character that the server found wrong."""
    fault = Fault("bad-port", "70000 is not a port", "query", 5)
    assert text.faults([fault], "port 70000") == ["70000 is not a port", "  port 70000", "       ^"]


def test_odd_characters_do_not_move_the_caret() -> None:
    """A control character in the query takes one place, as it does in the count of positions."""
    fault = Fault("bad-word", "no such word", "query", 3)
    assert text.faults([fault], "\x1b\n x")[1:] == ["  ?? x", "     ^"]


def test_faults_elsewhere_are_sentences() -> None:
    """Without a place in the query a fault is its sentence alone."""
    assert text.faults([Fault("bad-time", "after must be a time", "after")], "port 1") == ["after must be a time"]
