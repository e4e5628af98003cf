"""Finding in a stream, whatever the borders of its segments."""

from typing import Any

import pytest

from tests.page.conftest import Call

pytestmark = pytest.mark.browser

SCRIPT = "packets/stream_find.js"
PIECES = [
    {"sender": 0, "content": "GET /pass", "lost": False},
    {"sender": 1, "content": "word? no", "lost": False},
    {"sender": 0, "content": "word HTTP/1.1", "lost": False},
    {"sender": 0, "content": "[12 bytes missing]", "lost": True},
    {"sender": 0, "content": "Host: password", "lost": False},
]


def found(call: Call, pieces: list[dict[str, Any]], text: str, kind: str) -> list[int]:
    """An expression cannot be sent to the browser, so that both functions are called there."""
    places: list[int] = call(SCRIPT, "found", pieces, text, kind)
    return places


@pytest.mark.parametrize(
    ("text", "kind", "places"),
    [
        ("password", "text", [0, 4]),
        ("PASSWORD H", "text", [0]),
        ("passwordx", "text", []),
        ("^word", "regex", [1, 2]),
        ("/1.1Host", "text", []),
    ],
)
def test_match_goes_on_in_the_next_segment(call: Call, text: str, kind: str, places: list[int]) -> None:
    """Of the same sender, and not across bytes that were lost; the piece in which it begins is shown."""
    assert found(call, PIECES, text, kind) == places


def test_hex_is_found_at_whole_bytes(call: Call) -> None:
    """Across segments too."""
    pieces = [{"sender": 0, "content": "0a1b", "lost": False}, {"sender": 0, "content": "2c3d", "lost": False}]
    assert found(call, pieces, "1b 2c", "hex") == [0]
    assert found(call, pieces, "b2", "hex") == []
