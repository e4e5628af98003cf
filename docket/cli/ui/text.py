"""Text for people: numbers, sizes, times, tables, and the safe writing of what came from outside. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from docket.errors import Fault
from docket.runtime.logs import one_line


def safe(text: str) -> str:
    """One line without control characters: a note or a server's sentence must not steer the terminal."""
    return one_line(text)


def instant(rfc3339: str | None) -> str:
    """A time of the API to the second: `2026-11-24 14:02:00 UTC`; a dash for none."""
    return f"{rfc3339[:10]} {rfc3339[11:19]} UTC" if rfc3339 else "-"


def window(after: str, before: str) -> str:
    """A window with its microseconds where it has any: `2026-11-24 14:02:00 to 14:10:00 UTC`."""
    start, end = _exact(after), _exact(before)
    if start[:10] == end[:10]:
        end = end[11:]
    return f"{start} to {end} UTC"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns below each other, two spaces apart; cells are made safe."""
    cells = [[safe(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def faults(found: Sequence[Fault], query: str | None = None) -> list[str]:
    """One line per fault; a fault in the query is shown with the query and a caret below its place."""
    lines = []
    for fault in found:
        lines.append(safe(fault.message))
        if fault.field == "query" and fault.position is not None and query is not None:
            # Escapes would move what follows them, so each odd character becomes exactly one mark.
            shown = "".join(character if character.isprintable() else "?" for character in query)
            lines += [f"  {shown}", f"  {' ' * min(fault.position, len(shown))}^"]
        if fault.suggestion:
            lines.append(f"  Did you mean: {safe(fault.suggestion)}")
    return lines


def _exact(rfc3339: str) -> str:
    text = rfc3339.removesuffix("Z").replace("T", " ")
    return text.removesuffix(".000000")
