"""The tree of a query: terms about one packet, and what joins them. Pure; anybody may import it.

`docket.packet.match` decides every term on a packet; what a store can select of them is in `planning`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, TypeAlias

TCP, UDP, ICMP, ICMP6, SCTP = 6, 17, 1, 58, 132

Direction: TypeAlias = Literal["src", "dst"] | None
"""The side that a term is about; None for either."""

Scope: TypeAlias = Literal["outer", "inner", "any"]
"""Whose headers a term is about: the outermost IP header and what stands before it, those inside of tunnels, or all."""


@dataclass(frozen=True, slots=True)
class Net:
    """An address lies in the network; a host is a network of one address."""

    network: IPv4Network | IPv6Network
    direction: Direction = None
    scope: Scope = "outer"

    @property
    def is_host(self) -> bool:
        return self.network.prefixlen == self.network.max_prefixlen


@dataclass(frozen=True, slots=True)
class Protocol:
    """The IP protocol has this number; in IPv6 the one behind the extension headers."""

    number: int
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP or UDP port has this number, or lies in the range that it begins."""

    number: int
    last: int | None = None
    """The end of the range, included; None for one port."""
    direction: Direction = None
    scope: Scope = "outer"
    protocol: int | None = None
    """Only of this protocol, which may be SCTP; None for TCP or UDP."""

    @property
    def end(self) -> int:
        return self.number if self.last is None else self.last


@dataclass(frozen=True, slots=True)
class Vlan:
    """One of the packet's tags has this VLAN id."""

    number: int
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class Mpls:
    """One of the packet's MPLS labels has this value."""

    label: int
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class NetworkLayer:
    """What the link header carries, behind tags and labels."""

    word: Literal["ip", "ip6", "arp"]
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class EtherHost:
    """A MAC address of the first Ethernet or 802.11 header is this one."""

    address: int
    """As a number of 48 bits."""
    direction: Direction = None
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class Length:
    """The packet's length on the wire, in bytes, both bounds included."""

    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Both directions of one conversation: the two ends are those of one IP header."""

    one: IPv4Address | IPv6Address
    one_port: int | None
    other: IPv4Address | IPv6Address
    other_port: int | None
    protocol: int | None = None
    """None for TCP, UDP or SCTP, or for whatever has no ports if no port is given."""
    scope: Scope = "outer"


@dataclass(frozen=True, slots=True)
class SentBy:
    """One IP header has this source address and, if a port is given, this source port of TCP, UDP or SCTP."""

    address: IPv4Address | IPv6Address
    port: int | None = None
    scope: Scope = "outer"


Scoped: TypeAlias = Net | Protocol | Port | Vlan | Mpls | NetworkLayer | EtherHost | Flow
"""Terms about one of a packet's headers."""

Term: TypeAlias = Scoped | Length


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. In canonical order the part is a term."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds. At least two parts, none of them an And, no two alike, in canonical order."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds. At least two parts, none of them an Or, no two alike, in canonical order."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | And | Or | Not

FilterTerm: TypeAlias = Term | SentBy
FilterNode: TypeAlias = FilterTerm | And | Or | Not
"""What `docket.packet.match` can decide on a packet."""


def each_term(node: Node) -> Iterator[Term]:
    """The terms of a tree, those that are negated among them."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from each_term(part)
        case Not(part):
            yield from each_term(part)
        case _:
            yield node
