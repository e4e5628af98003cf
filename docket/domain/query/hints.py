"""Why a query can match nothing, or less than was meant: for people, while they type. Pure; anybody may import it.

A hint is no fault: the query is asked as it stands. Only the outermost headers are reasoned about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from docket.domain.query.canonical import Query
from docket.domain.query.terms import SCTP, TCP, UDP, And, Net, NetworkLayer, Node, Not, Or, Port, Protocol
from docket.domain.query.value_readers import WORD_OF_PROTOCOL
from docket.domain.query.writing import protocol_text, text_of

MOST_HINTS = 5
_MOST_LOOKED_AT = 60
"""Parts of one group; hints are for queries that a person writes."""


def hints(query: Query) -> tuple[str, ...]:
    """Sentences, each about a part of the query that no packet can match."""
    found: dict[str, None] = {}
    if query.root is not None:
        _look(query.root, found)
    return tuple(found)[:MOST_HINTS]


def _look(node: Node, found: dict[str, None]) -> None:
    match node:
        case And(parts):
            for check in _CHECKS:
                found.update(dict.fromkeys(check(parts[:_MOST_LOOKED_AT])))
            for part in parts:
                _look(part, found)
        case Or(parts):
            for part in parts:
                _look(part, found)
        case _:
            return


def _contradictions(parts: Sequence[Node]) -> Iterable[str]:
    wanted = set(parts)
    for part in parts:
        if isinstance(part, Not) and part.part in wanted:
            text = text_of(part.part)
            yield f"nothing can match: {text} and not {text} never hold together"


def _protocols(parts: Sequence[Node]) -> Iterable[str]:
    plain = [part for part in parts if isinstance(part, Protocol) and part.scope == "outer"]
    for one, other in combinations(plain, 2):
        first, second = protocol_text(one.number), protocol_text(other.number)
        yield f"nothing can match: a packet has one protocol; did you mean {first} or {second}?"
    ports = [part for part in parts if isinstance(part, Port) and part.scope == "outer"]
    for protocol in plain:
        for port in ports:
            fitting = (TCP, UDP) if port.protocol is None else (port.protocol,)
            if protocol.number == SCTP and port.protocol is None:
                yield f"nothing can match: port means TCP and UDP; did you mean sctp {text_of(port)}?"
            elif protocol.number not in fitting:
                word = WORD_OF_PROTOCOL.get(protocol.number, f"protocol {protocol.number}")
                yield f"nothing can match: a packet of {word} has no port that {text_of(port)} is about"


def _addresses(parts: Sequence[Node]) -> Iterable[str]:
    nets = [part for part in parts if isinstance(part, Net) and part.scope == "outer"]
    hosts = [net for net in nets if net.is_host]
    if len({net.network for net in hosts}) > 2:
        yield "nothing can match: a packet has two addresses, and more hosts than that must hold; did you mean or?"
    for side in ("src", "dst"):
        chosen = [net for net in nets if net.direction == side]
        if any(not _overlap(one, other) for one, other in combinations(chosen, 2)):
            yield f"nothing can match: a packet has one {side} address; did you mean or?"
    if len({net.network.version for net in nets}) > 1:
        yield "nothing can match: a packet's addresses are of one version of IP; did you mean or?"
    yield from _layers(parts, nets)


def _layers(parts: Sequence[Node], nets: Sequence[Net]) -> Iterable[str]:
    words = {part.word for part in parts if isinstance(part, NetworkLayer) and part.scope == "outer"}
    if len(words) > 1:
        yield f"nothing can match: a packet is one of {' and '.join(sorted(words))}; did you mean or?"
    versions = {f"ip{'' if net.network.version == 4 else 6}" for net in nets}
    if words and versions and not words & versions:
        yield f"nothing can match: {' and '.join(sorted(words))} has no such address"
    with_ports = any(isinstance(part, Port | Protocol) and part.scope == "outer" for part in parts)
    if "arp" in words and with_ports:
        yield "nothing can match: ARP has neither ports nor a protocol of IP"


def _ports(parts: Sequence[Node]) -> Iterable[str]:
    plain = [part for part in parts if isinstance(part, Port) and part.scope == "outer"]
    if len({port.number for port in plain if port.last is None}) > 2:
        yield "nothing can match: a packet has two ports, and more than that must hold; did you mean or?"
    for side in ("src", "dst"):
        chosen = [port for port in plain if port.direction == side]
        if any(one.end < other.number or other.end < one.number for one, other in combinations(chosen, 2)):
            yield f"nothing can match: a packet has one {side} port; did you mean or?"


def _overlap(one: Net, other: Net) -> bool:
    first, second = one.network, other.network
    if first.version != second.version:
        return False
    narrow, wide = sorted((first, second), key=lambda network: -network.prefixlen)
    return narrow.network_address in wide


_CHECKS: tuple[Callable[[Sequence[Node]], Iterable[str]], ...] = (_contradictions, _protocols, _addresses, _ports)
