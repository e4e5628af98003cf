"""The list of packets as tshark writes it: which columns are asked for, and how a line of theirs becomes a `Row`. Pure.

One pass serves two masters: the list, and the summary, which counts the further columns. Lines are what strangers'
packets made of them, so nothing about them is taken for granted but the number that they begin with.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from docket.errors import DissectionError
from docket.workers.inspector.row_filters.places import FIELDS, Place, find_place

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
    ("DNS", "%Cus:dns.qry.name:0:U"),
    ("Lengths of DNS", "%Cus:dns.qry.name.len:0:U"),
    ("Answers", "%Cus:dns.flags.response:0:U"),
    ("TLS", "%Cus:tls.handshake.extensions_server_name:0:U"),
    ("Lengths of TLS", "%Cus:tls.handshake.extensions_server_name_len:0:U"),
    ("HTTP", "%Cus:http.host or http2.headers.authority:0:U"),
    ("First HTTP", "%Cus:http.host or http2.headers.authority:1:U"),
    ("Last HTTP", "%Cus:http.host or http2.headers.authority:-1:U"),
    ("Severity", "%Cus:_ws.expert.severity:0:R"),
    *((field, f"%Cus:{field}:0:U") for field in FIELDS),
    ("Info", "%i"),
)

ARGUMENTS = (
    "-t", "e", "-T", "tabs",
    "-o", "gui.column.format:" + ",".join(f'"{title}","{what}"' for title, what in _COLUMNS),
)  # fmt: skip
"""Times are seconds since 1970."""

SEVERITIES = ("", "chat", "note", "warning", "error")
"""How worth a look the dissector finds a packet, the least first."""

_ESCAPED = re.compile(r"\\[0-7]{3}|\\[abtnvfr]|.", re.DOTALL)
"""A character as tshark writes it."""

_ASKS = frozenset({"0", "False"})
"""dns.flags.response of a message that is none, as tshark 4.0 and 4.4 write it."""

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
    dns: tuple[str, ...] = ()
    """Names that were asked for."""
    tls: tuple[str, ...] = ()
    http: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    """What may be names in it, and may not: none of these can be filtered for and counted alike."""
    layers: str = ""
    place: Place | None = None
    """Where the addresses of the row stand in the packet."""


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
        tcp, udp, *named, severity = more[: -len(FIELDS)]
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
        place = find_place(layers, row.source, row.destination, transport, more[-len(FIELDS) :])
        return Line(row, transport, tunnelled, *ports, *_named(*named), layers, place)


def _named(
    dns: str, dns_lengths: str, answers: str, tls: str, tls_lengths: str, http: str, first: str, last: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of the three kinds, each once, and what may be some. Whether a message asks is said by its flags."""
    if not _ASKS & set(answers.split(",")):
        dns = ""
    asked = names_by_length(dns, dns_lengths)
    servers = names_by_length(tls, tls_lengths)
    doubted = [*(dns.split(",") if dns and not asked else ()), *(tls.split(",") if tls and not servers else ())]
    hosts = names_by_ends(http, first, last) if http else ()
    return asked, servers, hosts, (*doubted, *hosts[2:], *(hosts[1:2] if len(hosts) > 2 else ()))


def names_by_length(joined: str, lengths: str) -> tuple[str, ...]:
    """Names with commas between them, and perhaps in them, by their lengths; none where these do not fit.

    Control characters are written as escapes, which are longer. A malformed message ends with a name without a length.
    """
    if not joined:
        return ()
    sizes = [int(size) for size in lengths.split(",") if size.isdigit()]
    names = _cut(list(joined), sizes) or _cut(_ESCAPED.findall(joined), sizes)
    return tuple(dict.fromkeys(name[:LONGEST_NAME] for name in names if name))


def _cut(characters: list[str], sizes: list[int]) -> list[str]:
    """The names of these sizes, and what is left behind them; none where no comma stands between."""
    names, at = [], 0
    for size in sizes:
        if at and (at > len(characters) or characters[at - 1] != ","):
            return []
        names.append("".join(characters[at : at + size]))
        at += size + 1
    if at - 1 == len(characters):
        return names
    rest = not at or (at <= len(characters) and characters[at - 1] == ",")
    return [*names, "".join(characters[at:])] if rest else []


def names_by_ends(joined: str, first: str, last: str) -> tuple[str, ...]:
    """The same where no lengths are known: one or two are certain, of more only those without a doubt."""
    if joined == first:
        return (first[:LONGEST_NAME],)
    middle = joined[len(first) + 1 : len(joined) - len(last) - 1]
    names = (first, *middle.split(","), last) if middle else (first, last)
    return tuple(dict.fromkeys(name[:LONGEST_NAME] for name in names if name))


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
