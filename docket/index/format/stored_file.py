"""The index of one capture file, on disk: its facts and its segments. Raises OSError and Damaged.

with open_index(path) as index:
    index.facts
    for segment in index.segments(): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from docket.index.facts import FileFacts
from docket.index.format import container
from docket.index.format.container import Container, Damaged
from docket.index.format.segment import StoredSegment

_FACTS = "facts"
_DECODER = msgspec.msgpack.Decoder(FileFacts)


class StoredFile:
    """Open for reading."""

    def __init__(self, file: Container) -> None:
        self._file = file
        try:
            self.facts = _DECODER.decode(file.section(_FACTS))
        except (msgspec.DecodeError, ValueError) as error:
            raise Damaged(str(error)) from error
        self._segments: dict[int, StoredSegment] = {}

    def segments(self) -> Iterator[StoredSegment]:
        """In the order of the file. Each is read once, when it comes to it."""
        for number in range(self.facts.segments):
            if number not in self._segments:
                self._segments[number] = StoredSegment(self._file, number)
            yield self._segments[number]

    def sections(self) -> dict[str, bytes]:
        """What is in the file beside the facts, to be written into a longer index of the same file."""
        return {name: self._file.section(name) for name in self._file.names() if name != _FACTS}


@contextmanager
def open_index(path: Path) -> Iterator[StoredFile]:
    """The index in this file. Raises OSError and Damaged."""
    with Container(path) as file:
        yield StoredFile(file)


def write_index(path: Path, facts: FileFacts, sections: Mapping[str, bytes]) -> int:
    """Write it in place of the one before; gives its size. Raises OSError."""
    return container.write(path, {_FACTS: msgspec.msgpack.encode(facts), **sections})
