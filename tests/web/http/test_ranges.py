"""Ranges and entity tags as RFC 9110 has them."""

import pytest

from docket.web.http.ranges import ByteRange, Unsatisfiable, none_match, parse_range, range_holds


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", ByteRange(0, 100)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=100-", ByteRange(100, 1000)),
        ("bytes=999-", ByteRange(999, 1000)),
        ("bytes=990-5000", ByteRange(990, 1000)),
        ("bytes=-1", ByteRange(999, 1000)),
        ("bytes=-1000", ByteRange(0, 1000)),
        ("bytes=-5000", ByteRange(0, 1000)),
        ("Bytes = 5-6 ", ByteRange(5, 7)),
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=5-2", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=--1", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_one_range_is_read_or_the_whole_is_meant(header: str | None, expected: ByteRange | None) -> None:
    """A single valid range is cut to the file; a header that is not one is ignored."""
    assert parse_range(header, 1000) == expected


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_range_without_a_byte_of_the_file_is_unsatisfiable(header: str) -> None:
    """A well-formed range beyond the file is refused, not answered with the whole file."""
    with pytest.raises(Unsatisfiable):
        parse_range(header, 1000)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        ('"other"', True),
        ("tag", True),
        ('"tag"', False),
        ('W/"tag"', False),
        ('"other", "tag"', False),
        (" * ", False),
    ],
)
def test_if_none_match_lets_only_a_changed_file_through(header: str | None, expected: bool) -> None:
    """Any listed tag that is ours, weak or strong, and the star, mean that the client has the file."""
    assert none_match(header, "tag") is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        ('"tag"', True),
        ('W/"tag"', False),
        ('"other"', False),
        ("Tue, 24 Nov 2026 14:02:00 GMT", False),
    ],
)
def test_if_range_keeps_the_range_only_for_the_same_file(header: str | None, expected: bool) -> None:
    """A range holds for the strong tag of today's file; for another, or a date, the whole file is sent."""
    assert range_holds(header, "tag") is expected
