"""Traffic for the recordings: a sample with a bit of everything. Pure; for the fixtures and bench/

The sample is what two taps see: one before and one behind a router. Conversations through the router are in both,
a little later and with other MAC addresses and one hop less behind it; others are on one side only.
"""

import itertools
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from docket.packet.pcap import RECORD_HEADER, file_header
from tests.services import frames

START_US = 1_700_000_000_000_000
"""The first packet's time in the files; recording gives the packets new ones."""

SAMPLE_US = 3_000_000
"""How long the sample lasts, about."""

ALICE, BOB, WEB, DNS = "10.1.0.10", "10.1.0.11", "10.2.0.20", "10.2.0.53"
ALICE6, WEB6, DNS6 = "2001:db8:1::10", "2001:db8:2::20", "2001:db8:2::53"
GATEWAY = "10.1.0.1"
VLAN_HOSTS = ("10.100.0.1", "10.100.0.2")
INNER_VLAN_HOSTS = ("10.200.0.1", "10.200.0.2")
MPLS_HOSTS = ("10.77.0.1", "10.77.0.2")
FRAGMENT_HOSTS = ("10.2.0.30", "10.2.0.31")
FRAGMENT_HOSTS6 = ("2001:db8:2::30", "2001:db8:2::31")
TUNNEL_HOSTS = ("10.2.0.40", "10.2.0.41")
TUNNEL_INNER_HOSTS = ("172.16.0.1", "172.16.0.2")

VLAN, SERVICE_VLAN, INNER_VLAN, MPLS_LABEL = 100, 300, 200, 77

_MACS = {
    "em1": ("02:00:00:00:01:10", "02:00:00:00:01:01"),
    "em2": ("02:00:00:00:02:01", "02:00:00:00:02:20"),
}
_ROUTER_US = 120

Wrap = Callable[[bytes], bytes]


class Step(NamedTuple):
    """One packet of a conversation: from which end, and the packet for a given number of hops left."""

    upstream: bool
    packet: Callable[[int], bytes]


class Conversation(NamedTuple):
    """A row of packets, the interfaces that see them, and what is put around their frames."""

    steps: list[Step]
    seen_on: tuple[str, ...]
    wrap: Wrap = bytes


def write_capture(path: Path, packets: Iterable[tuple[int, bytes]]) -> None:
    """Write (time in µs, frame) pairs as a classic little-endian microsecond capture."""
    with path.open("wb") as file:
        file.write(file_header())
        for time_us, frame in packets:
            file.write(RECORD_HEADER.pack(*divmod(time_us, 1_000_000), len(frame), len(frame)))
            file.write(frame)


def write_sample(path: Path, interface: str) -> None:
    """Write the sample as the interface (em1 or em2) sees it: about 800 packets, no two alike."""
    write_capture(path, sample(interface))


def sample(interface: str, seed: int = 1) -> list[tuple[int, bytes]]:
    """Give the sample as (time in µs, frame), strictly ascending; the same for the same seed."""
    chance = random.Random(seed)
    upstream, downstream = _MACS[interface]
    hops = 64 if interface == "em1" else 63
    late_us = 0 if interface == "em1" else _ROUTER_US
    seen: list[tuple[int, bytes]] = []
    for conversation in _conversations():
        # Drawn for every conversation, seen here or not: both interfaces must agree on the times.
        times = sorted(chance.randrange(SAMPLE_US) for _ in conversation.steps)
        if interface not in conversation.seen_on:
            continue
        for time_us, step in zip(times, conversation.steps, strict=True):
            ends = (upstream, downstream) if step.upstream else (downstream, upstream)
            frame = conversation.wrap(frames.ethernet(*ends, step.packet(hops)))
            seen.append((START_US + late_us + time_us, frame))
    seen += _arp(interface, chance)
    seen.sort(key=lambda packet: packet[0])
    return _strictly_ascending(seen)


