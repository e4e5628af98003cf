"""The pass of tshark that counts DNS, TLS and HTTP, done when they are first asked for. For the inspector."""

from __future__ import annotations

from array import array
from pathlib import Path
from threading import Event

import msgspec

from docket.domain.decoding import prepare
from docket.errors import SpoolError
from docket.spool.file_io import write_whole
from docket.workers.inspector.transactions.dns_domains import DnsCounter, DnsDomain
from docket.workers.inspector.transactions.field_values import SEPARATOR, Values
from docket.workers.inspector.transactions.http_requests import HttpCounter, HttpRequest
from docket.workers.inspector.transactions.tls_connections import TlsCounter, TlsKind
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import tshark

WALL_S = 600.0
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 2_000_000_000
LONGEST_LINE = 200_000

_SHOWN = "dns.qry.name or tls.handshake.type in {1, 2, 11} or http.request or http.response or http2.headers"
_FIELDS = (
    "frame.number", "frame.protocols", "tcp.stream", "udp.stream",
    "dns.qry.name", "dns.flags.response", "dns.flags.rcode",
    "tls.handshake.type", "tls.handshake.extensions_server_name", "tls.handshake.version",
    "tls.handshake.ciphersuite", "tls.handshake.extension.type", "tls.handshake.extensions_alpn_str",
    "tls.handshake.sig_hash_alg", "tls.handshake.extensions.supported_version", "tls.handshake.ja3",
    "tls.handshake.ja3s", "tls.handshake.certificate",
    "http.request.method", "http.host", "http.request.uri", "http.response.code", "http.request_in",
    "http2.streamid", "http2.headers.method", "http2.headers.authority", "http2.headers.path", "http2.headers.status",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_FIELDS)}


class Transactions(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted; each list has the first of `…_total`, in its own order."""

    dns: tuple[DnsDomain, ...]
    dns_total: int
    """Domains."""
    tls: tuple[TlsKind, ...]
    tls_total: int
    """Connections."""
    http: tuple[HttpRequest, ...]
    http_total: int
    """Requests."""
    truncated: bool
    """There were more than can be counted."""


def count_transactions(capture: Capture, marks: array[int], stop: Event) -> Transactions:
    """Read the whole capture. Raises DissectionError."""
    fields = [part for name in _FIELDS for part in ("-e", name)]
    command = tshark(
        *capture.arguments, "-Y", _SHOWN, "-T", "fields", "-E", "occurrence=a", "-E", f"aggregator={SEPARATOR}", *fields
    )
    limits = Limits(WALL_S, WALL_S, MEMORY_BYTES, OUTPUT_BYTES, nice=10)
    counters = DnsCounter(), TlsCounter(), HttpCounter()
    source = capture.pieces(1, marks)
    with SandboxedProcess(command, limits, source, stop=stop, readable=capture.readable) as child:
        for line in child.lines():
            values = Values(_PLACES, line[:LONGEST_LINE].decode("utf-8", "replace"))
            if values.whole:
                for counter in counters:
                    counter.add(values)
        child.finish()
    dns, tls, http = counters
    return Transactions(
        dns=dns.domains(),
        dns_total=dns.total,
        tls=tls.kinds(),
        tls_total=tls.total,
        http=http.requests(),
        http_total=http.total,
        truncated=dns.truncated or tls.truncated or http.truncated,
    )


def write_transactions(path: Path, transactions: Transactions) -> None:
    """In one piece or not at all. Raises SpoolError."""
    write_whole(path, msgspec.msgpack.encode(transactions))


def read_transactions(path: Path) -> Transactions | None:
    """None if they were not counted yet."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Transactions)
    except (OSError, msgspec.DecodeError):
        return None


def known_transactions(path: Path) -> Transactions:
    """Raises SpoolError where they could not be kept."""
    known = read_transactions(path)
    if known is None:
        raise SpoolError("what was counted could not be kept")
    return known


prepare(Transactions)
