"""How each value in a term is read. Pure; for the modules of this package. Readers raise ValueError with a sentence."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from docket.domain.query.terms import (
    ICMP,
    ICMP6,
    SCTP,
    TCP,
    UDP,
    EtherHost,
    Flow,
    Length,
    Mpls,
    Net,
    Port,
    Protocol,
    Vlan,
)

LAST_PORT = 65_535
LAST_PROTOCOL = 255
LAST_VLAN = 4_095
LAST_LABEL = 2**20 - 1
LAST_LENGTH = 2**32 - 1

WITH_PORTS = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
"""The protocols that may stand before `port`."""

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
    "sctp": SCTP,
    "udplite": 136,
}
"""Names for `proto`, from IANA's list of protocol numbers and as people write them. Lower case."""

WORD_OF_PROTOCOL = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6", SCTP: "sctp"}
"""The protocols that are a term by themselves."""

_SHOWN = 40
_MAPPED_BITS = 96
"""::ffff:0:0/96 holds the IPv4 addresses; stenographer takes each for the IPv4 address that it is."""
_MAC = re.compile(r"(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})", re.ASCII)


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
    """Read a port, or a range of ports like 1000-2000."""
    first, dash, last = text.partition("-")
    if first and dash:
        return _range(text, first, last)
    if any(sign in text for sign in ",:"):
        raise ValueError(f"{shown(text)} is not one port; name each one, like port 80 or port 443")
    return Port(_number(text, LAST_PORT, "a port"))


def read_port_range(text: str) -> Port:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"{shown(text)} is not a range of ports; write it like 1000-2000")
    return _range(text, first, last)


def _range(text: str, first: str, last: str) -> Port:
    low, high = (_number(end, LAST_PORT, "a port") for end in (first, last))
    if low > high:
        raise ValueError(f"the range of ports {shown(text)} is reversed; write {high}-{low}")
    return port_range(low, high)


def port_range(low: int, high: int) -> Port:
    """A range of one port is a port."""
    return Port(low, None if low == high else high)


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


def read_length(text: str) -> int:
    return _number(text, LAST_LENGTH, "a length in bytes")


def less(text: str) -> Length:
    return Length(0, read_length(text))


def greater(text: str) -> Length:
    return Length(read_length(text))


def read_mac(text: str) -> EtherHost:
    lowered = text.lower()
    if not text.isascii() or _MAC.fullmatch(lowered) is None:
        raise ValueError(f"{shown(text)} is not a MAC address; write it like 00:1b:21:3c:4d:5e")
    return EtherHost(int(re.sub(r"[:.-]", "", lowered), 16))


def mac_text(address: int) -> str:
    return ":".join(f"{address:012x}"[place : place + 2] for place in range(0, 12, 2))


def read_end(text: str) -> tuple[IPv4Address | IPv6Address, int | None]:
    """Read an address with or without a port: 10.1.2.3:443, [2001:db8::1]:443, 10.1.2.3, 2001:db8::1, 10.1.2.3:*."""
    if text.startswith("["):
        address, bracket, port = text[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            raise ValueError(f"{shown(text)} is not an address with a port; write it like [2001:db8::1]:443")
        port = port[1:] if port else "*"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    else:
        address, port = text, "*"
    number = None if port == "*" else _number(port, LAST_PORT, "a port")
    return read_host(address).network.network_address, number


def read_flow(one: str, other: str, protocol: int | None) -> Flow:
    """Read the two ends of a conversation; they stand in order, whichever was named first."""
    ends = sorted((read_end(one), read_end(other)), key=lambda end: (int(end[0]), -1 if end[1] is None else end[1]))
    (first, first_port), (second, second_port) = ends
    if first.version != second.version:
        raise ValueError("the two ends of a flow must be of the same IP version")
    if protocol not in (None, *WITH_PORTS.values()) and (first_port, second_port) != (None, None):
        raise ValueError(f"protocol {protocol} has no ports; name the two addresses alone")
    return Flow(first, first_port, second, second_port, protocol)


def read_flow_text(text: str) -> Flow:
    """Read a conversation as one text: `10.1.2.3:50000 - 192.0.2.7:443`, with a protocol's name before it or not."""
    protocol: int | None = None
    first, _, rest = text.strip().partition(" ")
    if first[:1].isalpha() and first.lower() in PROTOCOLS:
        protocol, text = PROTOCOLS[first.lower()], rest
    one, dash, other = text.partition("-")
    if not dash:
        raise ValueError(f"{shown(text)} is not a flow; write it like 10.1.2.3:50000 - 192.0.2.7:443")
    return read_flow(one.strip(), other.strip(), protocol)


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
