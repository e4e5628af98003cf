"""Filters for the hierarchy of protocols: each finds the packets that its line counts, in just this nesting. Pure.

`udp` finds UDP wherever it is, also in tunnels and in what an error quotes; a line counts one place of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

MOST_KINDS = 3_000
"""Different stacks of layers; with more of them there are no filters."""

_UNCOUNTED = "ethertype"
"""A layer that tshark names, but does not count in the hierarchy."""


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol, and those that were found inside it."""

    name: str
    packets: int
    bytes: int
    children: tuple[Protocol, ...] = ()
    filter: str = ""
    """A display filter that shows the packets; empty where none can."""


class LayerCounter:
    """Fed with the layers of every packet."""

    def __init__(self) -> None:
        self._packets: dict[str, int] = {}
        self._overflow = False

    def add(self, layers: str) -> None:
        if layers not in self._packets and len(self._packets) >= MOST_KINDS:
            self._overflow = True
            return
        self._packets[layers] = self._packets.get(layers, 0) + 1

    def with_filters(self, hierarchy: Iterable[Protocol]) -> tuple[Protocol, ...]:
        """The same tree, with a filter in each line that one can be given."""
        if self._overflow:
            return tuple(hierarchy)
        stacks = [(tuple(layers.split(":")), packets) for layers, packets in self._packets.items()]
        tree = tuple(hierarchy)
        lines = Counter(_names(tree))
        return tuple(_filled(tree, (), stacks, frozenset(name for name, count in lines.items() if count == 1)))


_Stacks = list[tuple[tuple[str, ...], int]]


def _names(hierarchy: Iterable[Protocol]) -> Iterator[str]:
    for protocol in hierarchy:
        yield protocol.name
        yield from _names(protocol.children)


def _filled(
    hierarchy: Iterable[Protocol], above: tuple[str, ...], stacks: _Stacks, single: frozenset[str]
) -> Iterator[Protocol]:
    for protocol in hierarchy:
        path = (*above, protocol.name)
        here = [(names, packets) for names, packets in stacks if _counted(names)[: len(path)] == path]
        children = tuple(_filled(protocol.children, path, stacks, single))
        found = _filter(protocol, path, here, stacks if protocol.name in single else [])
        yield msgspec.structs.replace(protocol, children=children, filter=found)


def _counted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name != _UNCOUNTED)


def _filter(protocol: Protocol, path: tuple[str, ...], here: _Stacks, everywhere: _Stacks) -> str:
    """`everywhere`: the stacks that may have its name; none where other lines of the tree have it.

    tshark 4.4 leaves the rest of a TLS record out of a packet's layers, but not out of the tree, and `tls` finds it.
    """
    if sum(packets for _, packets in here) != protocol.packets:
        return ""
    if sum(packets for names, packets in everywhere if protocol.name in names) == protocol.packets:
        return protocol.name
    words = f":({_UNCOUNTED}:)*".join(name.replace(".", "[.]").replace("+", "[+]") for name in path)
    return f'frame.protocols matches "^{words}(:|$)"'
