"""Many hosts or ports of one choice, looked up together instead of one after the other. Pure; for `match`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from typing import TypeAlias

import numpy as np

from docket.domain.query.terms import FilterNode, Net, Port, Scope
from docket.packet import conditions
from docket.packet.conditions import Condition
from docket.packet.octets import Integers, Mask

FEW = 4
"""Up to so many terms are quicker one by one."""

Group: TypeAlias = tuple[Condition, Scope]
"""A condition that stands for several terms, and the layers that they are about."""


def grouped(parts: Sequence[FilterNode]) -> tuple[list[Group], list[FilterNode]]:
    """The groups among the parts of a choice, and the parts that are in none."""
    hosts: dict[object, list[Net]] = {}
    ports: dict[object, list[Port]] = {}
    rest: list[FilterNode] = []
    for part in parts:
        match part:
            case Net(IPv4Network(), direction, scope) if part.is_host:
                hosts.setdefault((direction, scope), []).append(part)
            case Port(_, _, direction, scope, protocol):
                ports.setdefault((direction, scope, protocol), []).append(part)
            case _:
                rest.append(part)
    groups: list[Group] = []
    for alike in hosts.values():
        _take(alike, _hosts, groups, rest)
    for same in ports.values():
        _take(same, _ports, groups, rest)
    return groups, rest


def _take(
    terms: list[Net] | list[Port], group: Callable[..., Condition], groups: list[Group], rest: list[FilterNode]
) -> None:
    if len(terms) < FEW:
        rest.extend(terms)
    else:
        groups.append((group(terms), terms[0].scope))


def _hosts(nets: Sequence[Net]) -> Condition:
    wanted = np.array(sorted(int(net.network.network_address) for net in nets), dtype=np.int64)
    direction = nets[0].direction
    return lambda layer: conditions.address4(layer, _member(wanted), direction)


def _member(wanted: Integers) -> Callable[[Integers], Mask]:
    def holds(values: Integers) -> Mask:
        place = np.searchsorted(wanted, values)
        place[place == wanted.size] = 0
        found: Mask = wanted[place] == values
        return found

    return holds


def _ports(ports: Sequence[Port]) -> Condition:
    wanted = np.zeros(1 << 16, dtype=np.bool_)
    for port in ports:
        wanted[port.number : port.end + 1] = True
    direction, protocols = ports[0].direction, conditions.port_protocols(ports[0].protocol)
    return lambda layer: conditions.ports(layer, lambda values: wanted[values], direction, protocols)
