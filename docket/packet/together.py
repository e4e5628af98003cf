"""Many networks or ports of one choice, looked up together instead of one after the other. Pure; for `match`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import FilterNode, Net, Not, Port, Scope
from docket.packet import conditions
from docket.packet.conditions import Condition
from docket.packet.octets import Mask, Wide

FEW = 4
"""Up to so many terms are quicker one by one."""

_REMEMBERED = 32
"""Choices of the queries that are being answered; what is forgotten is put together again."""

_PACKED = "S16"

Group: TypeAlias = tuple[Condition, Scope]
"""A condition that stands for several terms, and the layers that they are about."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The parts of a choice: groups, and the rest one by one."""

    groups: tuple[Group, ...]
    rest: tuple[FilterNode, ...]


class _Same:
    """A tuple as a key by its identity: comparing hundreds of terms for each block costs more than using them."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[FilterNode, ...]) -> None:
        self.parts = parts

    def __hash__(self) -> int:
        return id(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.parts is self.parts


def choice(parts: tuple[FilterNode, ...]) -> Choice:
    """The parts of an Or, put together once for all blocks that a query is asked of."""
    return _choice(_Same(parts))


def exclusion(parts: tuple[FilterNode, ...]) -> tuple[Choice, tuple[FilterNode, ...]] | None:
    """Of the parts of an And what its Nots exclude, as one choice, and the other parts; None if they are few."""
    return _exclusion(_Same(parts))


@lru_cache(maxsize=_REMEMBERED)
def _choice(key: _Same) -> Choice:
    return _grouped(key.parts)


@lru_cache(maxsize=_REMEMBERED)
def _exclusion(key: _Same) -> tuple[Choice, tuple[FilterNode, ...]] | None:
    excluded = [part.part for part in key.parts if isinstance(part, Not)]
    if len(excluded) < FEW:
        return None
    return _grouped(excluded), tuple(part for part in key.parts if not isinstance(part, Not))


def _grouped(parts: Sequence[FilterNode]) -> Choice:
    nets: dict[object, list[Net]] = {}
    ports: dict[object, list[Port]] = {}
    rest: list[FilterNode] = []
    for part in parts:
        match part:
            case Net(network, direction, scope):
                nets.setdefault((network.version, direction, scope), []).append(part)
            case Port(_, _, direction, scope, protocol):
                ports.setdefault((direction, scope, protocol), []).append(part)
            case _:
                rest.append(part)
    groups: list[Group] = []
    for alike in nets.values():
        _take(alike, _nets, groups, rest)
    for same in ports.values():
        _take(same, _ports, groups, rest)
    return Choice(tuple(groups), tuple(rest))


def _take(
    terms: list[Net] | list[Port], group: Callable[..., Condition], groups: list[Group], rest: list[FilterNode]
) -> None:
    if len(terms) < FEW:
        rest.extend(terms)
    else:
        groups.append((group(terms), terms[0].scope))


def _nets(nets: Sequence[Net]) -> Condition:
    """All networks of one version, as ranges that do not touch each other."""
    direction = nets[0].direction
    if isinstance(nets[0].network, IPv4Network):
        ranges = list(collapse_addresses(net.network for net in nets if isinstance(net.network, IPv4Network)))
        begins = np.array([int(one[0]) for one in ranges], dtype=np.int64)
        ends = np.array([int(one[-1]) for one in ranges], dtype=np.int64)
        return lambda layer: conditions.address4(layer, lambda values: _in_ranges(begins, ends, values), direction)
    wide = list(collapse_addresses(net.network for net in nets if isinstance(net.network, IPv6Network)))
    begins6 = np.array([one[0].packed for one in wide], dtype=_PACKED)
    ends6 = np.array([one[-1].packed for one in wide], dtype=_PACKED)
    return lambda layer: conditions.address6(
        layer, lambda high, low: _in_ranges(begins6, ends6, _packed(high, low)), direction
    )


def _in_ranges(begins: NDArray[Any], ends: NDArray[Any], values: NDArray[Any]) -> Mask:
    place = np.searchsorted(begins, values, side="right") - 1
    found: Mask = (place >= 0) & (values <= ends[place])
    return found


def _packed(high: Wide, low: Wide) -> NDArray[Any]:
    """Addresses as sixteen bytes each, which compare as the addresses do."""
    return np.stack((high, low), axis=1).astype(">u8").view(_PACKED).ravel()


def _ports(ports: Sequence[Port]) -> Condition:
    wanted = np.zeros(1 << 16, dtype=np.bool_)
    for port in ports:
        wanted[port.number : port.end + 1] = True
    direction, protocols = ports[0].direction, conditions.port_protocols(ports[0].protocol)
    return lambda layer: conditions.ports(layer, lambda values: wanted[values], direction, protocols)
