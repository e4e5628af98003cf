"""The parts of RFC 9110 that decide which bytes of a file are sent: ranges and entity tags. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_BYTES = re.compile(r"(\d{0,19})-(\d{0,19})", re.ASCII)
_TAG = re.compile(r'(W/)?"([^"]*)"')


class ByteRange(NamedTuple):
    """Bytes `[start, end)` of a file."""

    start: int
    end: int


class Unsatisfiable(ValueError):
    """A well-formed range that has no byte in common with the file: 416."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The one range asked for, or None to send the whole file.

    A header of another unit, with a mistake or with several ranges is ignored, as RFC 9110 14.2 allows: the
    client gets more than it asked for, never something else. Raises Unsatisfiable.
    """
    unit, separator, spec = (header or "").partition("=")
    if not separator or unit.strip().lower() != "bytes":
        return None
    found = _BYTES.fullmatch(spec.strip())
    if found is None:
        return None
    first, last = found.groups()
    if not first:
        return _suffix(last, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(int(last) + 1, size) if last else size)


def _suffix(length: str, size: int) -> ByteRange | None:
    if not length:
        return None
    if int(length) == 0 or size == 0:
        raise Unsatisfiable
    return ByteRange(max(0, size - int(length)), size)


def none_match(header: str | None, tag: str) -> bool:
    """Whether `If-None-Match` lets the answer be sent; False means 304. Weak comparison (RFC 9110 13.1.2)."""
    if header is None:
        return True
    if header.strip() == "*":
        return False
    return tag not in (opaque for _, opaque in _TAG.findall(header))


def range_holds(if_range: str | None, tag: str) -> bool:
    """Whether a range may be served, given `If-Range`. Strong comparison; a date never holds, since results
    have no date of their own (RFC 9110 13.1.5)."""
    return if_range is None or if_range.strip() == f'"{tag}"'
