"""Which routing keys a pattern of a topic exchange takes, as AMQP 0-9-1 says. Pure; for the embedded broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, key: str) -> bool:
    """Whether the key matches: `*` stands for exactly one word, `#` for any number of words, none included."""
    return _matches(pattern.split("."), key.split("."))


def key_matches(kind: str, pattern: str, key: str) -> bool:
    """Whether an exchange of this kind (`topic`, `direct`, `fanout`) sends the key to a binding with the pattern."""
    if kind == "fanout":
        return True
    if kind == "direct":
        return pattern == key
    return topic_matches(pattern, key)


def headers_match(wanted: Mapping[str, str], headers: Mapping[str, Any]) -> bool:
    """Whether a headers exchange sends a message with these headers to a binding with `wanted` (`x-match: all`)."""
    return all(headers.get(name) == value for name, value in wanted.items() if not name.startswith("x-"))


def _matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_matches(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _matches(pattern[1:], words[1:])
