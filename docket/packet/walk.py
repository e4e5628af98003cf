"""The way through the headers of one layer, many packets at a time. For the decoder's own modules only.

Each header that may follow is a *kind*. A walk holds, per kind, the rows whose next header is of that kind, and
where it begins. Every round hands each kind's rows to the one function that reads such headers; it notes what it
finds and pushes the rows on to the next kind. All packets of a sort so move together, whatever they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, auto

import numpy as np

from docket.packet.headers import LINK_CUT, NONE, Layer
from docket.packet.octets import Integers, Octets, no_integers, where

MOST_HEADERS = 512
"""Headers of one layer in one packet. No real packet has more; a packet made of tags must not hold up the others."""


class Kind(IntEnum):
    """What the next header is."""

    ETHERNET = auto()
    ETHERTYPE = auto()
    LLC = auto()
    TAG = auto()
    LABEL = auto()
    BEHIND_LABELS = auto()
    PPPOE = auto()
    PPP = auto()
    FRAMED_PPP = auto()
    SERIAL = auto()
    LOOPBACK = auto()
    COOKED = auto()
    COOKED2 = auto()
    WIFI = auto()
    RADIOTAP = auto()
    PRISM = auto()
    AVS = auto()
    PPI = auto()
    RAW = auto()
    IPV4 = auto()
    IPV6 = auto()
    EXTENSION = auto()
    FIRST_FRAGMENT = auto()
    GRE = auto()
    VXLAN = auto()
    GENEVE = auto()
    GTP = auto()
    GTP_EXTENSION = auto()
    L2TP = auto()
    L2TP_IP = auto()
    L2TP3 = auto()
    ETHERIP = auto()
    ERSPAN2 = auto()
    ERSPAN3 = auto()


Batch = tuple[Integers, Integers]
"""Rows, and the offset of the next header of each."""


class Walk:
    """One layer while it is being read. The arrays are those of `Layer`."""

    def __init__(self, octets: Octets, record: Integers, captured_end: Integers, wire_end: Integers) -> None:
        size = record.size
        self.octets = octets
        self.record = record
        self.captured_end = captured_end
        self.wire_end = wire_end
        self.ethertype = np.full(size, NONE, dtype=np.int64)
        self.family = np.zeros(size, dtype=np.uint8)
        self.ip_at = np.full(size, NONE, dtype=np.int64)
        self.protocol = np.full(size, NONE, dtype=np.int64)
        self.transport_at = np.full(size, NONE, dtype=np.int64)
        self.mac_to_at = np.full(size, NONE, dtype=np.int64)
        self.mac_from_at = np.full(size, NONE, dtype=np.int64)
        self.open = np.zeros(size, dtype=np.uint8)
        self.pseudowire = np.zeros(size, dtype=np.bool_)
        self.vlans: list[Batch] = []
        self.labels: list[Batch] = []
        self.inner: dict[Kind, list[Batch]] = {}
        self._next: dict[Kind, list[Batch]] = {}

    def push(self, kind: Kind, rows: Integers, at: Integers) -> None:
        """The next header of these rows is of this kind, and belongs to the same layer."""
        if rows.size:
            self._next.setdefault(kind, []).append((rows, at))

    def push_inner(self, kind: Kind, rows: Integers, at: Integers) -> None:
        """These rows carry a tunnel, whose inside begins with this kind."""
        if rows.size:
            self.inner.setdefault(kind, []).append((rows, at))

    def dispatch(self, values: Integers, kinds: Mapping[int, Kind], rows: Integers, at: Integers) -> None:
        """Push each row to the kind that its value stands for; rows with other values have come to their end."""
        left = rows.size
        for value, kind in kinds.items():
            if not left:
                return
            chosen = where(values == value)
            if chosen.size == rows.size:
                self.push(kind, rows, at)
                return
            left -= chosen.size
            self.push(kind, rows[chosen], at[chosen])

    def fitting(self, rows: Integers, at: Integers, size: int, flag: int = LINK_CUT) -> Batch:
        """The rows that have `size` bytes at their offsets. Those that lost them to the recorder get the flag."""
        end = at + size
        fits = end <= self.captured_end[rows]
        if fits.all():
            return rows, at
        short = rows[~fits]
        cut = short[end[~fits] <= self.wire_end[short]]
        self.open[cut] |= flag
        return rows[fits], at[fits]

    def run(self, readers: Mapping[Kind, Callable[[Walk, Integers, Integers], None]]) -> None:
        """Read header after header until no row has a next one."""
        for _ in range(MOST_HEADERS):
            if not self._next:
                return
            batches, self._next = self._next, {}
            for kind, found in batches.items():
                readers[kind](self, *_joined(found))
        for found in self._next.values():
            self.open[_joined(found)[0]] |= LINK_CUT

    def layer(self) -> Layer:
        """What was found."""
        return Layer(
            self.octets,
            self.record,
            self.captured_end,
            self.wire_end,
            self.ethertype,
            self.family,
            self.ip_at,
            self.protocol,
            self.transport_at,
            self.mac_to_at,
            self.mac_from_at,
            _joined(self.vlans),
            _joined(self.labels),
            self.open,
            self.pseudowire,
        )

    def inside(self) -> Walk | None:
        """The walk through what the tunnels carry, one row per tunnel; None if there is none."""
        if not self.inner:
            return None
        outer = np.concatenate([rows for found in self.inner.values() for rows, _ in found])
        walk = Walk(self.octets, self.record[outer], self.captured_end[outer], self.wire_end[outer])
        first = 0
        for kind, found in self.inner.items():
            for rows, at in found:
                walk.push(kind, np.arange(first, first + rows.size, dtype=np.int64), at)
                first += rows.size
        return walk


def _joined(batches: list[Batch]) -> Batch:
    if not batches:
        return no_integers(), no_integers()
    if len(batches) == 1:
        return batches[0]
    rows, values = zip(*batches, strict=True)
    return np.concatenate(rows), np.concatenate(values)
