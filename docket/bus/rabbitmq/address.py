"""The address of a RabbitMQ: one reading of the URL and the TLS files, for kombu and for pika. For `bus` alone."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from docket.domain.bus_nodes import split_nodes
from docket.errors import ConfigError, Fault

_PORTS = {"amqp": 5672, "amqps": 5671}

CONNECT_TIMEOUT_S = 5.0

CONFIRM_TIMEOUT_S = 10.0
"""After this, a message without an answer is published again on a new connection: right after its start, RabbitMQ
can take a message for a quorum queue that has no leader yet, and never confirm it."""

HEARTBEAT_S = 20
"""A dead peer is noticed after two of them. Not below 10: RabbitMQ's manual warns of false alarms, and a thread
that writes a big answer to a slow disk must get round to its heartbeat."""

UNANSWERED_MS = 30_000
"""How long the kernel keeps unanswered bytes before it gives a connection up (TCP_USER_TIMEOUT). py-amqp sets
1000, which would break a connection whenever RabbitMQ stops reading for a second, as it does to slow publishers."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, or the first node of its cluster, and who asks. Its text never shows the password."""

    host: str
    port: int
    vhost: str
    user: str
    password: str = field(repr=False)
    tls: bool
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    others: tuple[tuple[str, int], ...] = ()
    """Host and port of the cluster's further nodes, tried in this order where the ones before do not answer."""

    def __str__(self) -> str:
        hosts = ",".join(_host_and_port(host, port) for host, port in ((self.host, self.port), *self.others))
        return f"{'amqps' if self.tls else 'amqp'}://{hosts} vhost {self.vhost!r}"

    @property
    def nodes(self) -> tuple[Address, ...]:
        """One address for each node, to be tried one after the other."""
        others = (replace(self, host=host, port=port, others=()) for host, port in self.others)
        return (replace(self, others=()), *others)

    @property
    def by_certificate(self) -> bool:
        """Whether the client certificate is the login (SASL EXTERNAL): there is one, and no user in the URL."""
        return self.cert is not None and not self.user

    @property
    def account(self) -> str:
        """The user whom the broker takes the connection for: the certificate's common name, where that is the login.
        Raises OSError, ValueError for a certificate that cannot be read."""
        return _common_name(self.cert) if self.cert is not None and self.by_certificate else self.user

    def tls_context(self) -> ssl.SSLContext:
        """A context that verifies the broker's chain and name. Raises OSError for files that cannot be read."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return context


def parse_address(url: str, tls: Mapping[str, str]) -> Address:
    """Read `amqp://user:password@host:port/vhost` (or `amqps://`), every part percent-encoded where needed.

    The nodes of a cluster stand beside each other: `host:port,host:port`. Without a path, or with `/` alone, the
    vhost is `/`. `tls` may name the files `ca`, `cert` and `key` for `amqps://`.
    Raises ConfigError with all faults, none of which quotes the password.
    """
    faults: list[str] = []
    first, others_text = split_nodes(url)
    parts = urlsplit(first)
    if parts.scheme not in _PORTS:
        faults.append(f"the bus address must begin with amqp:// or amqps://, not {parts.scheme[:20]!r}")
    if parts.query or parts.fragment:
        faults.append("the bus address takes no ? or # part")
    try:
        usual_port = _PORTS.get(parts.scheme, 0)
        (host, port), *others = (_node(node, usual_port) for node in (parts.netloc.rpartition("@")[2], *others_text))
    except ValueError:
        (host, port), others = ("", 0), []
        faults.append("a port of the bus address is not a number from 1 to 65535")
    path = parts.path.removeprefix("/")
    if "/" in path:
        faults.append("a / in the vhost of the bus address must be written %2F")
    faults += [f"there is no TLS setting {name!r}; ca, cert and key are" for name in sorted(set(tls) - _TLS_FILES)]
    if tls and parts.scheme == "amqp":
        faults.append("TLS settings need an address that begins with amqps://")
    if ("key" in tls) and ("cert" not in tls):
        faults.append("a TLS key needs its cert")
    if faults:
        raise ConfigError([Fault("bad-bus", text, "bus") for text in faults])
    anonymous = parts.username is None and "cert" not in tls
    return Address(
        host=host,
        port=port,
        vhost=unquote(path) or "/",
        user="guest" if anonymous else unquote(parts.username or ""),
        password="guest" if anonymous else unquote(parts.password or ""),
        tls=parts.scheme == "amqps",
        ca=tls.get("ca"),
        cert=tls.get("cert"),
        key=tls.get("key"),
        others=tuple(others),
    )


def _node(text: str, usual_port: int) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ValueError for a bad port."""
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or "127.0.0.1"), parts.port or usual_port


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@cache
def _common_name(cert: str) -> str:
    certificate = x509.load_pem_x509_certificate(Path(cert).read_bytes())
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names:
        raise ValueError(f"{cert} has no common name")
    return str(names[0].value)


_TLS_FILES = {"ca", "cert", "key"}
