"""Text from outside, made fit to stand in a sentence of Docket's. Pure; anybody may import it."""

from __future__ import annotations

import ipaddress

LONGEST_QUOTE = 120
"""Characters of foreign text that are shown."""


def printable(foreign: str | bytes) -> str:
    """The beginning of a foreign text, on one line and harmless to show."""
    text = foreign if isinstance(foreign, str) else foreign.decode("utf-8", "replace")
    plain = "".join(char if char.isprintable() else " " for char in text[:LONGEST_QUOTE])
    line = " ".join(plain.split())
    return f"{line}…" if len(text) > LONGEST_QUOTE else line


def shortened(text: str, longest: int) -> str:
    """The text, with a mark where its end was cut off."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def packet_address(value: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as packets carry it, in text. Raises ValueError.

    Python's reader also takes numbers, and behind `%` a zone of any length with anything in it.
    """
    if not isinstance(value, str) or "%" in value:
        raise ValueError("it is not the text of an address")
    return ipaddress.ip_address(value)


def whole(text: str) -> str:
    """As a sentence, with its full stop."""
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."
