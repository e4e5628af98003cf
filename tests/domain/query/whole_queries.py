"""Random queries of the whole language over the sample traffic, each with what it means. Pure but for chance.

What stenographer does not index: not, direction, ranges, network layer, MAC addresses, lengths, tunnels, flows.
The rest is in `random_queries`.
"""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

from tests.domain.query.query_meaning import Facts
from tests.domain.query.random_queries import HOSTS, PORTS, RandomQuery, random_query
from tests.services import traffic

_DEEPEST = 3
_MACS = ("02:00:00:00:01:10", "ff:ff:ff:ff:ff:ff", "02:00:00:00:02:01")


def whole_query(chance: random.Random, depth: int = 0) -> RandomQuery:
    """Up to eight terms, in groups up to three deep; about every third part is negated."""
    if depth == _DEEPEST or chance.random() < 0.35:
        return _term(chance)
    if chance.random() < 0.3:
        part = whole_query(chance, depth + 1)
        return RandomQuery(f"not ({part.text})", lambda facts: not part.means(facts))
    one, other = (whole_query(chance, depth + 1) for _ in range(2))
    if chance.random() < 0.6:
        return RandomQuery(f"({one.text}) and ({other.text})", lambda facts: one.means(facts) and other.means(facts))
    return RandomQuery(f"({one.text}) or ({other.text})", lambda facts: one.means(facts) or other.means(facts))


def _term(chance: random.Random) -> RandomQuery:
    if chance.random() < 0.4:
        return random_query(chance, _DEEPEST)
    return chance.choice((_side, _net_side, _port_side, _range, _layer, _length, _inner, _any, _flow, _ether))(chance)


def _side(chance: random.Random) -> RandomQuery:
    host, side = ip_address(chance.choice(HOSTS)), chance.choice(("src", "dst"))
    return RandomQuery(
        f"{side} host {host}", lambda facts: host == (facts.source if side == "src" else facts.destination)
    )


def _net_side(chance: random.Random) -> RandomQuery:
    host, side = chance.choice(HOSTS), chance.choice(("src", "dst"))
    network = ip_network(f"{host}/{chance.choice((8, 16, 24))}", strict=False)

    def means(facts: Facts) -> bool:
        address = facts.source if side == "src" else facts.destination
        return address is not None and address.version == network.version and address in network

    return RandomQuery(f"{side} net {network}", means)


def _port_side(chance: random.Random) -> RandomQuery:
    number, side = chance.choice(PORTS), chance.choice((0, 1))
    word, protocol = chance.choice((("", None), ("tcp ", 6), ("udp ", 17)))

    def means(facts: Facts) -> bool:
        fitting = protocol in (None, facts.protocol)
        return facts.port_pair is not None and fitting and facts.port_pair[side] == number

    return RandomQuery(f"{word}{('src', 'dst')[side]} port {number}", means)


def _range(chance: random.Random) -> RandomQuery:
    first = chance.choice(PORTS)
    last = min(first + chance.choice((0, 1, 5, 100, 50_000)), 65_535)
    return RandomQuery(f"portrange {first}-{last}", lambda facts: any(first <= port <= last for port in facts.ports))


def _layer(chance: random.Random) -> RandomQuery:
    word = chance.choice(("ip", "ip6", "arp"))
    if word == "arp":
        return RandomQuery(word, lambda facts: facts.is_arp)
    version = 4 if word == "ip" else 6
    return RandomQuery(word, lambda facts: facts.source is not None and facts.source.version == version)


def _length(chance: random.Random) -> RandomQuery:
    number = chance.choice((42, 60, 98, 110, 200, 1000))
    if chance.random() < 0.5:
        return RandomQuery(f"less {number}", lambda facts: facts.length <= number)
    return RandomQuery(f"greater {number}", lambda facts: facts.length >= number)


def _inner(chance: random.Random) -> RandomQuery:
    host = ip_address(chance.choice((*traffic.TUNNEL_INNER_HOSTS, *traffic.TUNNEL_HOSTS)))
    return RandomQuery(f"inner host {host}", lambda facts: facts.inner is not None and host in facts.inner.addresses)


def _any(chance: random.Random) -> RandomQuery:
    host = ip_address(chance.choice((*traffic.TUNNEL_INNER_HOSTS, *traffic.TUNNEL_HOSTS, *HOSTS)))

    def means(facts: Facts) -> bool:
        return host in facts.addresses or (facts.inner is not None and host in facts.inner.addresses)

    return RandomQuery(f"any host {host}", means)


def _flow(chance: random.Random) -> RandomQuery:
    ends = [ip_address(host) for host in chance.sample([host for host in HOSTS if ":" not in host], 2)]
    return RandomQuery(
        f"flow {ends[0]} - {ends[1]}",
        lambda facts: (facts.source, facts.destination) in (tuple(ends), tuple(ends[::-1])),
    )


def _ether(chance: random.Random) -> RandomQuery:
    mac = chance.choice(_MACS)
    wanted, side = bytes.fromhex(mac.replace(":", "")), chance.choice(("host", "src", "dst"))

    def means(facts: Facts) -> bool:
        found = {"host": facts.macs, "src": facts.macs[:1], "dst": facts.macs[1:]}[side]
        return wanted in found

    return RandomQuery(f"ether {side} {mac}", means)
