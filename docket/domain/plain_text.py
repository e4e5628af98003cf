"""Text from outside, made fit to stand in a sentence of Docket's. Pure; anybody may import it."""

from __future__ import annotations

LONGEST_QUOTE = 120
"""Characters of foreign text that are shown."""


def printable(foreign: str | bytes) -> str:
    """The beginning of a foreign text, on one line and harmless to show."""
    text = foreign if isinstance(foreign, str) else foreign.decode("utf-8", "replace")
    plain = "".join(char if char.isprintable() else " " for char in text[:LONGEST_QUOTE])
    line = " ".join(plain.split())
    return f"{line}…" if len(text) > LONGEST_QUOTE else line


def whole(text: str) -> str:
    """As a sentence, with its full stop."""
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."
