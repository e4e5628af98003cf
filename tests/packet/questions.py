"""Random queries of the whole language: as text, as a filter for tcpdump where it can say the same, and their meaning.

What a term means is decided here, on the levels that the maker of a packet noted, and not by Docket. Pure but for
chance; for the tests of `docket.packet`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Literal, TypeAlias, TypeVar

from docket.domain.query.terms import (
    And,
    Direction,
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
    Scope,
    Vlan,
)
from tests.packet.levels import Address, Level, Packet
from tests.packet.made import HOSTS4, HOSTS6, LABELS, MACS, PORTS, VLANS

SCOPES: tuple[Scope, ...] = ("outer", "outer", "outer", "inner", "any")
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58, "sctp": 132, "ip proto 47": 47, "proto 4": 4, "proto 44": 44}
_DEEPEST = 3

T = TypeVar("T")
ScopedTerm: TypeAlias = Net | Protocol | Port | Vlan | Mpls | NetworkLayer | EtherHost | Flow


@dataclass(frozen=True, slots=True)
class Question:
    """As somebody may write it, and which packets it asks for."""

    text: str
    node: Node
    means: Callable[[Packet], bool]
    tcpdump: str | None
    """Right for packets without tags, labels and extension headers; None where tcpdump cannot say it."""


def random_question(chance: random.Random, depth: int = 0) -> Question:
    """Up to eight terms, in groups up to three deep."""
    if depth == _DEEPEST or chance.random() < 0.35:
        return chance.choice(_TERMS)(chance)
    pick = chance.random()
    if pick < 0.2:
        return _not(random_question(chance, depth + 1))
    parts = [random_question(chance, depth + 1) for _ in range(2)]
    return _joined(parts, "and", all) if pick < 0.6 else _joined(parts, "or", any)


def _not(part: Question) -> Question:
    tcpdump = None if part.tcpdump is None else f"not ({part.tcpdump})"
    return Question(f"not ({part.text})", Not(part.node), lambda packet: not part.means(packet), tcpdump)


def _joined(parts: Sequence[Question], word: str, decide: Callable[[list[bool]], bool]) -> Question:
    filters = [part.tcpdump for part in parts]
    return Question(
        f" {word} ".join(f"({part.text})" for part in parts),
        (And if word == "and" else Or)(tuple(part.node for part in parts)),
        lambda packet: decide([part.means(packet) for part in parts]),
        None if None in filters else f" {word} ".join(f"({text})" for text in filters),
    )


def _of_level(
    chance: random.Random, text: str, node: ScopedTerm, holds: Callable[[Level], bool], tcpdump: str | None
) -> Question:
    """A term that is asked of the outermost level, of an inner one, or of any."""
    word = chance.choice(SCOPES)

    def means(packet: Packet) -> bool:
        if word == "outer":
            return holds(packet.outer)
        # The header of a pseudowire is the outermost one, and inside of a tunnel.
        first = word == "any" or packet.outer.pseudowire
        return any(holds(level) for level in packet.levels[0 if first else 1 :])

    plain = word == "outer"
    return Question(text if plain else f"{word} {text}", replace(node, scope=word), means, tcpdump if plain else None)


def _side(chance: random.Random) -> tuple[Direction, str]:
    """The direction, and the words for it."""
    side: Direction = chance.choice((None, None, "src", "dst"))
    return side, f"{side} " if side else ""


def _picked(side: Direction, pair: Sequence[T | None]) -> list[T]:
    chosen = pair[:1] if side == "src" else pair[1:] if side == "dst" else pair
    return [one for one in chosen if one is not None]


def _host(chance: random.Random) -> Question:
    address, (side, words) = ip_address(chance.choice(HOSTS4 + HOSTS6)), _side(chance)
    text = f"{words}host {address}"
    return _of_level(
        chance,
        text,
        Net(ip_network(address), side),
        lambda level: address in _picked(side, (level.source, level.destination)),
        f"{_family(address)} {text}",
    )


def _net(chance: random.Random) -> Question:
    address, (side, words) = ip_address(chance.choice(HOSTS4 + HOSTS6)), _side(chance)
    length = chance.choice((0, 1, 8, 24, 31) if address.version == 4 else (0, 3, 32, 48, 64, 65, 127))
    network = ip_network(f"{address}/{length}", strict=False)

    def holds(level: Level) -> bool:
        found = _picked(side, (level.source, level.destination))
        return any(one.version == network.version and one in network for one in found)

    text = f"{words}net {network}"
    # libpcap cannot write a filter for a network of all addresses of IPv6.
    return _of_level(chance, text, Net(network, side), holds, f"{_family(address)} {text}" if length else None)


def _family(address: Address) -> str:
    return "ip" if address.version == 4 else "ip6"


def _port(chance: random.Random) -> Question:
    number, (side, words) = chance.choice(PORTS), _side(chance)
    text = f"{words}port {number}"
    return _ports(chance, text, Port(number, None, side), f"(tcp {text} or udp {text})")


def _range(chance: random.Random) -> Question:
    first, last = sorted(chance.sample(PORTS, 2))
    side, words = _side(chance)
    text = f"{words}portrange {first}-{last}"
    return _ports(chance, text, Port(first, last, side), f"(tcp {text} or udp {text})")


def _port_of(chance: random.Random) -> Question:
    number, (word, protocol) = chance.choice(PORTS), chance.choice((("tcp", 6), ("udp", 17), ("sctp", 132)))
    text = f"{word} port {number}"
    return _ports(chance, text, Port(number, protocol=protocol), text)


def _ports(chance: random.Random, text: str, node: Port, tcpdump: str) -> Question:
    protocols = (6, 17) if node.protocol is None else (node.protocol,)

    def holds(level: Level) -> bool:
        found = _picked(node.direction, level.ports or ())
        return level.protocol in protocols and any(node.number <= port <= node.end for port in found)

    return _of_level(chance, text, node, holds, tcpdump)


def _protocol(chance: random.Random) -> Question:
    text, number = chance.choice(list(PROTOCOLS.items()))
    tcpdump = f"(ip proto {number} or ip6 proto {number})"
    return _of_level(chance, text, Protocol(number), lambda level: level.protocol == number, tcpdump)


def _network_layer(chance: random.Random) -> Question:
    word: Literal["ip", "ip6", "arp"] = chance.choice(("ip", "ip6", "arp"))

    def holds(level: Level) -> bool:
        if word == "arp":
            return level.is_arp
        return level.source is not None and _family(level.source) == word

    return _of_level(chance, word, NetworkLayer(word), holds, word)


def _vlan(chance: random.Random) -> Question:
    number = chance.choice(VLANS)
    return _of_level(chance, f"vlan {number}", Vlan(number), lambda level: number in level.vlans, None)


def _mpls(chance: random.Random) -> Question:
    label = chance.choice(LABELS)
    return _of_level(chance, f"mpls {label}", Mpls(label), lambda level: label in level.labels, None)


def _ether(chance: random.Random) -> Question:
    mac, (side, _) = chance.choice(MACS), _side(chance)
    text = f"ether {side or 'host'} {mac}"
    node = EtherHost(int(mac.replace(":", ""), 16), side)
    return _of_level(chance, text, node, lambda level: mac in _picked(side, level.macs or ()), text)


def _length(chance: random.Random) -> Question:
    number = chance.choice((0, 40, 60, 80, 120, 200, 1000))
    if chance.random() < 0.5:
        return Question(f"less {number}", Length(0, number), lambda one: len(one.data) <= number, f"less {number}")
    return Question(f"greater {number}", Length(number), lambda one: len(one.data) >= number, f"greater {number}")


def _flow(chance: random.Random) -> Question:
    hosts = [ip_address(host) for host in chance.choice((HOSTS4, HOSTS6))]
    one, other = (chance.choice(hosts), chance.choice(PORTS)), (chance.choice(hosts), chance.choice(PORTS))
    protocol = chance.choice((None, 6, 17))
    ends = [f"{host}:{port}" if host.version == 4 else f"[{host}]:{port}" for host, port in (one, other)]

    def holds(level: Level) -> bool:
        if level.ports is None or protocol not in (None, level.protocol):
            return False
        found = [(level.source, level.ports[0]), (level.destination, level.ports[1])]
        return found in ([one, other], [other, one])

    word = "" if protocol is None else {6: "tcp ", 17: "udp "}[protocol]
    return _of_level(chance, f"flow {word}{ends[0]} - {ends[1]}", Flow(*one, *other, protocol), holds, None)


_TERMS: tuple[Callable[[random.Random], Question], ...] = (
    _host,
    _host,
    _host,
    _net,
    _net,
    _port,
    _port,
    _range,
    _port_of,
    _protocol,
    _network_layer,
    _vlan,
    _mpls,
    _ether,
    _length,
    _flow,
)


def some_and_none(some: Sequence[Question], none: Sequence[Question]) -> Node:
    """One of the first holds, and none of the second."""
    choice = Or(tuple(part.node for part in some))
    return And((choice, *(Not(part.node) for part in none)))


def widened(node: Node) -> Node:
    """The same asked of all levels."""
    match node:
        case And(parts) | Or(parts):
            return type(node)(tuple(widened(part) for part in parts))
        case Not(part):
            return Not(widened(part))
        case Length():
            return node
        case _:
            return replace(node, scope="any")
