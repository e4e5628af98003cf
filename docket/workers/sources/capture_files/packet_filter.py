"""Which packets of a block match a query and lie in a window; one meaning for readings and for counts. Pure.

    chosen = PacketFilter(query, window, look_inside=False).chosen(block)
    chosen.rows                                       indices of the packets that match

It searches for bytes first where that spares decoding:

    wanted = literals(query.root)                     None: nothing can be said
    rows = holding(buffer, records, wanted)           None: too many to be worth it

An address, a port or a MAC address that matches stands in the packet as it is, byte after byte. So a packet without
these bytes cannot match, unless the recorder cut it. Searching for bytes is a hundred times quicker than decoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np

from docket.domain.query.canonical import Query
from docket.domain.query.terms import And, EtherHost, FilterNode, Flow, Net, Or, Port, SentBy
from docket.domain.timewindow import Window
from docket.packet.decode import decode
from docket.packet.link import is_known
from docket.packet.match import match
from docket.packet.octets import Integers, distinct, no_integers
from docket.packet.records import Records
from docket.workers.sources.capture_files.reading.record_block import RecordBlock

Literals = tuple[bytes, ...]
"""One of them at least is in each packet that matches."""

MOST_LITERALS = 8
"""Each is a search through all bytes; of more decoding is as quick."""
_SHORTEST = 2
WORTH = 8
"""More hits than a packet in so many are not worth the search."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of one block."""

    rows: Integers
    """Indices of the packets that match and lie in the window."""
    undecided: int = 0
    """Packets of the window that were recorded too short to tell."""
    unfiltered: int = 0
    """Packets of the window whose link type cannot be looked into."""


class PacketFilter:
    """For one query and window."""

    def __init__(self, query: Query, window: Window, *, look_inside: bool) -> None:
        self._root = query.root
        self._after_ns, self._before_ns = window.after_us * 1000, window.before_us * 1000
        self._look_inside = look_inside
        self._literals = literals(query.root)

    def chosen(self, block: RecordBlock) -> Chosen:
        times = block.records.time_ns
        inside = ((times >= self._after_ns) & (times < self._before_ns)).nonzero()[0]
        if self._root is None or not inside.size:
            return Chosen(inside)
        if not is_known(block.linktype):
            return Chosen(no_integers(), unfiltered=int(inside.size))
        inside = self._holding(block, inside)
        if not inside.size:
            return Chosen(inside)
        records = block.records if inside.size == times.size else block.records.chosen(inside)
        found = match(decode(block.buffer, records, block.linktype), self._root, look_inside=self._look_inside)
        return Chosen(inside[found.mask], undecided=int(found.undecided.sum()))

    def _holding(self, block: RecordBlock, inside: Integers) -> Integers:
        """Those of the packets that hold the bytes without which none matches."""
        if self._literals is None:
            return inside
        held = holding(block.buffer, block.records, self._literals)
        if held is None or inside.size == len(block.records):
            return inside if held is None else held
        return np.intersect1d(inside, held, assume_unique=True)


def literals(root: FilterNode | None) -> Literals | None:
    """What a packet must hold to match; None if it may match without any of it."""
    match root:
        case And(parts):
            return _best(literals(part) for part in parts)
        case Or(parts):
            return _all(literals(part) for part in parts)
        case Net(network):
            return _prefix(network)
        case Port(number, last):
            return (number.to_bytes(2, "big"),) if last is None or last == number else None
        case EtherHost(address):
            return (address.to_bytes(6, "big"),)
        case Flow(one, _, other):
            return _best(((one.packed,), (other.packed,)))
        case SentBy(address):
            return (address.packed,)
        case _:
            return None


def holding(buffer: bytes, records: Records, wanted: Literals) -> Integers | None:
    """Indices of the records that hold one of the literals, and of those that were cut; None for too many of them.

    Records follow each other in the buffer. May give some that hold none.
    """
    places = _places(buffer, wanted, len(records) // WORTH + WORTH)
    if places is None:
        return None
    rows = np.searchsorted(records.data_at, np.array(places, dtype=np.int64), side="right") - 1
    cut = (records.captured < records.original).nonzero()[0]
    if cut.size > len(records) // WORTH:
        return None
    return distinct(np.concatenate((rows[rows >= 0], cut)))


def _places(buffer: bytes, wanted: Literals, most: int) -> list[int] | None:
    """Where the literals stand; None if that is oftener than `most`."""
    places: list[int] = []
    for literal in wanted:
        at = buffer.find(literal)
        while at >= 0:
            places.append(at)
            if len(places) > most:
                return None
            at = buffer.find(literal, at + 1)
    return places


def _prefix(network: IPv4Network | IPv6Network) -> Literals | None:
    """The whole bytes that all addresses of a network begin with."""
    size = network.prefixlen // 8
    return (network.network_address.packed[:size],) if size >= _SHORTEST else None


def _best(several: Iterable[Literals | None]) -> Literals | None:
    """Of parts that all must hold, the one that the fewest packets can hold by chance."""
    known = [one for one in several if one is not None]
    return max(known, key=lambda one: (min(map(len, one)), -len(one)), default=None)


def _all(several: Iterable[Literals | None]) -> Literals | None:
    """Of parts one of which must hold, all together."""
    found: set[bytes] = set()
    for one in several:
        if one is None:
            return None
        found |= set(one)
    return tuple(sorted(found)) if len(found) <= MOST_LITERALS else None
