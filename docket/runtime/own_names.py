"""Names and addresses of this machine that no other site can have, as browsers see them. Pure."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's to itself, also as a socket for both families shows it."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(known, "ipv4_mapped", None) or known).is_loopback


def netloc(url: str) -> str:
    """Host and port of an origin or address; empty for what is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def host_name(host: str) -> str:
    """The name or address of a Host header, without its port and brackets."""
    try:
        return urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return "?"


def is_own_name(name: str) -> bool:
    """Addresses cannot be rebound; of names only this machine's own count."""
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".") == socket.gethostname().lower()
    return True
