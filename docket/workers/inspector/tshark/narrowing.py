"""Which packets a display filter can possibly show, found without a dissector: those of a few conversations. Pure.

A filter that names addresses, ports or a stream is true only of packets of conversations with these. They are cut out
first, with everything else between the same ends, and only that is dissected: whatever a dissector derives from a
conversation is as it is in the whole file. Where that cannot be known (other fields, frame numbers), there is no cut.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network

from docket.workers.inspector.tshark.belonging import Belonging, Thread

DEEPEST = 50
"""Parentheses and negations inside of each other; a filter with more is held against the whole file."""
WORTH_IT = 0.5
"""A cut with more than this part of the file saves too little."""

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>\(|\)|&&|\|\||!(?!=)|==|!=|>=|<=|>|<|\{[^}]*\}|\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<word>[^\s(){}&|!=<>\"']+))"
)
_EQUALS = ("==", "eq")
_COMPARISONS = (*_EQUALS, "!=", "ne", ">", "gt", "<", "lt", ">=", "ge", "<=", "le", "contains", "matches", "~", "in")

_HOSTS = frozenset({"ip.addr", "ip.src", "ip.dst", "ip.host", "ipv6.addr", "ipv6.src", "ipv6.dst", "ipv6.host"})
_PORTS = {f"{transport}.{port}": transport for transport in ("tcp", "udp") for port in ("port", "srcport", "dstport")}
_STREAMS = {"tcp.stream": "tcp", "udp.stream": "udp"}
_CONTEXT_FREE = (
    "eth", "vlan", "arp", "ip", "ipv6", "icmp", "icmpv6", "tcp", "udp", "dns", "http", "http2", "tls", "ssh", "smtp",
    "smb", "smb2", "data", "frame",
)  # fmt: skip
"""Protocols whose fields say the same where only the packets between two ends are read."""
_OF_THE_FILE = re.compile(
    r"frame\.(number|time_relative|time_delta\w*|ref_time|marked|ignored)|(tcp|udp)\.stream|[\w.]+\.\w*frame\w*|[\w.]*_(in|to)"
)
"""Fields that count in the whole file."""

Maybe = Callable[[Thread], bool]
"""Whether a packet of the thread may be shown; True where that cannot be known."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The packets to dissect, and the filter as it has to be for these."""

    numbers: array[int]
    text: str


class _Unknown(Exception):  # not an error: there is no cut then
    """The filter has something that must see the whole file."""


def cut_for(text: str, belonging: Belonging) -> Cut | None:
    """None if the whole file must be read for this filter."""
    reader = _Reader(text)
    try:
        maybe = reader.whole()
    except _Unknown:
        return None
    rewritten = text
    if reader.streams:
        if len(reader.streams) > 1:
            return None
        ((field, number, span),) = reader.streams
        thread = stream_thread(belonging, _STREAMS[field], number)
        if thread is None:
            return None
        maybe = _same_stream(thread, maybe)
        rewritten = f"{text[: span[0]]}{field} == 0{text[span[1] :]}"
        numbers = belonging.packets_of(maybe)
    else:
        pairs = {thread.ends for thread in belonging.threads if thread.sure and maybe(thread)}
        numbers = belonging.packets_of(lambda thread: thread.ends in pairs or (not thread.sure and maybe(thread)))
    return Cut(numbers, rewritten) if len(numbers) <= WORTH_IT * len(belonging.numbers) else None


def stream_thread(belonging: Belonging, transport: str, number: int) -> Thread | None:
    """The thread that is this stream and nothing else; None where tunnels or restarts make that uncertain."""
    name = f"{transport} {number}"
    found = [thread for thread in belonging.threads if thread.stream == name]
    return found[0] if len(found) == 1 and found[0].sure else None


def _same_stream(wanted: Thread, maybe: Maybe) -> Maybe:
    """The stream, and what may be fragments of it; no other stream, so that it is the first one of the cut."""
    return lambda thread: (
        thread is wanted
        or (thread.ends == wanted.ends and not thread.stream and thread.transport == wanted.transport and maybe(thread))
    )


