"""What tshark prints of one packet with `-T fields`, by the names of the fields. Pure."""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = "\x1f"
"""Between the values of one field; tshark writes such a character in a value as an escape."""


class Values:
    """The values of one packet."""

    __slots__ = ("_cells", "_places")

    def __init__(self, places: dict[str, int], line: str) -> None:
        self._places = places
        self._cells: Sequence[str] = line.split("\t")

    @property
    def whole(self) -> bool:
        """Whether the line has a cell for each field."""
        return len(self._cells) == len(self._places)

    def texts(self, name: str) -> list[str]:
        """All values of a field, in their order."""
        cell = self._cells[self._places[name]]
        return cell.split(SEPARATOR) if cell else []

    def text(self, name: str) -> str:
        """The first value; empty if there is none."""
        return self._cells[self._places[name]].partition(SEPARATOR)[0]

    def numbers(self, name: str) -> list[int]:
        """All values that are numbers, as decimals or as 0x."""
        return [number for text in self.texts(name) if (number := _number(text)) is not None]

    def number(self, name: str) -> int:
        """The first one; 0 if there is none."""
        return _number(self.text(name)) or 0


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def display_text(text: str) -> str:
    """A text as it stands in a display filter."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
