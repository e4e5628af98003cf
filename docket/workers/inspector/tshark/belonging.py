"""Which conversation each packet of a capture belongs to, so that a few of them can be cut out before dissecting. Pure.

Counted while the list is made, and kept beside it: a number for each packet, and for each number the two ends. What
cannot be distinguished by its outer ends alone (tunnels, quoted headers, fragments) is marked as unsure, and goes with
every cut that it might belong to.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.spool.file_io import write_whole
from docket.workers.inspector.tshark.columns import Line

VERSION = 1
MOST_THREADS = 1_000_000
"""Of more, all further packets share one that is unsure."""

_SURE = frozenset({"tcp", "udp"})


class Thread(msgspec.Struct, frozen=True, array_like=True):
    """What packets have in common: both ends in either direction, and the dissector's stream."""

    ends: tuple[str, str]
    """Addresses, the smaller first."""
    ports: tuple[str, str]
    transport: str
    stream: str
    """`tcp 5`; empty where there is none."""
    sure: bool
    """Its packets have no other addresses, ports or streams inside."""


class Kept(msgspec.Struct, frozen=True):
    """As it stands on disk."""

    version: int
    sha256: str
    threads: list[Thread]
    numbers: bytes
    """32 bits for each packet: which thread."""


_REST = Thread(("", ""), ("", ""), "", "", sure=False)


class Belonging:
    """Fed with the lines of the list, in order; asked for the packets of some threads."""

    def __init__(self) -> None:
        self.threads: list[Thread] = [_REST]
        self.numbers = array("I")
        self._known: dict[tuple[str, str, str, str, str, str, bool], int] = {}

    def add(self, line: Line) -> None:
        """The next packet."""
        row = line.row
        key = (
            row.source,
            line.source_port,
            row.destination,
            line.destination_port,
            line.transport,
            row.stream,
            line.tunnelled,
        )
        number = self._known.get(key)
        if number is None:
            number = self._new(key)
        self.numbers.append(number)

    def skip(self) -> None:
        """The next packet is one that could not be dissected."""
        self.numbers.append(0)

    def packets_of(self, wanted: Callable[[Thread], bool]) -> array[int]:
        """The numbers, from 1, of the packets whose thread is wanted."""
        chosen = bytearray(wanted(thread) for thread in self.threads)
        return array("I", (place for place, number in enumerate(self.numbers, 1) if chosen[number]))

    def conversation_until(self, number: int, most: int) -> array[int] | None:
        """The packets up to this one between the same ends, with the first of the file and the one before it.

        None where its conversation is not sure, or has more than `most` packets by then.
        """
        if number > len(self.numbers) or not (thread := self.threads[self.numbers[number - 1]]).sure:
            return None
        chosen = bytearray(one.ends == thread.ends for one in self.threads)
        found = {place for place, one in enumerate(self.numbers[:number], 1) if chosen[one]}
        return None if len(found) > most else array("I", sorted(found | {1, number - 1, number} - {0}))

    def write(self, path: Path, sha256: str) -> None:
        """In one piece or not at all. Raises SpoolError."""
        kept = Kept(version=VERSION, sha256=sha256, threads=self.threads, numbers=self.numbers.tobytes())
        write_whole(path, msgspec.msgpack.encode(kept))

    def _new(self, key: tuple[str, str, str, str, str, str, bool]) -> int:
        source, source_port, destination, destination_port, transport, stream, tunnelled = key
        if len(self.threads) >= MOST_THREADS:
            return 0
        back = (destination, destination_port, source, source_port, transport, stream, tunnelled)
        number = self._known.get(back)
        if number is None:
            number = len(self.threads)
            (one, one_port), (other, other_port) = sorted(((source, source_port), (destination, destination_port)))
            sure = transport in _SURE and bool(stream) and not tunnelled
            self.threads.append(Thread((one, other), (one_port, other_port), transport, stream, sure))
        self._known[key] = number
        return number


def read_belonging(path: Path, sha256: str) -> Belonging | None:
    """None if there is none of this very capture."""
    try:
        kept = msgspec.msgpack.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
    if kept.version != VERSION or kept.sha256 != sha256:
        return None
    found = Belonging()
    found.threads = kept.threads
    found.numbers.frombytes(kept.numbers)
    return found


prepare(Kept)
