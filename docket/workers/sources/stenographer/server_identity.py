"""Who may answer as a stenographer: mutual TLS with one source's own CA. For `session` only.

Stenographer's certificates are X.509 version 1 with a common name and no subjectAltName, which the checks of
today's TLS libraries refuse. So the chain is verified by OpenSSL against that one CA, as always, and the name
here, after the handshake: subjectAltName where there is one, else the common name. Nothing is ever skipped.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docket.errors import SourceError
from docket.workers.sources.stenographer.tls_socket import TlsContext

_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_CA = (7, 18, 19, 20, 21)
"""Verification codes of OpenSSL (x509_vfy.h): bad signature (every stenographer's CA has the same name, so another
one looks like the issuer), self-signed, self-signed in chain, unknown issuer, not verifiable."""

_CLIENT_REFUSED = (
    "ALERT_UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "ALERT_ACCESS_DENIED",
    "ALERT_DECRYPT_ERROR",
    "HANDSHAKE_FAILURE",
)
"""Parts of the reasons that OpenSSL gives when the other side sent an alert about our certificate."""


class NameMismatch(ssl.SSLError):
    """The certificate is genuine and belongs to another."""


def client_context(cert: Path, key: Path, ca: Path) -> TlsContext:
    """A context that shows our certificate and trusts that CA alone. Raises SourceError, `refused`, with the file."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # `check_name` does it, see above
    context.verify_mode = ssl.CERT_REQUIRED
    # Python 3.13 turns this on by default; version 1 certificates cannot pass it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in (ca, cert, key):
        _must_be_readable(path)
    try:
        context.load_verify_locations(cafile=ca)
    except (ssl.SSLError, ValueError) as error:
        raise SourceError("refused", f"TLS: the CA file {ca} holds no certificate that can be read") from error
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise SourceError("refused", f"TLS: {cert} and {key} are not a certificate and its key") from error
    return context


def check_name(certificate: Mapping[str, Any], expected: str) -> None:
    """Raises NameMismatch unless the peer's certificate (as `getpeercert` gives it) is for `expected`."""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    if not names:
        names = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    if not any(_same_name(name, expected) for name in names):
        shown = ", ".join(names) or "no name"
        raise NameMismatch(0, f"its certificate is for {shown}, not for {expected}")


def explain_tls_failure(error: ssl.SSLError, ca: Path, cert: Path) -> str:
    """One sentence that names what is wrong between us and the server."""
    if isinstance(error, NameMismatch):
        return f"TLS: name mismatch: {error.strerror}"
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_CA:
            return f"TLS: wrong CA: its certificate was not issued by the CA in {ca}"
        if error.verify_code == _EXPIRED:
            return "TLS: its certificate has expired"
        if error.verify_code == _NOT_YET_VALID:
            return "TLS: its certificate is not valid yet (is a clock wrong?)"
        return f"TLS: its certificate was not accepted: {error.verify_message}"
    reason = str(error.reason or error)
    if any(part in reason for part in _CLIENT_REFUSED):
        return f"TLS: it did not accept Docket's client certificate {cert} ({_plain(reason)})"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"):
        return "TLS: it does not speak TLS"
    return f"TLS: the handshake failed ({_plain(reason)})"


def _must_be_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise SourceError("refused", f"TLS: the file {path} does not exist") from error
    except OSError as error:
        raise SourceError("refused", f"TLS: the file {path} cannot be read: {error.strerror}") from error


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted")


def _same_name(name: str, expected: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip()) == ipaddress.ip_address(expected)
    except ValueError:
        pass
    name, expected = name.lower().rstrip("."), expected.lower().rstrip(".")
    if name.startswith("*."):
        _, dot, rest = expected.partition(".")
        return bool(dot) and rest == name[2:]
    return name == expected


def _plain(reason: str) -> str:
    return reason.replace("_", " ").lower()
