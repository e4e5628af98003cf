"""A query in other words: stenographer's text, libpcap's filter, a sentence for people. Pure; anybody may import it.

All three mean the same. What they mean is what stenographer indexes: `docs/query.md` says it for analysts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from docket.domain.query import bpf
from docket.domain.query.canonical import Query
from docket.domain.query.terms import And, Mpls, Net, Node, Or, Port, Protocol, Vlan
from docket.domain.timewindow import format_us

_MOST_TOLD = 6
"""Parts of one group that a sentence names; of a list of hundreds it gives the number."""

_NAMES = {
    1: "ICMP",
    2: "IGMP",
    6: "TCP",
    17: "UDP",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    89: "OSPF",
    132: "SCTP",
}


def to_stenographer(query: Query, after_us: int, before_us: int) -> str:
    """The query as stenographer takes it. Times are microseconds since 1970 UTC, years 1 to 9999.

    The time stands first, because stenographer looks from left to right and stops where nothing is left. Each
    group has its parentheses, because it gives `and` and `or` the same weight.
    """
    times = f"after {format_us(after_us)} and before {format_us(before_us)}"
    return times if query.root is None else f"{times} and {_steno(query.root)}"


def _steno(node: Node) -> str:
    match node:
        case And(parts):
            return f"({' and '.join(map(_steno, parts))})"
        case Or(parts):
            return f"({' or '.join(map(_steno, parts))})"
        case Protocol(number):
            # One form for all: stenographer has words for some protocols only, and none for ICMPv6.
            return f"ip proto {number}"
        case Net(network) if node.is_host:
            return f"host {network.network_address}"
        case Net(network):
            return f"net {network}"
        case Port(number):
            return f"port {number}"
        case Vlan(number):
            return f"vlan {number}"
        case Mpls(label):
            return f"mpls {label}"


def to_bpf(query: Query) -> str:
    """The query as a filter for tcpdump and libpcap, for captures of Ethernet frames; empty for every packet.

    It looks behind up to two VLAN tags, two MPLS labels and two IPv6 extension headers. It grows with the
    number of terms and may be longer than one argument of a command can be (128 KiB on Linux).
    """
    return bpf.to_bpf(query.root)


def explain(query: Query) -> str:
    """The query as one sentence for people. Long lists are cut short and counted."""
    if query.root is None:
        return "Every packet, also those that are not IP."
    return f"Packets {_phrase(query.root)}."


def _phrase(node: Node) -> str:
    """What packets are like; reads on behind the word packets."""
    if isinstance(node, And):
        return _listed([phrase for run in _runs(node) for phrase in _all_of(run)], "and", "{} more conditions")
    if isinstance(node, Or):
        choices = [_one_of(run) for run in _runs(node)]
        return choices[0] if len(choices) == 1 else "either " + _listed(choices, "or", "one of {} more")
    return _one_of([node])


def _runs(group: And | Or) -> Iterator[list[Node]]:
    """The parts of a group, terms of a kind together: in canonical order they stand side by side."""
    for kind, run in groupby(group.parts, key=type):
        if kind in (And, Or):
            yield from ([part] for part in run)
        else:
            yield list(run)


def _all_of(run: Sequence[Node]) -> list[str]:
    """A phrase for each part of a run, all of which must hold."""
    ends = [str(node.network.network_address) for node in run if isinstance(node, Net) and node.is_host]
    if len(ends) == len(run) == 2:
        return [f"between {ends[0]} and {ends[1]}"]
    return [_one_of([node]) for node in run]


def _one_of(run: Sequence[Node]) -> str:
    """A phrase for a run of terms of one kind, or for one group, of which one must hold."""
    values = _listed([_value(node) for node in run], "or", "one of {} more")
    match run[0]:
        case Net():
            return f"from or to {values}"
        case Protocol():
            return f"of protocol {values}"
        case Port():
            return f"with TCP or UDP port {values}"
        case Vlan():
            return f"tagged with VLAN {values}"
        case Mpls():
            return f"with MPLS label {values}"
        case And() | Or():
            return values


def _value(node: Node) -> str:
    match node:
        case Net(network):
            return str(network.network_address) if node.is_host else f"an address in {network}"
        case Protocol(number):
            return _NAMES.get(number, str(number))
        case Port(number) | Vlan(number):
            return str(number)
        case Mpls(label):
            return str(label)
        case And() | Or():
            return f"({_phrase(node)})"


def _listed(parts: Sequence[str], word: str, more: str) -> str:
    """The parts with a word between them; of many only the first ones, and how many there are more."""
    if len(parts) > _MOST_TOLD:
        told = _MOST_TOLD // 2
        parts = [*parts[:told], more.format(len(parts) - told)]
    return f" {word} ".join(parts)
