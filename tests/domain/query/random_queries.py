"""Random queries over the sample traffic, each with what it means, decided here and not by Docket. Pure but for chance.

A packet's facts come from `query_meaning`; what a term says of them, and how terms are joined, is written here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tests.domain.query.query_meaning import Facts
from tests.services import traffic

Meaning = Callable[[Facts], bool]

HOSTS = (
    traffic.ALICE,
    traffic.BOB,
    traffic.WEB,
    traffic.DNS,
    traffic.GATEWAY,
    traffic.ALICE6,
    traffic.WEB6,
    traffic.DNS6,
    *traffic.VLAN_HOSTS,
    *traffic.INNER_VLAN_HOSTS,
    *traffic.MPLS_HOSTS,
    *traffic.FRAGMENT_HOSTS,
    *traffic.FRAGMENT_HOSTS6,
    *traffic.TUNNEL_HOSTS,
    *traffic.TUNNEL_INNER_HOSTS,
    "255.255.255.255",
    "192.0.2.1",
)
PORTS = (22, 53, 67, 68, 80, 123, 443, 4789, 5060, 7777, 40001, 40003, 50001, 50003, 9)
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58, "proto gre": 47, "ip proto 132": 132, "proto 2": 2}
DEEPEST = 3


class RandomQuery(NamedTuple):
    """As somebody may write it, and which packets it asks for."""

    text: str
    means: Meaning


def random_query(chance: random.Random, depth: int = 0) -> RandomQuery:
    """Up to eight terms, in groups up to three deep. Now and then nothing: every packet."""
    if depth == 0 and chance.random() < 0.03:
        return RandomQuery("", lambda _: True)
    if depth == DEEPEST or chance.random() < 0.4:
        return chance.choice((_host, _host, _net, _port, _port, _protocol, _tag))(chance)
    parts = [random_query(chance, depth + 1) for _ in range(2)]
    if chance.random() < 0.5:
        return RandomQuery(f"{_grouped(parts[0])} and {_grouped(parts[1])}", _all([part.means for part in parts]))
    return RandomQuery(f"{_grouped(parts[0])} or {_grouped(parts[1])}", _any([part.means for part in parts]))


def _grouped(query: RandomQuery) -> str:
    return f"({query.text})" if " and " in query.text or " or " in query.text else query.text


def _all(meanings: Sequence[Meaning]) -> Meaning:
    return lambda facts: all(means(facts) for means in meanings)


def _any(meanings: Sequence[Meaning]) -> Meaning:
    return lambda facts: any(means(facts) for means in meanings)


def _host(chance: random.Random) -> RandomQuery:
    text = chance.choice(HOSTS)
    host = ip_address(text)
    return RandomQuery(f"host {text.upper() if chance.random() < 0.3 else text}", lambda facts: host in facts.addresses)


def _net(chance: random.Random) -> RandomQuery:
    text = chance.choice(HOSTS)
    most = 128 if ":" in text else 32
    network = ip_network(f"{text}/{chance.randrange(1, most + 1)}", strict=False)
    written = f"{network.network_address} mask {network.netmask}" if most == 32 else str(network)
    return RandomQuery(f"net {written}", lambda facts: any(one in network for one in facts.addresses))


def _port(chance: random.Random) -> RandomQuery:
    number = chance.choice(PORTS)
    return RandomQuery(f"port {number}", lambda facts: number in facts.ports)


def _protocol(chance: random.Random) -> RandomQuery:
    word, number = chance.choice(list(PROTOCOLS.items()))
    return RandomQuery(word, lambda facts: facts.protocol == number)


def _tag(chance: random.Random) -> RandomQuery:
    if chance.random() < 0.5:
        vlan = chance.choice((traffic.VLAN, traffic.SERVICE_VLAN, traffic.INNER_VLAN, 1))
        return RandomQuery(f"vlan {vlan}", lambda facts: vlan in facts.vlans)
    label = chance.choice((traffic.MPLS_LABEL, 78))
    return RandomQuery(f"mpls {label}", lambda facts: label in facts.labels)