class _Reader:
    """Reads a filter as `and`, `or`, `not` over comparisons."""

    def __init__(self, text: str) -> None:
        self.streams: list[tuple[str, int, tuple[int, int]]] = []
        """Each `tcp.stream == 5` that must hold: field, number, place in the text."""
        self._tokens = [(found["sign"] or found["word"], found.span()) for found in _TOKEN.finditer(text)]
        self._at = 0
        self._depth = 0

    def whole(self) -> Maybe:
        """Raises _Unknown."""
        maybe = self._either(top=True)
        if self._at < len(self._tokens):
            raise _Unknown
        return maybe

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise _Unknown
        self._at += 1
        return self._tokens[self._at - 1][0]

    def _takes(self, *wanted: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0].lower() in wanted:
            self._at += 1
            return True
        return False

    def _either(self, *, top: bool) -> Maybe:
        start, before = self._at, list(self.streams)
        parts = [self._both(top=top)]
        while self._takes("||", "or"):
            if top and len(parts) == 1:  # what came before need not hold: read it again as such
                self._at, self.streams = start, list(before)
                parts = [self._both(top=False)]
                self._takes("||", "or")
            parts.append(self._both(top=False))
        return parts[0] if len(parts) == 1 else lambda thread: any(part(thread) for part in parts)

    def _both(self, *, top: bool) -> Maybe:
        parts = [self._not(top=top)]
        while self._takes("&&", "and"):
            parts.append(self._not(top=top))
        return parts[0] if len(parts) == 1 else lambda thread: all(part(thread) for part in parts)

    def _not(self, *, top: bool) -> Maybe:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Unknown
        try:
            return self._operand(top=top)
        finally:
            self._depth -= 1

    def _operand(self, *, top: bool) -> Maybe:
        if self._takes("!", "not"):
            self._not(top=False)  # whatever it says: what is not shown by the one may be shown by the other
            return _always
        if self._takes("("):
            inner = self._either(top=top)
            if not self._takes(")"):
                raise _Unknown
            return inner
        return self._comparison(top=top)

    def _comparison(self, *, top: bool) -> Maybe:
        begin = self._at
        field = self._next().lower()
        if not re.fullmatch(r"[a-z_][\w.]*", field):
            raise _Unknown
        sign = self._tokens[self._at][0].lower() if self._at < len(self._tokens) else ""
        value = ""
        if sign in _COMPARISONS:
            self._at += 1
            value = self._next()
        if field in _STREAMS and top and sign in _EQUALS and value.isdigit():
            self.streams.append((field, int(value), (self._tokens[begin][1][0], self._tokens[self._at - 1][1][1])))
            return _always
        if _OF_THE_FILE.fullmatch(field) or field.partition(".")[0] not in _CONTEXT_FREE:
            raise _Unknown
        return _meaning(field, sign, value)


def _always(_thread: Thread) -> bool:
    return True


def _meaning(field: str, sign: str, value: str) -> Maybe:
    """What a comparison says about a thread."""
    if field in _HOSTS and sign in _EQUALS:
        return _host(value)
    if field in _PORTS and sign in (*_EQUALS, "in"):
        return _port(_PORTS[field], value.strip("{}").replace(",", " ").split())
    if field in ("tcp", "udp") and not sign:
        return lambda thread: not thread.sure or thread.transport == field
    return _always


def _host(value: str) -> Maybe:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return _always
    known: dict[str, bool] = {}

    def inside(address: str) -> bool:
        if address not in known:
            try:
                found = ip_network(address)
                known[address] = found.version == network.version and found.subnet_of(network)  # type: ignore[arg-type]
            except ValueError:
                known[address] = True
        return known[address]

    return lambda thread: not thread.sure or inside(thread.ends[0]) or inside(thread.ends[1])


def _port(transport: str, values: list[str]) -> Maybe:
    if not values or not all(value.isdigit() for value in values):
        return _always
    wanted = frozenset(values)
    return lambda thread: not thread.sure or (thread.transport == transport and not wanted.isdisjoint(thread.ports))
