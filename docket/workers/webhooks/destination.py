"""Where a hook may send to: which addresses are allowed, and a connection to one that was looked at.

The name is resolved once for each attempt, each address is held against the rules, and the connection is made to that
address: a name that resolves to something else a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

from docket.workers.webhooks.hooks import Hook

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
"""With those of SIIT and of IPv4-compatible addresses, which end in one of IPv4, too."""


class NotAllowed(OSError):
    """Raised for an address that the hook may not send to; trying again does not help."""


def is_allowed(address: IPAddress, networks: tuple[str, ...]) -> bool:
    """Public addresses are; private ones and this machine where the hook names them; link-local ones never."""
    for inner in _inner(address):
        if not is_allowed(inner, networks):
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # Where clouds hand out the credentials of a machine.
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    named = [ipaddress.ip_network(net, strict=False) for net in networks]
    # Site-local addresses of IPv6 count as global in Python, although RFC 3879 only took their meaning away.
    is_public = address.is_global and not (address.version == 6 and address.is_site_local)
    return is_public or any(address in net for net in named)


def _inner(address: IPAddress) -> list[ipaddress.IPv4Address]:
    """The IPv4 address that a gateway sends on to: 6to4, and NAT64 (RFC 6052), also under a prefix of the site."""
    if address.version == 4 or address.is_loopback or address.is_unspecified:
        return []
    if address.sixtofour is not None:
        return [address.sixtofour]
    if any(address in net for net in _NAT64):
        return [ipaddress.IPv4Address(address.packed[-4:])]
    return []


def connect(hook: Hook, timeout_s: float) -> socket.socket:
    """A connection to the first address that answers, with TLS for https. Raises OSError."""
    parts = urlsplit(hook.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    plain = socket.create_connection((str(_address(hook, host, port)), port), timeout_s)
    if parts.scheme == "http":
        return plain
    try:
        return ssl.create_default_context(cafile=hook.ca).wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _address(hook: Hook, host: str, port: int) -> IPAddress:
    """Raises OSError where the name has no address, NotAllowed where one of them may not be sent to."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise NotAllowed(f"{host} is no name of a host") from error
    addresses = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    for address in addresses:
        if not is_allowed(address, hook.networks):
            raise NotAllowed(f"{host} is {address}, which is not public and in no network of the hook")
        if urlsplit(hook.url).scheme == "http" and not address.is_loopback:
            raise NotAllowed(f"{host} is {address}, and http without TLS is for this machine alone")
    return addresses[0]
