"""Counts TLS connections that look alike: server name, JA3, JA4, version and certificate. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec
from cryptography import x509

from docket.domain.timewindow import format_us
from docket.workers.inspector.transactions.field_values import Values, display_text
from docket.workers.inspector.transactions.ja4 import ClientHello, ja4

MOST_CONNECTIONS = 50_000
MOST_CERTIFICATES = 2_000
LARGEST_CERTIFICATE_BYTES = 16_384
SHOWN = 500
MOST_STREAMS = 100
"""Connections that a filter names one by one."""
LONGEST_NAME = 255

_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = 1, 2, 11
_VERSIONS = {0x0304: "1.3", 0x0303: "1.2", 0x0302: "1.1", 0x0301: "1.0", 0x0300: "SSL 3.0"}


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The server's own certificate. What it says is a stranger's text."""

    subject: str
    issuer: str
    not_before: str | None
    not_after: str | None
    sha256: str
    filter: str


class TlsKind(msgspec.Struct, frozen=True, kw_only=True):
    """Connections that look alike."""

    server_name: str
    version: str
    """`1.3`; empty where no server answered."""
    ja3: str
    ja3s: str
    ja4: str
    certificate: Certificate | None
    """None where none was seen: TLS 1.3 encrypts it."""
    count: int
    filter: str
    """All of them, or where they are many, the packets with their client's hello."""
    server_name_filter: str
    ja3_filter: str
    ja4_filter: str


@dataclass(slots=True)
class _Connection:
    server_name: str = ""
    version: int = 0
    ja3: str = ""
    ja3s: str = ""
    ja4: str = ""
    certificate: str = ""

    def look(self) -> tuple[str, int, str, str, str, str]:
        return self.server_name, self.version, self.ja3, self.ja3s, self.ja4, self.certificate


@dataclass(slots=True)
class _Kind:
    count: int = 0
    streams: list[str] = field(default_factory=list)


class TlsCounter:
    """Fed with the fields of each packet."""

    def __init__(self) -> None:
        self.truncated = False
        self._connections: dict[str, _Connection] = {}
        self._certificates: dict[str, Certificate] = {}

    def add(self, values: Values) -> None:
        kinds = values.numbers("tls.handshake.type")
        if not kinds:
            return
        connection = self._connection(values)
        if connection is None:
            return
        if _CLIENT_HELLO in kinds:
            _take_client(connection, values)
        elif _SERVER_HELLO in kinds:
            connection.version = max(
                values.numbers("tls.handshake.extensions.supported_version"),
                default=values.number("tls.handshake.version"),
            )
            connection.ja3s = values.text("tls.handshake.ja3s")
        if _CERTIFICATE in kinds and not connection.certificate:
            connection.certificate = self._certificate(values.text("tls.handshake.certificate"))

    @property
    def total(self) -> int:
        return len(self._connections)

    def kinds(self) -> tuple[TlsKind, ...]:
        """The most frequent first."""
        kinds: dict[tuple[str, int, str, str, str, str], _Kind] = {}
        by_ja4: dict[str, list[str]] = {}
        for stream, connection in self._connections.items():
            kind = kinds.setdefault(connection.look(), _Kind())
            kind.count += 1
            kind.streams.append(stream)
            by_ja4.setdefault(connection.ja4, []).append(stream)
        most = sorted(kinds.items(), key=lambda item: (-item[1].count, item[0]))[:SHOWN]
        return tuple(self._kind(look, kind, by_ja4) for look, kind in most)

    def _kind(self, look: tuple[str, int, str, str, str, str], kind: _Kind, by_ja4: dict[str, list[str]]) -> TlsKind:
        server_name, version, ja3, ja3s, fingerprint, certificate = look
        return TlsKind(
            server_name=server_name,
            version=_VERSIONS.get(version, f"0x{version:04x}" if version else ""),
            ja3=ja3,
            ja3s=ja3s,
            ja4=fingerprint,
            certificate=self._certificates.get(certificate),
            count=kind.count,
            filter=_streams_filter(kind.streams) or _hello_filter(server_name, ja3),
            server_name_filter=_equal("tls.handshake.extensions_server_name", server_name),
            ja3_filter=_equal("tls.handshake.ja3", ja3),
            ja4_filter=(_streams_filter(by_ja4[fingerprint]) or _equal("tls.handshake.ja3", ja3))
            if fingerprint
            else "",
        )

    def _connection(self, values: Values) -> _Connection | None:
        tcp, udp = values.text("tcp.stream"), values.text("udp.stream")
        stream = f"tcp {tcp}" if tcp else f"udp {udp}"
        connection = self._connections.get(stream)
        if connection is None:
            if len(self._connections) >= MOST_CONNECTIONS:
                self.truncated = True
                return None
            connection = self._connections[stream] = _Connection()
        return connection

    def _certificate(self, digits: str) -> str:
        """Its SHA-256, under which it is kept."""
        try:
            data = bytes.fromhex(digits.replace(":", ""))
        except ValueError:
            return ""
        if not data or len(data) > LARGEST_CERTIFICATE_BYTES:
            return ""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._certificates:
            if len(self._certificates) >= MOST_CERTIFICATES:
                self.truncated = True
                return ""
            self._certificates[digest] = _read(data, digest)
        return digest


