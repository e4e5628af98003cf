"""What a refinement may ask for, at random: as the product takes it. Pure but for chance."""

from __future__ import annotations

import random
from typing import Any

from tests.packet.made import HOSTS4, HOSTS6, LABELS, MACS, PORTS, VLANS
from tests.packet.questions import random_question


def packet_filter(chance: random.Random, depth: int = 0) -> str:
    """In tcpdump's words, with those that move the offsets of what follows them."""
    if depth == 2 or chance.random() < 0.5:
        return _packet_term(chance)
    parts = [packet_filter(chance, depth + 1) for _ in range(chance.choice((1, 2, 2)))]
    if len(parts) == 1:
        return f"not ({parts[0]})"
    return f" {chance.choice(('and', 'or'))} ".join(f"({part})" for part in parts)


def _packet_term(chance: random.Random) -> str:
    host, port = chance.choice(HOSTS4 + HOSTS6), chance.choice(PORTS)
    return chance.choice(
        (
            f"{chance.choice(('', 'src ', 'dst '))}host {host}",
            f"{chance.choice(('', 'src ', 'dst '))}port {port}",
            f"portrange {min(port, 500)}-{max(port, 500)}",
            f"net {chance.choice(('10.0.0.0/8', '192.0.2.0/24', '2001:db8::/32'))}",
            f"vlan {chance.choice(VLANS)}",
            "vlan",
            f"vlan and port {port}",
            f"port {port} or vlan {chance.choice(VLANS)}",
            f"mpls {chance.choice(LABELS)}",
            "mpls and host 10.1.2.3",
            f"ether {chance.choice(('host', 'src', 'dst'))} {chance.choice(MACS)}",
            chance.choice(("ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "pppoes", "ip6 protochain 6")),
            f"{chance.choice(('less', 'greater'))} {chance.choice((40, 60, 100, 200))}",
            f"len > {chance.randrange(30, 200)}",
            "tcp[13] & 16 != 0",
            "ip[6:2] & 0x1fff != 0",
            f"ip[2:2] > {chance.randrange(30, 200)}",
            f"ip proto {chance.choice((4, 41, 47, 97, 115, 132, 137))}",
            "ip6[6] = 44 or udp[4:2] > 40",
        )
    )


def display_filter(chance: random.Random, depth: int = 0) -> str:
    """As tshark understands it, with fields that depend on the packets before."""
    if depth == 2 or chance.random() < 0.5:
        return _display_term(chance)
    parts = [display_filter(chance, depth + 1) for _ in range(chance.choice((1, 2, 2)))]
    if len(parts) == 1:
        return f"!({parts[0]})"
    return f" {chance.choice(('&&', '||'))} ".join(f"({part})" for part in parts)


def _display_term(chance: random.Random) -> str:
    port = chance.choice(PORTS)
    return chance.choice(
        (
            f"ip.addr == {chance.choice(HOSTS4)}",
            f"ipv6.{chance.choice(('addr', 'src', 'dst'))} == {chance.choice(HOSTS6)}",
            f"ip.src != {chance.choice(HOSTS4)}",
            f"{chance.choice(('tcp', 'udp', 'sctp'))}.{chance.choice(('port', 'srcport', 'dstport'))} == {port}",
            f"tcp.port in {{{port}, 22, 1000..2000}}",
            chance.choice(("vlan", "mpls", "gre", "vxlan", "geneve", "gtp", "erspan", "pppoe", "arp", "icmp", "sctp")),
            f"vlan.id == {chance.choice(VLANS)}",
            f"mpls.label == {chance.choice(LABELS)}",
            f"frame.len > {chance.randrange(30, 200)}",
            f"frame.number <= {chance.randrange(1, 300)}",
            "frame.time_delta < 0.001",
            f"frame.time_relative > {chance.randrange(1, 10)}.5",
            "frame.cap_len < frame.len",
            f"{chance.choice(('tcp', 'udp'))}.stream == {chance.randrange(8)}",
            "tcp.analysis.flags",
            "tcp.analysis.retransmission",
            "ip.flags.mf == 1 || ip.frag_offset > 0",
            "ip.fragments || ipv6.fragments",
            "_ws.malformed",
            "_ws.expert.severity >= warning",
            f"ip.ttl < {chance.choice((64, 65))}",
            f"eth.addr == {chance.choice(MACS)}",
            f"frame contains {chance.randbytes(1).hex()}:{chance.randbytes(1).hex()}",
            'frame.protocols matches "ip:.*ip"',
        )
    )


def window(chance: random.Random, after_us: int, before_us: int) -> dict[str, int]:
    """In microseconds, inside of these."""
    first, last = sorted(chance.sample(range(after_us, before_us + 1), 2))
    return chance.choice(({"after": first}, {"before": last}, {"after": first, "before": last}))


def random_order(
    chance: random.Random, sources: tuple[str, ...], *, is_cut: bool, span: tuple[int, int]
) -> dict[str, Any]:
    """One thing to keep, or several at once. `question` is the query with its meaning."""
    choices: dict[str, Any] = {
        "filter": lambda: display_filter(chance),
        "bpf": lambda: packet_filter(chance),
        "window": lambda: window(chance, *span),
        "drop_duplicates_ms": lambda: chance.choice((1, 5, 10, 50, 1_000)),
        "drop_tap_duplicates_ms": lambda: chance.choice((1, 10, 50)),
        "snaplen": lambda: chance.choice((1, 14, 40, 60, 96, 1_500)),
        "sources": lambda: tuple(chance.sample(sources, chance.randrange(1, len(sources) + 1))),
        "packets": lambda: chance.randrange(1, 200),
    }
    if not is_cut:
        choices["question"] = lambda: random_question(chance)
        choices["sender"] = lambda: _sender(chance)
    names = chance.sample(sorted(choices), min(chance.choice((1, 1, 2, 2, 3, 4)), len(choices)))
    return {name: choices[name]() for name in names}


def _sender(chance: random.Random) -> dict[str, Any]:
    end = {"address": chance.choice(HOSTS4 + HOSTS6)}
    return end | ({"port": chance.choice(PORTS)} if chance.random() < 0.4 else {})
