"""A query as a packet filter for libpcap (tcpdump), with stenographer's meaning. Pure; for `render` only.

libpcap's own words mean something else: `host` and `net` also match ARP, `port` also matches SCTP, none of them
looks behind a VLAN tag, an MPLS label or an IPv6 extension header, and after the words `vlan` and `mpls` all
later offsets of the expression move, whatever the parentheses say. So this filter reads the bytes of the
Ethernet frame itself. It is one alternative for each way in which a packet can lie in a frame:

    tags and labels before the packet, up to three   ×   IPv4, IPv6, or whatever (for vlan and mpls alone)

No query holds a negation, so alternatives can only add what the query asks for. A load beyond the end of a
packet makes libpcap refuse the packet; therefore what says that a header is there always stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias

from docket.domain.query.terms import TCP, UDP, And, Mpls, Net, Node, Or, Port, Protocol, Vlan, each_term

_MOST_TAGS = 2
_MOST_LABELS = 2
_DEEPEST = 3
"""Tags and labels together. Each level is a further copy of the query in the filter."""
_MOST_EXTENSIONS = 2
"""IPv6 extension headers before TCP, UDP or another protocol; seldom more than one is ever seen."""

_TAG_TYPES = (0x8100, 0x88A8, 0x9100)
_LABEL_TYPES = (0x8847, 0x8848)
_IP_TYPES = {4: 0x0800, 6: 0x86DD}
_EXTENSIONS = (0, 43, 60, 135)
"""Hop by hop, routing, destination options, mobility: what stenographer looks behind."""
_FRAGMENT = 44
_TYPE_AT = 12
_HEADER_BYTES = 14

_NO_PACKET = "less 0"
"""A length is never that short, but libpcap does not know."""

_ADDRESSES_AT = {4: (12, 16), 6: (8, 24)}
_MANY = 32
"""Hosts or ports from which on they are compared without jumps."""
_CHUNK = 64
"""Comparisons in one expression; a packet that matches in an early one is spared the rest."""

_FAMILIES: tuple[Literal[4, 6], ...] = (4, 6)
Family: TypeAlias = Literal[4, 6] | None


def to_bpf(query_root: Node | None) -> str:
    """The filter's text; empty for every packet. Only for captures of link type Ethernet."""
    if query_root is None:
        return ""
    on_link = any(isinstance(term, Vlan | Mpls) for term in each_term(query_root))
    found: list[str | None] = []
    for depth in range(_DEEPEST + 1):
        ways = [_Way(depth - labels, labels) for labels in range(depth + 1)]
        ways = [way for way in ways if way.tags <= _MOST_TAGS and way.labels <= _MOST_LABELS]
        # Which of the layers is a tag and which a label matters only to those who ask for one.
        for same in [[way] for way in ways] if on_link else [ways]:
            found += _alternatives(query_root, same)
    # libpcap refuses a filter of which it can see that no packet passes, like tcp and udp at once.
    return _any([*found, _NO_PACKET]) or _NO_PACKET


def can_say(query_root: Node | None) -> bool:
    """Whether a query says nothing but what stenographer's indexes know."""
    match query_root:
        case None | Protocol(_, "outer") | Net(_, None, "outer") | Vlan(_, "outer") | Mpls(_, "outer"):
            return True
        case Port(_, None, None, "outer", None):
            return True
        case And(parts) | Or(parts):
            return all(map(can_say, parts))
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _Way:
    """How many VLAN tags and, behind them, MPLS labels a frame has before the packet."""

    tags: int
    labels: int

    @property
    def packet_at(self) -> int:
        return _HEADER_BYTES + 4 * (self.tags + self.labels)

    @property
    def type_at(self) -> int:
        """Where the type of what follows the tags is."""
        return _TYPE_AT + 4 * self.tags

    def tag_at(self, number: int) -> int:
        return _HEADER_BYTES + 4 * number

    def label_at(self, number: int) -> int:
        return _HEADER_BYTES + 4 * (self.tags + number)

    def guard(self, family: Family) -> str | None:
        """What a frame is like that has its packet there."""
        checks = [_one_of(f"ether[{_TYPE_AT + 4 * tag}:2]", _TAG_TYPES) for tag in range(self.tags)]
        if self.labels:
            checks.append(_one_of(f"ether[{self.type_at}:2]", _LABEL_TYPES))
            last = self.labels - 1
            checks += [f"ether[{self.label_at(number) + 2}] & 1 = 0" for number in range(last)]
            if family:
                checks.append(f"ether[{self.label_at(last) + 2}] & 1 = 1")
                checks.append(f"ether[{self.packet_at}] & 0xf0 = {family << 4:#x}")
        elif family:
            checks.append(f"ether[{self.type_at}:2] = {_IP_TYPES[family]:#06x}")
        return _all(checks)


