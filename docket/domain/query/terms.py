"""The terms that a query is made of, and how each value in them is read. Pure; for `grammar`, `query` and `dialects`.

A term says something about one packet that stenographer's indexes know: an address in its IP header, a TCP or
UDP port, its IP protocol, a VLAN id or an MPLS label. Readers raise ValueError with a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal, TypeAlias

LAST_PORT = 65_535
LAST_PROTOCOL = 255
LAST_VLAN = 4_095
LAST_LABEL = 2**20 - 1

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58

PROTOCOLS = {
    "hopopt": 0,
    "icmp": ICMP,
    "igmp": 2,
    "ipip": 4,
    "tcp": TCP,
    "egp": 8,
    "igp": 9,
    "udp": UDP,
    "dccp": 33,
    "ipv6": 41,
    "ipv6-frag": 44,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmp6": ICMP6,
    "icmpv6": ICMP6,
    "ipv6-icmp": ICMP6,
    "eigrp": 88,
    "ospf": 89,
    "etherip": 97,
    "pim": 103,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "udplite": 136,
}
"""Names for `proto`, from IANA's list of protocol numbers and as people write them. Lower case."""

WORD_OF_PROTOCOL = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}
"""The protocols that are a term by themselves."""

_SHOWN = 40
_MAPPED_BITS = 96
"""::ffff:0:0/96 holds the IPv4 addresses; stenographer takes each for the IPv4 address that it is."""


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


Term: TypeAlias = Net | Protocol | Port | Vlan | Mpls
"""What the grammar reads."""

FilterTerm: TypeAlias = Term | NetworkLayer | EtherHost | Length | Flow | SentBy
"""What `docket.packet.match` can decide on a packet."""


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: FilterNode


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds. At least two parts, none of them an And, no two alike, in canonical order."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds. At least two parts, none of them an Or, no two alike, in canonical order."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | And | Or
FilterNode: TypeAlias = FilterTerm | And | Or | Not


def shown(text: str) -> str:
    """A piece of input for a sentence: quoted, harmless and short."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def read_host(text: str) -> Net:
    """Read one address."""
    return _net(_address(text), None)


def read_net(address: str, prefix: str) -> Net:
    """Read the two halves of `net address/prefix`. Host bits are cut off."""
    value = _address(address)
    return _net(value, _number(prefix, value.max_prefixlen, f"the prefix length of an IPv{value.version} network"))


def read_masked_net(address: str, mask: str) -> Net:
    """Read the two halves of `net address mask mask`. Host bits are cut off."""
    value, bits = _address(address), _address(mask)
    if value.version != bits.version:
        raise ValueError(f"{shown(address)} and the mask {shown(mask)} are not of the same IP version")
    holes = int(bits) ^ (2**value.max_prefixlen - 1)
    if holes & (holes + 1):
        raise ValueError(f"the mask {shown(mask)} has holes; only one run of ones from the left makes a network")
    return _net(value, value.max_prefixlen - holes.bit_length())


def read_net_text(text: str) -> Net:
    """Read a whole network as one text: `10.0.0.0/8` or `10.0.0.0 mask 255.0.0.0`."""
    address, slash, prefix = text.partition("/")
    if slash:
        return read_net(address.strip(), prefix.strip())
    words = text.split()
    if len(words) == 3 and words[1].lower() == "mask":
        return read_masked_net(words[0], words[2])
    raise ValueError(f"{shown(text)} is not a network; write it like 10.0.0.0/8 or 10.0.0.0 mask 255.0.0.0")


def read_port(text: str) -> Port:
    if any(sign in text.strip("-") for sign in ",-:"):
        raise ValueError(f"{shown(text)} is not one port; name each one, like port 80 or port 443")
    return Port(_number(text, LAST_PORT, "a port"))


def read_protocol(text: str) -> Protocol:
    """Read a protocol's name or number."""
    if (number := PROTOCOLS.get(text.lower())) is not None:
        return Protocol(number)
    if text[:1].isalpha():
        raise ValueError(f"{shown(text)} is not a protocol that Docket knows by name; give its number, 0 to 255")
    return Protocol(_number(text, LAST_PROTOCOL, "an IP protocol"))


def read_vlan(text: str) -> Vlan:
    return Vlan(_number(text, LAST_VLAN, "a VLAN id"))


def read_mpls(text: str) -> Mpls:
    return Mpls(_number(text, LAST_LABEL, "an MPLS label"))


def _number(text: str, most: int, what: str) -> int:
    digits = text.lstrip("0") or text[-1:]
    # The length is looked at first: Python refuses to read numbers of thousands of digits.
    if text.isascii() and text.isdigit() and len(digits) <= len(str(most)) and int(digits) <= most:
        return int(digits)
    raise ValueError(f"{shown(text)} is not {what}, which is a number from 0 to {most}")


def _address(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:
        raise ValueError(f"{shown(text)} has a zone (the part behind %), which packets do not carry")
    try:
        return ip_address(text)
    except ValueError:
        pass
    if "/" in text:
        raise ValueError(f"{shown(text)} is a network, not an address")
    octets = text.split(".")
    if len(octets) == 4 and any(octet[:1] == "0" and octet != "0" for octet in octets):
        raise ValueError(f"{shown(text)} has a zero at the front of a number, which some read as octal; leave it out")
    if text[:1].isalpha() and ":" not in text:
        raise ValueError(f"{shown(text)} is not an IP address; names are not looked up")
    raise ValueError(f"{shown(text)} is not an IP address")


def _net(address: IPv4Address | IPv6Address, prefix: int | None) -> Net:
    """The network around an address, None for the address alone; IPv4-mapped IPv6 becomes IPv4."""
    if isinstance(address, IPv4Address):
        return Net(IPv4Network((address, 32 if prefix is None else prefix), strict=False))
    length = 128 if prefix is None else prefix
    if address.ipv4_mapped is not None and length >= _MAPPED_BITS:
        return Net(IPv4Network((address.ipv4_mapped, length - _MAPPED_BITS), strict=False))
    return Net(IPv6Network((address, length), strict=False))
