"""The canonical text of a tree, and the order of its parts. Pure; for this package.

A value is written in one way only. Old texts stay what they are: they are in ledgers and manifests.
"""

from __future__ import annotations

from typing import TypeAlias

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
    Term,
    Vlan,
)
from docket.domain.query.value_readers import WORD_OF_PROTOCOL, mac_text

Order: TypeAlias = tuple[int, int, tuple[int, int, int], str]


def order(node: Node) -> Order:
    """Terms by kind and value, then those that are negated in the same order, then groups by their text."""
    match node:
        case And() | Or():
            return (2, 0, (0, 0, 0), text_of(node))
        case Not(part):
            return (1, *order(part)[1:])
        case _:
            rank, value = _rank(node)
            return (0, rank, value, text_of(node))


def _rank(term: Term) -> tuple[int, tuple[int, int, int]]:
    """Hosts, networks, the network layer, protocols, ports, VLANs, labels, flows, MAC addresses, lengths."""
    match term:
        case Net(network):
            value = (network.version, int(network.network_address), network.prefixlen)
            return (0 if term.is_host else 1), value
        case NetworkLayer():
            return 2, (0, 0, 0)
        case Protocol(number):
            return 3, (number, 0, 0)
        case Port(number):
            return 4, (number, term.end, term.protocol or 0)
        case Vlan(number):
            return 5, (number, 0, 0)
        case Mpls(label):
            return 6, (label, 0, 0)
        case Flow(one, _, other):
            return 7, (one.version, int(one), int(other))
        case EtherHost(address):
            return 8, (address, 0, 0)
        case Length(least, most):
            return 9, (least, -1 if most is None else most, 0)


def text_of(node: Node) -> str:
    """The text; `parse` gives the same tree for it."""
    match node:
        case And(parts):
            return " and ".join(map(_operand, parts))
        case Or(parts):
            return " or ".join(map(_operand, parts))
        case Not(part):
            return f"not {_operand(part)}"
        case Length():
            return _length(node)
        case _:
            scope = "" if node.scope == "outer" else f"{node.scope} "
            return scope + _term(node)


def _operand(node: Node) -> str:
    """A part of a group. A group inside of a group has parentheses, so that the rule need not be known."""
    return f"({text_of(node)})" if isinstance(node, And | Or) else text_of(node)


def _term(term: Term) -> str:
    match term:
        case Net(network, direction):
            return _side(direction) + (f"host {network.network_address}" if term.is_host else f"net {network}")
        case Protocol(number):
            return protocol_text(number)
        case Port():
            return _port(term)
        case Vlan(number):
            return f"vlan {number}"
        case Mpls(label):
            return f"mpls {label}"
        case NetworkLayer(word):
            return word
        case EtherHost(address, direction):
            return f"ether {direction or 'host'} {mac_text(address)}"
        case Flow():
            return _flow(term)
        case Length():
            return _length(term)


def protocol_text(number: int) -> str:
    return WORD_OF_PROTOCOL.get(number, f"ip proto {number}")


def _side(direction: str | None) -> str:
    return f"{direction} " if direction else ""


def _port(port: Port) -> str:
    protocol = "" if port.protocol is None else f"{WORD_OF_PROTOCOL[port.protocol]} "
    value = f"port {port.number}" if port.last is None else f"portrange {port.number}-{port.last}"
    return protocol + _side(port.direction) + value


def _flow(flow: Flow) -> str:
    protocol = "" if flow.protocol is None else f"{protocol_text(flow.protocol).removeprefix('ip ')} "
    return f"flow {protocol}{end_text(flow.one, flow.one_port)} - {end_text(flow.other, flow.other_port)}"


def end_text(address: object, port: int | None) -> str:
    """An address, with its port if there is one."""
    text = str(address)
    if port is None:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _length(length: Length) -> str:
    if length.most is None:
        return f"greater {length.least}"
    if not length.least:
        return f"less {length.most}"
    return f"greater {length.least} and less {length.most}"