def _alternatives(root: Node, ways: Sequence[_Way]) -> Iterator[str | None]:
    """One alternative per family for frames whose packets begin at the same place."""
    link = _Frame(ways[0], None).text(root)
    if link is not None:
        yield _all([_any(way.guard(None) for way in ways), link])
    for family in _FAMILIES:
        text = _Frame(ways[0], family).text(root)
        if text != link:
            yield _all([_any(way.guard(family) for way in ways), text])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a header begins: a fixed offset, and what the headers before it add."""

    fixed: int
    added: str = ""

    def load(self, offset: int, size: int = 1) -> str:
        """The bytes at an offset into the header."""
        at = f"{self.fixed + offset}{self.added}"
        return f"ether[{at}]" if size == 1 else f"ether[{at}:{size}]"


@dataclass(frozen=True, slots=True)
class _Transport:
    """One place where the header behind IP may be; `guard` says that it is there."""

    guard: tuple[str, ...]
    protocol: str
    place: _Place


class _Frame:
    """Says terms about frames whose packet begins at one place and has one version of IP (None: any packet)."""

    def __init__(self, way: _Way, family: Family) -> None:
        self._way = way
        self._family = family
        self._ip = _Place(way.packet_at)
        self._transports = {4: self._behind_ipv4, 6: self._behind_ipv6}[family]() if family else []

    def text(self, node: Node) -> str | None:
        """An expression for the part of a query; None if no such frame can match it."""
        match node:
            case Net(network):
                return self._net(network) if network.version == self._family else None
            case Protocol(number):
                return _any(self._protocol(number, transport) for transport in self._transports)
            case Port():
                return self._ports([node], And)
            case Vlan(number):
                way = self._way
                return _any(f"ether[{way.tag_at(tag)}:2] & 0xfff = {number}" for tag in range(way.tags))
            case Mpls(label):
                way = self._way
                return _any(f"ether[{way.label_at(entry)}:4] >> 12 = {label}" for entry in range(way.labels))
            case And(parts):
                return _all(self._parts(parts, And))
            case Or(parts):
                return _any(self._parts(parts, Or))
            case _:
                raise ValueError(f"not for libpcap: {node}")

    def _parts(self, parts: Sequence[Node], kind: type[And | Or]) -> Iterator[str | None]:
        """The parts of a group; its ports together, because they share what has to stand before them."""
        ports = [part for part in parts if isinstance(part, Port)]
        hosts = [part.network for part in parts if isinstance(part, Net) and part.is_host]
        hosts = [host for host in hosts if host.version == self._family]
        together = kind is Or and len(hosts) > _MANY
        for part in parts:
            if not isinstance(part, Port) and not (together and isinstance(part, Net) and part.is_host):
                yield self.text(part)
        if together:
            yield _one_is_zero([self._host(host, offset) for host in hosts for offset in _ADDRESSES_AT[host.version]])
        if ports:
            yield self._ports(ports, kind)

    def _host(self, host: IPv4Network | IPv6Network, offset: int) -> str:
        """In how far the address at an offset differs from a host's, in 16 bits."""
        words = [
            (self._ip.load(offset + at, 2), int.from_bytes(host.network_address.packed[at : at + 2], "big"))
            for at in range(0, host.max_prefixlen // 8, 2)
        ]
        return "|".join(f"({load}^{value:#x})" if value else load for load, value in words)

    def _net(self, network: IPv4Network | IPv6Network) -> str | None:
        if isinstance(network, IPv4Network):
            mask = f" & {int(network.netmask):#010x}" if network.prefixlen < 32 else ""
            value = f"{int(network.network_address):#010x}"
            return _any(f"{self._ip.load(offset, 4)}{mask} = {value}" for offset in _ADDRESSES_AT[4])
        return _any(self._ipv6_net(network, offset) for offset in _ADDRESSES_AT[6])

    def _ipv6_net(self, network: IPv6Network, offset: int) -> str:
        """Four words at once: what differs from the network in any of them leaves a bit."""
        differences = []
        for word in range(4):
            mask = int(network.netmask) >> (96 - 32 * word) & 0xFFFF_FFFF
            value = int(network.network_address) >> (96 - 32 * word) & 0xFFFF_FFFF
            if mask or not word:
                load = self._ip.load(offset + 4 * word, 4)
                load = load if mask == 0xFFFF_FFFF else f"({load} & {mask:#010x})"
                differences.append(f"({load} ^ {value:#010x})")
        return f"({' | '.join(differences)}) = 0"

    def _behind_ipv4(self) -> list[_Transport]:
        start = _Place(self._ip.fixed, f"+4*({self._ip.load(0)}&0xf)")
        return [_Transport((), self._ip.load(9), start)]

    def _behind_ipv6(self) -> list[_Transport]:
        found = [_Transport((), self._ip.load(6), _Place(self._ip.fixed + 40))]
        for _ in range(_MOST_EXTENSIONS):
            last = found[-1]
            extension = _any([_one_of(last.protocol, _EXTENSIONS), _all(_fragment(last, "="))])
            length = f"+8*{last.place.load(1)}"
            found.append(
                _Transport(
                    (*last.guard, extension or ""),
                    last.place.load(0),
                    _Place(last.place.fixed + 8, last.place.added + length),
                )
            )
        return found

    def _protocol(self, number: int, transport: _Transport) -> str | None:
        if self._family == 6 and number in _EXTENSIONS:
            # Those are looked behind, so they are never the packet's protocol.
            return None
        if self._family == 6 and number == _FRAGMENT:
            return _all([*transport.guard, *_fragment(transport, "!=")])
        return _all([*transport.guard, f"{transport.protocol} = {number}"])

    def _ports(self, ports: Sequence[Port], kind: type[And | Or]) -> str | None:
        return _any(self._ports_at(ports, kind, transport) for transport in self._transports)

    def _ports_at(self, ports: Sequence[Port], kind: type[And | Or], transport: _Transport) -> str | None:
        source, destination = transport.place.load(0, 2), transport.place.load(2, 2)
        first = [f"{self._ip.load(6, 2)} & 0x1fff = 0"] if self._family == 4 else []
        if kind is Or and len(ports) > _MANY:
            wanted = _one_is_zero([f"{load}^{port.number}" for port in ports for load in (source, destination)])
        else:
            each = [_any([f"{source} = {port.number}", f"{destination} = {port.number}"]) for port in ports]
            wanted = _all(each) if kind is And else _any(each)
        return _all([*transport.guard, _one_of(transport.protocol, (TCP, UDP)), *first, wanted])


def _fragment(transport: _Transport, compared: str) -> list[str]:
    """What is so for IPv6's fragment header of a first ("=") or of a later ("!=") fragment."""
    return [f"{transport.protocol} = {_FRAGMENT}", f"{transport.place.load(2, 2)} & 0xfff8 {compared} 0"]


def _one_of(load: str, values: Iterable[int]) -> str:
    return _any(f"{load} = {value if value < 256 else hex(value)}" for value in values) or _NO_PACKET


def _one_is_zero(differences: Sequence[str]) -> str | None:
    """One of the numbers, each of at most 16 bits, is zero. For long lists: libpcap takes seconds over their jumps.

    Only zero less one has the topmost bit; so one jump looks for it in many numbers at once.
    """
    chunks = [differences[start : start + _CHUNK] for start in range(0, len(differences), _CHUNK)]
    return _any(f"({'|'.join(f'(({one})-1)' for one in chunk)}) & 0x80000000 != 0" for chunk in chunks)


def _all(parts: Iterable[str | None]) -> str | None:
    """All must hold; None if one cannot."""
    given = list(parts)
    if None in given:
        return None
    return _joined(" and ", [part for part in given if part])


def _any(parts: Iterable[str | None]) -> str | None:
    """One must hold; those that cannot are left out, None if none is left."""
    return _joined(" or ", [part for part in parts if part is not None])


def _joined(word: str, parts: list[str]) -> str | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"