def _take_client(connection: _Connection, values: Values) -> None:
    layers = values.text("frame.protocols").split(":")
    hello = ClientHello(
        transport="q" if "quic" in layers else "d" if "dtls" in layers else "t",
        version=values.number("tls.handshake.version"),
        supported_versions=values.numbers("tls.handshake.extensions.supported_version"),
        ciphers=values.numbers("tls.handshake.ciphersuite"),
        extensions=values.numbers("tls.handshake.extension.type"),
        signature_algorithms=values.numbers("tls.handshake.sig_hash_alg"),
        protocols=values.texts("tls.handshake.extensions_alpn_str"),
    )
    connection.ja4 = ja4(hello)
    connection.ja3 = values.text("tls.handshake.ja3")
    connection.server_name = values.text("tls.handshake.extensions_server_name")[:LONGEST_NAME]


def _read(data: bytes, digest: str) -> Certificate:
    """What a certificate says; a stranger's may say anything, or nothing that can be read."""
    subject, issuer, serial = "(not readable)", "", ""
    begins: str | None = None
    ends: str | None = None
    try:
        found = x509.load_der_x509_certificate(data)
        subject, issuer = found.subject.rfc4514_string()[:LONGEST_NAME], found.issuer.rfc4514_string()[:LONGEST_NAME]
        begins, ends = (_instant(at.timestamp()) for at in (found.not_valid_before_utc, found.not_valid_after_utc))
        number = found.serial_number
        serial = number.to_bytes((number.bit_length() + 8) // 8 or 1, "big", signed=number < 0).hex(":")
    except (ValueError, TypeError, OverflowError, x509.UnsupportedGeneralNameType):
        pass
    shown = f"x509af.serialNumber == {serial}" if serial else ""
    return Certificate(subject=subject, issuer=issuer, not_before=begins, not_after=ends, sha256=digest, filter=shown)


def _instant(seconds: float) -> str:
    return format_us(int(seconds) * 1_000_000)


def _streams_filter(streams: list[str]) -> str:
    """Empty where they are too many to be named."""
    if len(streams) > MOST_STREAMS:
        return ""
    terms = []
    for transport in ("tcp", "udp"):
        numbers = [stream.partition(" ")[2] for stream in streams if stream.startswith(transport)]
        if len(numbers) == 1:
            terms.append(f"{transport}.stream == {numbers[0]}")
        elif numbers:
            terms.append(f"{transport}.stream in {{{', '.join(numbers)}}}")
    return " or ".join(terms)


def _hello_filter(server_name: str, ja3: str) -> str:
    terms = [_equal("tls.handshake.extensions_server_name", server_name), _equal("tls.handshake.ja3", ja3)]
    return " and ".join(term for term in terms if term) or "tls.handshake"


def _equal(name: str, value: str) -> str:
    return f"{name} == {display_text(value)}" if value else ""
