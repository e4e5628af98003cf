"""The kinds of values that an index knows, and how the decoder's values become numbers of at most 64 bits. Pure.

An IPv6 address is indexed as two numbers, its upper and its lower half: networks are ranges of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from docket.packet.occurring_values import Occurrences
from docket.packet.octets import Integers

Numbers: TypeAlias = NDArray[np.unsignedinteger[Any]]


class Kind(IntEnum):
    """The numbers are part of the format."""

    ADDRESS4 = 1
    UPPER6 = 2
    LOWER6 = 3
    PORT = 4
    PROTOCOL = 5
    VLAN = 6
    LABEL = 7
    MAC = 8
    ETHERTYPE = 9

    @property
    def is_wide(self) -> bool:
        """Whether its values fill 64 bits, so that no block number fits beside them."""
        return self in (Kind.UPPER6, Kind.LOWER6)


_PLAIN = {
    "address4": Kind.ADDRESS4,
    "port": Kind.PORT,
    "protocol": Kind.PROTOCOL,
    "vlan": Kind.VLAN,
    "label": Kind.LABEL,
    "mac": Kind.MAC,
    "ethertype": Kind.ETHERTYPE,
}


def indexed(found: Occurrences) -> Iterator[tuple[Kind, Numbers, Integers]]:
    """Kind, values and records of what the decoder found."""
    if found.kind == "address6":
        yield Kind.UPPER6, found.values[:, 0], found.records
        yield Kind.LOWER6, found.values[:, 1], found.records
    else:
        yield _PLAIN[found.kind], found.values, found.records
