"""A query in other words: stenographer's text, libpcap's filter, a sentence for people. Pure; anybody may import it.

What a term means is said for analysts in `docs/query.md`. stenographer is asked what its indexes can tell, which may be
more than the query says (`planning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from docket.domain.query import bpf
from docket.domain.query.canonical import Query
from docket.domain.query.planning import for_stenographer
from docket.domain.query.terms import (
    And,
    EtherHost,
    Flow,
    Length,
    Mpls,
    Net,
    NetworkLayer,
    Node,
    Not,
    Or,
    Port,
    Protocol,
    Vlan,
)
from docket.domain.query.value_readers import mac_text
from docket.domain.query.writing import end_text, protocol_text
from docket.domain.timewindow import format_us

_MOST_SHOWN = 6
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


_LAYERS = {"ip": "of IPv4", "ip6": "of IPv6", "arp": "of ARP"}
_SCOPES = {"outer": "", "inner": " inside a tunnel", "any": " outside or inside a tunnel"}
_SIDES = {None: "from or to", "src": "from", "dst": "to"}
_PORT_SIDES = {None: "port", "src": "source port", "dst": "destination port"}


def to_stenographer(query: Query, after_us: int, before_us: int) -> str:
    """What stenographer is asked for a query. Times are microseconds since 1970 UTC, years 1 to 9999.

    The time stands first, because stenographer looks from left to right and stops where nothing is left. Each
    group has its parentheses, because it gives `and` and `or` the same weight.
    """
    times = f"after {format_us(after_us)} and before {format_us(before_us)}"
    root = for_stenographer(query).asked.root
    return times if root is None else f"{times} and {_steno(root)}"


def _steno(node: Node) -> str:
    match node:
        case And(parts):
            return f"({' and '.join(map(_steno, parts))})"
        case Or(parts):
            return f"({' or '.join(map(_steno, parts))})"
        case Protocol(number):
            # One form for all: stenographer has words for some protocols only, and none for ICMPv6.
            return f"ip proto {number}"
        case Net(network):
            return f"host {network.network_address}" if node.is_host else f"net {network}"
        case Port(number):
            return f"port {number}"
        case Vlan(number):
            return f"vlan {number}"
        case Mpls(label):
            return f"mpls {label}"
        case _:
            raise ValueError(f"stenographer cannot be asked for {node}")


def to_bpf(query: Query) -> str | None:
    """The query as a filter for tcpdump and libpcap, for captures of Ethernet frames; empty for every packet.

    It looks behind up to two VLAN tags, two MPLS labels and two IPv6 extension headers. It grows with the
    number of terms and may be longer than one argument of a command can be (128 KiB on Linux). None for a query
    that says more than stenographer's indexes know: `docket.packet.match` decides that.
    """
    return bpf.to_bpf(query.root) if bpf.can_say(query.root) else None


def explain(query: Query) -> str:
    """The query as one sentence for people. Long lists are cut short and counted."""
    root = query.root
    if root is None:
        return "Every packet, also those that are not IP."
    excluded = [part.part for part in _parts_of(root) if isinstance(part, Not)]
    if len(excluded) == len(_parts_of(root)):
        return f"Every packet but those {_excluded(excluded)}."
    return f"Packets {_phrase(root)}."


def _parts_of(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, And) else (node,)


def _phrase(node: Node) -> str:
    """What packets are like; reads on behind the word packets."""
    if isinstance(node, And):
        excluded = [part.part for part in node.parts if isinstance(part, Not)]
        wanted = [part for part in node.parts if not isinstance(part, Not)]
        phrase = _listed([phrase for run in _runs(wanted) for phrase in _all_of(run)], "and", "{} more conditions")
        if not excluded:
            return phrase
        without = f"not {_excluded(excluded)}"
        return f"{phrase}, but {without}" if phrase else without
    if isinstance(node, Or):
        choices = [_one_of(run) for run in _runs(node.parts)]
        return choices[0] if len(choices) == 1 else "either " + _listed(choices, "or", "one of {} more")
    return _one_of([node])


def _excluded(nodes: Sequence[Node]) -> str:
    """Phrases of which none may hold."""
    return _listed([_one_of(run) for run in _runs(nodes)], "or", "one of {} more")


def _runs(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """The parts of a group, terms of a kind together: in canonical order they stand side by side."""
    for kind, run in groupby(nodes, key=_kind):
        if kind[0] in (And, Or, Not, Flow, Length):
            yield from ([part] for part in run)
        else:
            yield list(run)


def _kind(node: Node) -> tuple[object, ...]:
    """What the terms of one phrase have in common."""
    return (
        type(node),
        getattr(node, "direction", None),
        getattr(node, "scope", None),
        node.protocol if isinstance(node, Port) else None,
    )


def _all_of(run: Sequence[Node]) -> list[str]:
    """A phrase for each part of a run, all of which must hold."""
    ends = [
        str(node.network.network_address)
        for node in run
        if isinstance(node, Net) and node.is_host and node.direction is None and node.scope == "outer"
    ]
    if len(ends) == len(run) == 2:
        return [f"between {ends[0]} and {ends[1]}"]
    return [_one_of([node]) for node in run]


def _one_of(run: Sequence[Node]) -> str:
    """A phrase for a run of terms of one kind, or for one group, of which one must hold."""
    first = run[0]
    values = _listed([_value(node) for node in run], "or", "one of {} more")
    match first:
        case And() | Or():
            return values
        case Not(part):
            return f"not {_one_of([part])}"
        case Length(least, most):
            return f"of at least {least} bytes" if most is None else f"of at most {most} bytes"
        case _:
            return _about(first, values) + _SCOPES[first.scope]


def _about(term: Node, values: str) -> str:
    """What a term says of the values."""
    match term:
        case Net(_, direction) | EtherHost(_, direction):
            return f"{_SIDES[direction]} {values}"
        case Protocol():
            return f"of protocol {values}"
        case Port(_, _, direction, _, protocol):
            kind = "TCP or UDP" if protocol is None else _NAMES[protocol]
            return f"with {kind} {_PORT_SIDES[direction]} {values}"
        case Vlan():
            return f"tagged with VLAN {values}"
        case Mpls():
            return f"with MPLS label {values}"
        case Flow(_, _, _, _, protocol):
            kind = "" if protocol is None else f"{_NAMES.get(protocol, protocol_text(protocol))} "
            return f"of the {kind}conversation between {values}"
        case _:
            return values


def _value(node: Node) -> str:
    match node:
        case Net(network):
            return str(network.network_address) if node.is_host else f"an address in {network}"
        case Protocol(number):
            return _NAMES.get(number, str(number))
        case Port(number):
            return str(number) if node.last is None else f"from {number} to {node.last}"
        case Vlan(number):
            return str(number)
        case Mpls(label):
            return str(label)
        case NetworkLayer(word):
            return _LAYERS[word]
        case EtherHost(address):
            return f"the MAC address {mac_text(address)}"
        case Flow(one, one_port, other, other_port):
            return f"{end_text(one, one_port)} and {end_text(other, other_port)}"
        case Length() | Not():
            return ""
        case And() | Or():
            return f"({_phrase(node)})"


def _listed(parts: Sequence[str], word: str, more: str) -> str:
    """The parts with a word between them; of many only the first ones, and how many there are more."""
    if len(parts) > _MOST_SHOWN:
        shown = _MOST_SHOWN // 2
        parts = [*parts[:shown], more.format(len(parts) - shown)]
    return f" {word} ".join(parts)
