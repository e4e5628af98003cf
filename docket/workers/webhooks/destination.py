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


class NotAllowed(OSError):
    """Raised for an address that the hook may not send to; trying again does not help."""


def is_allowed(address: IPAddress, networks: tuple[str, ...]) -> bool:
    """Public addresses are; private ones and this machine where the hook names them; link-local ones never."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # Where clouds hand out the credentials of a machine.
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    named = [ipaddress.ip_network(net, strict=False) for net in networks]
    return address.is_global or any(address in net for net in named)


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