def _strictly_ascending(packets: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    kept: list[tuple[int, bytes]] = []
    last_us = 0
    for time_us, frame in packets:
        last_us = max(time_us, last_us + 1)
        kept.append((last_us, frame))
    return kept


def _arp(interface: str, chance: random.Random) -> Iterator[tuple[int, bytes]]:
    """Ten ARP requests on each interface, which no filter on IP finds."""
    prefix = "10.1.0" if interface == "em1" else "10.2.0"
    for number in range(10):
        time_us = START_US + chance.randrange(SAMPLE_US)
        yield time_us, frames.arp_request(_MACS[interface][0], f"{prefix}.10", f"{prefix}.{100 + number}")


def _conversations() -> list[Conversation]:
    both, first, second = ("em1", "em2"), ("em1",), ("em2",)
    page = b"HTTP/1.1 200 OK\r\nServer: sample\r\nContent-Length: 1100\r\n\r\n" + b"p" * 1100
    get = b"GET /page/%d HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
    hello = bytes.fromhex("160301002c010000280303") + b"r" * 32 + bytes.fromhex("000002130101000000")
    secret = bytes.fromhex("1703030100") + b"s" * 256
    ssh = b"SSH-2.0-sample\r\n"
    inner = frames.ethernet(*_MACS["em2"], frames.ipv4(*TUNNEL_INNER_HOSTS, frames.ICMP, frames.icmp_echo(1, b"in")))
    return [
        _tcp(ALICE, WEB, (40001, 80), [(get % number, page) for number in range(25)], both),
        _tcp(ALICE6, WEB6, (40002, 80), [(get % number, page) for number in range(15)], both),
        _tcp(BOB, WEB, (40003, 443), [(hello, hello), *[(secret, secret * 4)] * 20], both),
        _tcp(ALICE6, WEB6, (40004, 443), [(hello, hello), *[(secret, secret)] * 15], both),
        _tcp(ALICE, DNS, (40005, 53), [(_dns(number), _dns(number)) for number in range(5)], both),
        _udp(ALICE, DNS, (50001, 53), [_dns(number) for number in range(80)], both),
        _udp(BOB, DNS, (50002, 53), [_dns(number) for number in range(20)], both),
        _udp(ALICE6, DNS6, (50003, 53), [_dns(number) for number in range(30)], both),
        _ping(ALICE, WEB, 25, both),
        _ping(ALICE6, WEB6, 25, both),
        _tcp(ALICE, GATEWAY, (40006, 22), [(ssh, ssh), *[(b"k" * 48, b"e" * 64)] * 25], first),
        _udp(BOB, "255.255.255.255", (68, 67), [b"dhcp %d" % number for number in range(6)], first),
        _udp(*VLAN_HOSTS, (50004, 5060), _numbered(b"vlan", 20), first, lambda frame: frames.tagged(frame, VLAN)),
        _udp(*INNER_VLAN_HOSTS, (50005, 5060), _numbered(b"qinq", 20), first, _doubly_tagged),
        _udp(*MPLS_HOSTS, (50006, 7777), _numbered(b"mpls", 15), second, _labelled),
        _fragmented(FRAGMENT_HOSTS, 12, second),
        _fragmented(FRAGMENT_HOSTS6, 8, second),
        _udp(WEB, DNS, (123, 123), _numbered(b"time", 12), second),
        # Its ports are in the place of TCP's, but SCTP has ports of its own.
        _other(*FRAGMENT_HOSTS, frames.SCTP, struct.pack("!HHII", 80, 443, 1, 0), 10, second),
        _other(*TUNNEL_HOSTS, frames.GRE, struct.pack("!HH", 0, frames.ETHERTYPE_IPV4) + inner[14:], 10, second),
        _udp(*TUNNEL_HOSTS, (50007, 4789), [bytes.fromhex("0800000000002a00") + inner] * 10, second),
    ]


def _doubly_tagged(frame: bytes) -> bytes:
    return frames.tagged(frames.tagged(frame, INNER_VLAN), SERVICE_VLAN, service=True)


def _labelled(frame: bytes) -> bytes:
    return frames.labelled(frame, MPLS_LABEL)


def _numbered(word: bytes, count: int) -> list[bytes]:
    return [b"%s %d" % (word, number) for number in range(count)]


def _dns(number: int) -> bytes:
    """A query for the address of host<number>.example.org."""
    host = b"host%d" % number
    name = bytes([len(host)]) + host + b"\x07example\x03org\x00"
    return struct.pack("!HHHHHH", 0x1000 + number, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


def _step(upstream: bool, ends: tuple[str, str], protocol: int, payload: bytes, ident: int) -> Step:
    source, destination = ends if upstream else ends[::-1]

    def packet(hops: int) -> bytes:
        return frames.ip(source, destination, protocol, payload, ident=ident, ttl=hops)

    return Step(upstream, packet)


def _tcp(
    client: str,
    server: str,
    ports: tuple[int, int],
    exchanges: Sequence[tuple[bytes, bytes]],
    seen_on: tuple[str, ...],
) -> Conversation:
    """A whole TCP connection: handshake, question and answer in turn, and the end."""
    steps: list[Step] = []
    sequence = {True: 1000 * ports[0], False: 2000 * ports[0]}
    ends, idents = (client, server), itertools.count(1)

    def send(upstream: bool, flags: int, payload: bytes = b"") -> None:
        source, destination = ends if upstream else ends[::-1]
        numbers = ports if upstream else ports[::-1]
        answered = sequence[not upstream] if flags & frames.ACK else 0
        segment = frames.tcp(
            source,
            destination,
            numbers,
            payload,
            sequence=sequence[upstream],
            acknowledged=answered,
            flags=flags,
        )
        steps.append(_step(upstream, ends, frames.TCP, segment, next(idents)))
        sequence[upstream] += len(payload) + (1 if flags & (frames.SYN | frames.FIN) else 0)

    send(True, frames.SYN)
    send(False, frames.SYN | frames.ACK)
    send(True, frames.ACK)
    for question, answer in exchanges:
        send(True, frames.PSH | frames.ACK, question)
        send(False, frames.PSH | frames.ACK, answer)
        send(True, frames.ACK)
    send(True, frames.FIN | frames.ACK)
    send(False, frames.FIN | frames.ACK)
    send(True, frames.ACK)
    return Conversation(steps, seen_on)


def _udp(
    client: str,
    server: str,
    ports: tuple[int, int],
    questions: Sequence[bytes],
    seen_on: tuple[str, ...],
    wrap: Wrap = bytes,
) -> Conversation:
    """Datagrams there and back, one pair per question."""
    steps = []
    for number, question in enumerate(questions):
        there = frames.udp(client, server, ports, question)
        back = frames.udp(server, client, ports[::-1], question + b" answered")
        steps += [
            _step(upstream, (client, server), frames.UDP, datagram, number)
            for upstream, datagram in ((True, there), (False, back))
        ]
    return Conversation(steps, seen_on, wrap)


def _ping(client: str, server: str, count: int, seen_on: tuple[str, ...]) -> Conversation:
    """Echo requests and their replies, of the IP version of the addresses."""
    steps = []
    payload = bytes(range(56))
    for number in range(count):
        for reply in (False, True):
            if ":" in client:
                source, destination = (server, client) if reply else (client, server)
                message = frames.icmpv6_echo(source, destination, number, payload, reply=reply)
                protocol = frames.ICMPV6
            else:
                message = frames.icmp_echo(number, payload, reply=reply)
                protocol = frames.ICMP
            steps.append(_step(not reply, (client, server), protocol, message, number))
    return Conversation(steps, seen_on)


def _fragmented(hosts: tuple[str, str], count: int, seen_on: tuple[str, ...]) -> Conversation:
    """UDP datagrams of 4,000 bytes to port 5353, in three or four fragments each."""
    steps = []
    cut = frames.ipv6_fragments if ":" in hosts[0] else frames.ipv4_fragments
    for number in range(count):
        datagram = frames.udp(*hosts, (50008, 5353), b"%04d" % number * 1000)
        for piece in cut(*hosts, frames.UDP, datagram, ident=1000 + number):
            steps.append(Step(True, lambda _hops, piece=piece: piece))  # type: ignore[misc]
    return Conversation(steps, seen_on)


def _other(
    source: str, destination: str, protocol: int, payload: bytes, count: int, seen_on: tuple[str, ...]
) -> Conversation:
    """Packets of any protocol, one way."""
    return Conversation(
        [_step(True, (source, destination), protocol, payload, number) for number in range(count)], seen_on
    )
