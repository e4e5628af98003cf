"""JA4, the fingerprint of a TLS client, from what its ClientHello offers. Pure.

The form is that of https://github.com/FoxIO-LLC/ja4 (JA4, TLS client): `t13d1516h2_8daaf6152771_e5627efa2ab1`.
Computed here because tshark knows it only from 4.2 on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

_VERSIONS = {
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip
_SERVER_NAME, _ALPN = 0x0000, 0x0010
_NOTHING = "0" * 12
_MOST_COUNTED = 99


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers, in its order."""

    transport: str
    """`t` for TCP, `q` for QUIC, `d` for DTLS."""
    version: int
    supported_versions: Sequence[int]
    ciphers: Sequence[int]
    extensions: Sequence[int]
    signature_algorithms: Sequence[int]
    protocols: Sequence[str]
    """Of ALPN."""


def ja4(hello: ClientHello) -> str:
    """The fingerprint."""
    ciphers, extensions = _sincere(hello.ciphers), _sincere(hello.extensions)
    version = max(_sincere(hello.supported_versions), default=hello.version)
    head = (
        hello.transport
        + _VERSIONS.get(version, "00")
        + ("d" if _SERVER_NAME in extensions else "i")
        + f"{min(len(ciphers), _MOST_COUNTED):02}{min(len(extensions), _MOST_COUNTED):02}"
        + _ends_of(hello.protocols[0] if hello.protocols else "")
    )
    listed = _hex(sorted(one for one in extensions if one not in (_SERVER_NAME, _ALPN)))
    signed = _hex(_sincere(hello.signature_algorithms))
    return f"{head}_{_digest(_hex(sorted(ciphers)))}_{_digest(f'{listed}_{signed}' if signed else listed)}"


def _sincere(values: Sequence[int]) -> list[int]:
    """Without GREASE (RFC 8701), which says nothing: 0x0a0a, 0x1a1a … 0xfafa."""
    return [one for one in values if not ((one & 0x0F0F) == 0x0A0A and one >> 8 == one & 0xFF)]


def _ends_of(protocol: str) -> str:
    """First and last character of the first protocol; of its hex digits where these are no letters or digits."""
    if not protocol:
        return "00"
    ends = protocol[0] + protocol[-1]
    if ends.isascii() and ends.isalnum():
        return ends
    digits = protocol.encode().hex()
    return digits[0] + digits[-1]


def _hex(values: Sequence[int]) -> str:
    return ",".join(f"{one:04x}" for one in values)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
