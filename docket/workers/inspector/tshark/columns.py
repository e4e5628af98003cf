"""The list of packets as tshark writes it: which columns are asked for, and how a line of theirs becomes a `Row`. Pure.

One pass serves two masters: the list, and the summary, which counts the further columns. Lines are what strangers'
packets made of them, so nothing about them is taken for granted but the number that they begin with.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from docket.errors import DissectionError

LONGEST_INFO = 1_000
LONGEST_NAME = 255
LONGEST_ADDRESS = 64

_COLUMNS = (
    ("No.", "%m"),
    ("Time", "%t"),
    # The protocol stands between the addresses because tshark puts an arrow between neighbours.
    ("Source", "%s"),
    ("Protocol", "%p"),
    ("Destination", "%d"),
    ("Length", "%L"),
    ("From", "%uS"),
    ("To", "%uD"),
    ("Layers", "%Cus:frame.protocols:0:R"),
    ("TCP", "%Cus:tcp.stream:0:R"),
    ("UDP", "%Cus:udp.stream:0:R"),
    ("DNS", "%Cus:dns.qry.name:0:R"),
    ("TLS", "%Cus:tls.handshake.extensions_server_name:0:R"),
    ("HTTP", "%Cus:http.host or http2.headers.authority:0:R"),
    ("Severity", "%Cus:_ws.expert.severity:0:R"),
    ("Info", "%i"),
)

ARGUMENTS = (
    "-t", "e", "-T", "tabs",
    "-o", "gui.column.format:" + ",".join(f'"{title}","{what}"' for title, what in _COLUMNS),
)  # fmt: skip
"""Times are seconds since 1970."""

SEVERITIES = ("", "chat", "note", "warning", "error")
"""How worth a look the dissector finds a packet, the least first."""

_BEGINNING = re.compile(rb"^ *(\d+)\t")
_LINKS = frozenset({"eth", "ethertype", "vlan", "sll"})
_INNER = frozenset({"ip", "ipv6"})
_CARRIES_ANOTHER = frozenset({"icmp", "icmpv6"})
"""What follows one of these is a packet that was sent earlier, quoted in an error."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One line of the list."""

    time_us: int
    source: str
    destination: str
    protocol: str
    length: int
    """On the wire."""
    info: str
    stream: str
    """`tcp 5` or `udp 3`, as tshark counts them; empty for others."""
    severity: str


class Line(NamedTuple):
    """A row, and what only the summary wants to know."""

    row: Row
    transport: str
    """The protocol in the innermost IP packet, or the lowest layer's name where there is no IP."""
    tunnelled: bool
    """The addresses are those of a packet inside another."""
    source_port: str
    destination_port: str
    dns: str
    tls: str
    http: str


def begins(line: bytes, number: int) -> bool:
    """Whether this line is that of packet `number` of a run, rather than the continuation of the one before."""
    found = _BEGINNING.match(line)
    return found is not None and int(found[1]) == number


class LineReader:
    """Turns lines of tshark into `Line`s."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[str, bool]] = {}

    def read(self, line: bytes) -> Line:
        """The packet of a line. Raises DissectionError for one without all columns."""
        cells = line.decode("utf-8", "replace").split("\t", len(_COLUMNS) - 1)
        if len(cells) < len(_COLUMNS):
            raise DissectionError("its line is not whole")
        _, time, source, protocol, destination, length, from_port, to_port, layers, *more, info = cells
        tcp, udp, dns, tls, http, severity = more
        known = self._layers.get(layers)
        if known is None:
            if len(self._layers) > 10_000:
                self._layers.clear()
            known = self._layers[layers] = innermost(layers)
        transport, tunnelled = known
        stream = ""
        if transport == "tcp" and tcp:
            stream = f"tcp {tcp.rpartition(',')[2]}"
        elif transport == "udp" and udp:
            stream = f"udp {udp.rpartition(',')[2]}"
        row = Row(
            _micros(time),
            source.strip()[:LONGEST_ADDRESS],
            destination.strip()[:LONGEST_ADDRESS],
            protocol.strip()[:LONGEST_ADDRESS],
            int(length) if length.strip().isdigit() else 0,
            info[:LONGEST_INFO],
            stream,
            worst(severity),
        )
        has_ports = transport in ("tcp", "udp", "sctp")
        ports = (from_port, to_port) if has_ports else ("", "")
        return Line(row, transport, tunnelled, *ports, dns[:LONGEST_NAME], tls[:LONGEST_NAME], http[:LONGEST_NAME])


def innermost(layers: str) -> tuple[str, bool]:
    """`eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp:http` is `tcp` in a tunnel; `eth:ethertype:arp` is `arp`."""
    names = layers.split(":")
    found, depth = "", 0
    for place, name in enumerate(names[:-1]):
        if name in _CARRIES_ANOTHER:
            break
        if name in _INNER:
            found = names[place + 1]
            depth += 1
    lowest = next((name for name in names if name not in _LINKS), "")
    return (found or lowest)[:32], depth > 1 or (depth == 0 and names.count("eth") > 1)


def worst(severities: str) -> str:
    """`Chat,Note,Note` is `note`."""
    if not severities:
        return ""
    known = [SEVERITIES.index(name) for name in severities.lower().split(",") if name in SEVERITIES]
    return SEVERITIES[max(known, default=0)]


def _micros(epoch: str) -> int:
    """Seconds since 1970 with their fraction, as microseconds."""
    seconds, _, fraction = epoch.strip().partition(".")
    digits = (fraction + "000000")[:6]
    if not (seconds.lstrip("-").isdigit() and digits.isdigit()):
        raise DissectionError(f"{epoch[:40]!r} is no time")
    return int(seconds) * 1_000_000 + int(digits)
